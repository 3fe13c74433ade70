// Package keyring keeps keys in the user's keyring: on Linux, in whatever speaks the Secret Service
// of freedesktop.org on the session bus, such as gnome-keyring.
//
//	key, err := ring.Get(ctx, "openai")
//
// Reading asks nobody and starts nothing. A bus that is not there is not started, nor a keyring
// that the bus knows how to start; a collection that is locked stays locked, for whoever unlocks it
// asks the user in a window that perhaps nobody sees. Each of these is an [*Unavailable], which
// says so.
//
// The usual libraries do all three: this one is their few calls, made with care. An item has the
// attributes that they give it ("service", which is always "nono", and "username"), so that
// secret-tool and others find it.
package keyring

import "errors"

// Service is the attribute that all of nono's keys have.
const Service = "nono"

// ErrNotFound says that the keyring has no key of this name.
var ErrNotFound = errors.New("it is not in the keyring")

// Unavailable says why the keyring cannot be read.
type Unavailable struct{ Why string }

// Error implements error.
func (e *Unavailable) Error() string { return e.Why }

// Ring is a user's keyring.
type Ring struct {
	// Address is the session bus's, as DBUS_SESSION_BUS_ADDRESS has it; where it is empty the bus is
	// looked for in RuntimeDir, the user's XDG_RUNTIME_DIR.
	Address, RuntimeDir string
}
