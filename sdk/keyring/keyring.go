// Package keyring keeps keys in the user's keyring: on Linux, in whatever speaks the Secret Service
// of freedesktop.org on the session bus, such as gnome-keyring; on macOS in the keychain.
//
//	key, err := ring.Get(ctx, "openai")
//
// On Linux, reading asks nobody and starts nothing. A bus that is not there is not started, nor a
// keyring that the bus knows how to start; a collection that is locked stays locked, for whoever
// unlocks it asks the user in a window that perhaps nobody sees. Each of these is an
// [*Unavailable], which says so.
//
// go-keyring does all three, and a look beforehand would not keep it from them: a keyring may lock
// or end between the look and its calls. So there its few calls are made here, with care. An item
// has the attributes that it gives ("service" and "username"), so that secret-tool, go-keyring and
// others find it.
//
// On macOS go-keyring is what stores and reads, through the system's own command. A keychain that
// is locked asks for its password in a window, which is waited for only until the context ends.
package keyring

import "errors"

// Service is the attribute that the keys of services have. Other keys have another one, so that
// neither is taken for the other.
const Service = "nono"

// ErrNotFound says that the keyring has no key of this name.
var ErrNotFound = errors.New("it is not in the keyring")

// Unavailable says why the keyring cannot be read.
type Unavailable struct{ Why string }

// Error implements error.
func (e *Unavailable) Error() string { return e.Why }

// Ring is a user's keyring.
type Ring struct {
	// Service is the attribute that all keys here have; empty: [Service].
	Service string
	// Address is, on Linux, the session bus's, as DBUS_SESSION_BUS_ADDRESS has it; where it is empty
	// the bus is looked for in RuntimeDir, the user's XDG_RUNTIME_DIR.
	Address, RuntimeDir string
}

// attribute is that of this ring's keys.
func (r Ring) attribute() string {
	if r.Service == "" {
		return Service
	}
	return r.Service
}
