package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	usual "github.com/zalando/go-keyring"

	"github.com/nono-run/nono/sdk/keyring"
	"github.com/nono-run/nono/test/keyrings"
)

// limit is how long anything here may take; a keyring that hangs is given less.
const limit = 30 * time.Second

// bus is a keyring that has a bus of the test's own, which knows how to start this service; "" for
// none.
func bus(t *testing.T, activates string) keyring.Ring {
	t.Helper()
	return keyring.Ring{Address: keyrings.Bus(t, activates)}
}

// gnome runs gnome-keyring on a bus, with a collection that this password unlocks.
func gnome(t *testing.T, r keyring.Ring, password string) *os.Process {
	t.Helper()
	return keyrings.Gnome(t, r.Address, password)
}

func TestKeys(t *testing.T) {
	r := bus(t, "")
	gnome(t, r, "password")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, err := r.Get(ctx, "openai"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("of an empty keyring: %v", err)
	}
	if names, err := r.List(ctx); err != nil || len(names) > 0 {
		t.Errorf("in an empty keyring: %q, %v", names, err)
	}
	keys := map[string][]byte{
		"openai": []byte("sk-abc+/="), "long": bytes.Repeat([]byte("0123456789"), 50),
		"bytes": {1, 0x7f, 0xff, 'x'}, "newline": []byte("key\n"),
	}
	for name, key := range keys {
		if err := r.Set(ctx, name, []byte("an older one")); err != nil {
			t.Fatal(err)
		}
		if err := r.Set(ctx, name, key); err != nil {
			t.Fatal(err)
		}
	}
	for name, key := range keys {
		if got, err := r.Get(ctx, name); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	names, err := r.List(ctx)
	if want := []string{"bytes", "long", "newline", "openai"}; err != nil ||
		!slices.Equal(names, want) {
		t.Errorf("got %q, %v", names, err)
	}
	if err := r.Remove(ctx, "openai"); err != nil {
		t.Error(err)
	}
	if _, err := r.Get(ctx, "openai"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("a key that was removed: %v", err)
	}
	if err := r.Remove(ctx, "openai"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("removing it again: %v", err)
	}
}

// Keys of another service are other keys, whatever they are called.
func TestServicesAreApart(t *testing.T) {
	r := bus(t, "")
	gnome(t, r, "password")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	other := r
	other.Service = "nono-other"
	if err := r.Set(ctx, "one", []byte("sk-1")); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(ctx, "one"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("it has the key of the other: %v", err)
	}
	if err := other.Set(ctx, "one", []byte("sk-2")); err != nil {
		t.Fatal(err)
	}
	for want, ring := range map[string]keyring.Ring{"sk-1": r, "sk-2": other} {
		if got, err := ring.Get(ctx, "one"); err != nil || string(got) != want {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := other.Remove(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if names, err := r.List(ctx); err != nil || !slices.Equal(names, []string{"one"}) {
		t.Errorf("of the first are left %q, %v", names, err)
	}
}

// What secret-tool stores is found, as people who do not know nono's command store a key.
func TestSecretTool(t *testing.T) {
	tool, err := exec.LookPath("secret-tool")
	if err != nil {
		t.Skip("there is no secret-tool")
	}
	r := bus(t, "")
	gnome(t, r, "password")
	cmd := exec.Command(tool, "store", "--label=x", "service", "nono", "username", "openai")
	cmd.Env = []string{"DBUS_SESSION_BUS_ADDRESS=" + r.Address}
	cmd.Stdin = strings.NewReader("sk-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if got, err := r.Get(ctx, "openai"); err != nil || string(got) != "sk-1" {
		t.Errorf("got %q, %v", got, err)
	}
}

// library lets go-keyring find this ring. Its connection, which it keeps for the whole process, ends
// with the test.
func library(t *testing.T, r keyring.Ring) {
	t.Helper()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", r.Address)
	conn, err := dbus.SessionBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
}

// What go-keyring stores is found here, and what is stored here go-keyring finds.
func TestLibrary(t *testing.T) {
	r := bus(t, "")
	gnome(t, r, "password")
	library(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := usual.Set(keyring.Service, "theirs", "sk-1"); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(ctx, "theirs"); err != nil || string(got) != "sk-1" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := r.Set(ctx, "ours", []byte("sk-2")); err != nil {
		t.Fatal(err)
	}
	if got, err := usual.Get(keyring.Service, "ours"); err != nil || got != "sk-2" {
		t.Errorf("go-keyring: got %q, %v", got, err)
	}
	if err := usual.Delete(keyring.Service, "ours"); err != nil {
		t.Error(err)
	}
	if _, err := r.Get(ctx, "ours"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("a key that go-keyring removed: %v", err)
	}
}

// A keyring that cannot be read is said to be, in time, and nothing is started or unlocked for it.
func TestUnavailable(t *testing.T) {
	silent := func(t *testing.T) keyring.Ring { // a bus that says nothing
		dir, err := os.MkdirTemp("", "nono")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		l, err := net.Listen("unix", filepath.Join(dir, "bus"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return keyring.Ring{RuntimeDir: dir}
	}
	for name, test := range map[string]struct {
		ring func(t *testing.T) keyring.Ring
		want string
	}{
		"no bus":                {func(*testing.T) keyring.Ring { return keyring.Ring{} }, "there is no session bus"},
		"a bus that is gone":    {func(*testing.T) keyring.Ring { return keyring.Ring{Address: "unix:path=/nonexistent"} }, "no session bus answers"},
		"one to be started":     {func(*testing.T) keyring.Ring { return keyring.Ring{Address: "autolaunch:"} }, "there is no session bus"},
		"one that is a program": {func(*testing.T) keyring.Ring { return keyring.Ring{Address: "unixexec:path=/bin/sh"} }, "there is no session bus"},
		"one that is silent":    {silent, "it took too long"},
		"no keyring":            {func(t *testing.T) keyring.Ring { return bus(t, "") }, "no keyring runs"},
		"locked": {func(t *testing.T) keyring.Ring {
			r := bus(t, "")
			gnome(t, r, "password")
			if err := r.Set(t.Context(), "openai", []byte("sk")); err != nil {
				t.Fatal(err)
			}
			keyrings.Lock(t, r.Address)
			return r
		}, "the keyring is locked"},
		"one that hangs": {func(t *testing.T) keyring.Ring {
			r := bus(t, "")
			keyrings.Hang(t, gnome(t, r, "password"))
			return r
		}, "it took too long"},
	} {
		t.Run(name, func(t *testing.T) {
			r := test.ring(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := r.Get(ctx, "openai")
			var unavailable *keyring.Unavailable
			if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// hasty is a keyring that has not taken note of its caller at so many calls.
type hasty struct{ calls, times int }

// SearchItems is the method of the service's, of a keyring that has nothing.
func (h *hasty) SearchItems(map[string]string) (unlocked, locked []dbus.ObjectPath, _ *dbus.Error) {
	h.calls++
	if h.calls <= h.times {
		return nil, nil, dbus.NewError("org.freedesktop.DBus.Error.UnknownMethod", nil)
	}
	return nil, nil, nil
}

// TestAskedAgain: a keyring that says once of a method that it is not there is asked again, as
// gnome-keyring sometimes does, and one that has no such method is not asked for ever.
func TestAskedAgain(t *testing.T) {
	for times, want := range map[int]string{0: "it is not in the keyring", 1: "it is not in the keyring", 9: "the keyring does not answer"} {
		r := bus(t, "")
		conn, err := dbus.Connect(r.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		served := &hasty{times: times}
		if err := conn.Export(served, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.RequestName("org.freedesktop.secrets", 0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if _, err := r.Get(ctx, "openai"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("after %d refusals: %v, want %q", times, err, want)
		}
		if served.calls > 2 {
			t.Errorf("after %d refusals it was asked %d times", times, served.calls)
		}
	}
}

// A keyring that the bus could start is not started. That the bus would do it shows go-keyring.
func TestNothingIsStarted(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	r := bus(t, "/usr/bin/touch "+started)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, err := r.Get(ctx, "openai"); err == nil {
		t.Error("there is a keyring")
	}
	if _, err := os.Stat(started); err == nil {
		t.Fatal("a keyring was started")
	}
	library(t, r)
	if _, err := usual.Get(keyring.Service, "openai"); err == nil {
		t.Error("go-keyring finds a keyring")
	}
	if _, err := os.Stat(started); err != nil {
		t.Errorf("the bus starts nothing, so that this test shows nothing: %v", err)
	}
}
