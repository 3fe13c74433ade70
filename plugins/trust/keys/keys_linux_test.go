package keys_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/sdk/keyring"
	"github.com/nono-run/nono/test/keyrings"
)

func TestKeyInTheKeyring(t *testing.T) {
	bus := keyrings.Bus(t, "")
	daemon := keyrings.Gnome(t, bus, "password")
	o := keys.Options{Keyring: keyring.Ring{Address: bus}}
	dir := newDir(t)
	ring := open(t, dir, o)
	place := keys.Place{Where: keys.Keyring}
	own, err := ring.Generate(t.Context(), "mine", place)
	if err != nil {
		t.Fatal(err)
	}
	works(t, ring, "mine")
	works(t, open(t, dir, o), "mine")
	closed(t, dir)
	// It is no key of a service's.
	if names, err := o.Keyring.List(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("keys of services are %q, %v", names, err)
	}
	// One that is in the keyring alone is not overwritten.
	if _, err := open(t, newDir(t), o).Generate(t.Context(), "mine", place); !errors.Is(err, keys.ErrTaken) {
		t.Errorf("another one of the name: %v", err)
	}
	works(t, ring, "mine")

	if err := ring.RevokeKey(t.Context(), own.ID); err != nil {
		t.Fatal(err)
	}
	if own, err = ring.Generate(t.Context(), "mine", place); err != nil {
		t.Fatalf("the name is not free: %v", err)
	}
	keyrings.Lock(t, bus)
	refused := func(doing, want string) {
		t.Helper()
		began := time.Now()
		_, err := ring.Private(t.Context(), "mine")
		var unopened *keys.UnopenedError
		if !errors.As(err, &unopened) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", doing, err, want)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s took %s", doing, took)
		}
	}
	refused("locked", "the keyring is locked")
	keyrings.Hang(t, daemon)
	refused("hanging", "it took too long")

	// Without the keyring a key can be revoked all the same.
	var kept *keys.KeptError
	gone := open(t, dir, keys.Options{Keyring: keyring.Ring{Address: "unix:path=/nonexistent"}})
	if err := gone.RevokeKey(t.Context(), own.ID); !errors.As(err, &kept) {
		t.Errorf("revoking: %v", err)
	}
	if len(gone.Keys()) > 0 || !gone.Revoked().IDs()[own.ID] {
		t.Error("it is trusted still")
	}
	if _, err := gone.Generate(t.Context(), "mine", place); !errors.Is(err, keys.ErrTaken) {
		t.Errorf("over what is left of it: %v", err)
	}
}

// Without a keyring the first key gets a passphrase, and without a terminal somebody is told how to
// go on.
func TestGenerateAnywhere(t *testing.T) {
	bus := keyrings.Bus(t, "")
	o := keys.Options{Keyring: keyring.Ring{Address: bus}, Ask: always("correct horse")}
	own, err := open(t, newDir(t), o).GenerateAnywhere(t.Context(), keys.Default)
	if err != nil || own.Place != (keys.Place{Where: keys.Age}) {
		t.Errorf("it is %s, %v", own.Place, err)
	}
	dir := newDir(t)
	o.Ask = nil
	if _, err := open(t, dir, o).GenerateAnywhere(t.Context(), keys.Default); err == nil ||
		!strings.Contains(err.Error(), "no keyring runs") {
		t.Errorf("nobody is asked: %v", err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("there is %q", left)
	}
	keyrings.Gnome(t, bus, "password")
	own, err = open(t, dir, o).GenerateAnywhere(t.Context(), keys.Default)
	if err != nil || own.Where != keys.Keyring {
		t.Errorf("it is %s, %v", own.Place, err)
	}
}

// Where there is no room for all of a key, there is nothing of it.
func TestFullDisk(t *testing.T) {
	const variable = "KEYS_TEST_FULL"
	if dir := os.Getenv(variable); dir != "" {
		full(t, dir)
		return
	}
	for _, place := range []keys.Place{identity(t), {Where: keys.Keyring}} {
		dir := newDir(t)
		bus := keyrings.Bus(t, "")
		keyrings.Gnome(t, bus, "password")
		c := exec.Command("/proc/self/exe", "-test.run=^TestFullDisk$")
		c.Env = append(os.Environ(), variable+"="+dir, "KEYS_TEST_IDENTITY="+place.Identity,
			"DBUS_SESSION_BUS_ADDRESS="+bus)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{"with room for 1: file too large", "with room for 100: file too large", "with room for 100000: made"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %q is missing in\n%s", place, want, out)
			}
		}
		ring := open(t, dir, keys.Options{Keyring: keyring.Ring{Address: bus}})
		works(t, ring, "mine")
		closed(t, dir)
	}
}

// full makes a key where files can have fewer and then more bytes.
func full(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	ring := open(t, dir, keys.Options{Keyring: keyring.Ring{Address: os.Getenv("DBUS_SESSION_BUS_ADDRESS")}})
	place := keys.Place{Where: keys.Keyring}
	if identity := os.Getenv("KEYS_TEST_IDENTITY"); identity != "" {
		place = keys.Place{Where: keys.Age, Identity: identity}
	}
	for _, room := range []uint64{1, 100, 100_000} {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: room, Max: 1 << 30}); err != nil {
			t.Fatal(err)
		}
		_, err := ring.Generate(t.Context(), "mine", place)
		var errno syscall.Errno
		switch {
		case err == nil:
			fmt.Printf("with room for %d: made\n", room)
		case errors.As(err, &errno):
			fmt.Printf("with room for %d: %v\n", room, errno)
			if left := files(t, dir); len(left) > 0 {
				t.Errorf("there is %q", left)
			}
		default:
			t.Error(err)
		}
	}
}
