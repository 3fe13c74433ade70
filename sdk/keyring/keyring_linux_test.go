package keyring

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
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	usual "github.com/zalando/go-keyring"
)

// limit is how long anything here may take; a keyring that hangs is given less.
const limit = 30 * time.Second

// bus starts a session bus of the test's own, which knows how to start this service; "" for none.
func bus(t *testing.T, activates string) Ring {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("there is no dbus-daemon")
	}
	dir, err := os.MkdirTemp("", "nono") // short: a socket's path may not be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "bus")
	config := `<busconfig><type>session</type><listen>unix:path=` + socket + `</listen>
<servicedir>` + dir + `</servicedir>
<limit name="service_start_timeout">1000</limit>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>`
	write(t, filepath.Join(dir, "bus.conf"), config)
	if activates != "" {
		write(t, filepath.Join(dir, "secrets.service"),
			"[D-BUS Service]\nName="+busName+"\nExec="+activates+"\n")
	}
	cmd := exec.Command(daemon, "--config-file="+filepath.Join(dir, "bus.conf"), "--nofork",
		"--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := out.Read(make([]byte, 200)); err != nil { // it listens when it says so
		t.Fatal(err)
	}
	return Ring{Address: "unix:path=" + socket}
}

// gnome runs gnome-keyring on a bus, with a collection that this password unlocks.
func gnome(t *testing.T, r Ring, password string) *os.Process {
	t.Helper()
	daemon, err := exec.LookPath("gnome-keyring-daemon")
	if err != nil {
		t.Skip("there is no gnome-keyring-daemon")
	}
	home := t.TempDir()
	cmd := exec.Command(daemon, "--foreground", "--components=secrets", "--unlock",
		"--control-directory="+t.TempDir())
	cmd.Env = []string{
		"HOME=" + home, "DBUS_SESSION_BUS_ADDRESS=" + r.Address, "PATH=" + os.Getenv("PATH"),
		"XDG_DATA_HOME=" + home, "XDG_RUNTIME_DIR=" + home,
	}
	cmd.Stdin = strings.NewReader(password)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		c, err := r.open(ctx)
		if err == nil {
			_, err = c.lasting()
			c.close()
			if err == nil {
				return cmd.Process
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("gnome-keyring does not serve: %v", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond): // it tells nobody when it is ready
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeys(t *testing.T) {
	r := bus(t, "")
	gnome(t, r, "password")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, err := r.Get(ctx, "openai"); !errors.Is(err, ErrNotFound) {
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
	if _, err := r.Get(ctx, "openai"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a key that was removed: %v", err)
	}
	if err := r.Remove(ctx, "openai"); !errors.Is(err, ErrNotFound) {
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
	if _, err := other.Get(ctx, "one"); !errors.Is(err, ErrNotFound) {
		t.Errorf("it has the key of the other: %v", err)
	}
	if err := other.Set(ctx, "one", []byte("sk-2")); err != nil {
		t.Fatal(err)
	}
	for want, ring := range map[string]Ring{"sk-1": r, "sk-2": other} {
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
func library(t *testing.T, r Ring) {
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
	if err := usual.Set(Service, "theirs", "sk-1"); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Get(ctx, "theirs"); err != nil || string(got) != "sk-1" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := r.Set(ctx, "ours", []byte("sk-2")); err != nil {
		t.Fatal(err)
	}
	if got, err := usual.Get(Service, "ours"); err != nil || got != "sk-2" {
		t.Errorf("go-keyring: got %q, %v", got, err)
	}
	if err := usual.Delete(Service, "ours"); err != nil {
		t.Error(err)
	}
	if _, err := r.Get(ctx, "ours"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a key that go-keyring removed: %v", err)
	}
}

func lock(t *testing.T, r Ring) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c, err := r.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	at, err := c.lasting()
	if err != nil {
		t.Fatal(err)
	}
	var done []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err = c.store(c.call(rootPath, service+".Lock", []dbus.ObjectPath{at}), &done, &prompt)
	if err != nil || len(done) != 1 {
		t.Fatalf("locking: %v, %v", done, err)
	}
}

// A keyring that cannot be read is said to be, in time, and nothing is started or unlocked for it.
func TestUnavailable(t *testing.T) {
	silent := func(t *testing.T) Ring { // a bus that says nothing
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
		return Ring{RuntimeDir: dir}
	}
	for name, test := range map[string]struct {
		ring func(t *testing.T) Ring
		want string
	}{
		"no bus":                {func(*testing.T) Ring { return Ring{} }, "there is no session bus"},
		"a bus that is gone":    {func(*testing.T) Ring { return Ring{Address: "unix:path=/nonexistent"} }, "no session bus answers"},
		"one to be started":     {func(*testing.T) Ring { return Ring{Address: "autolaunch:"} }, "there is no session bus"},
		"one that is a program": {func(*testing.T) Ring { return Ring{Address: "unixexec:path=/bin/sh"} }, "there is no session bus"},
		"one that is silent":    {silent, "it took too long"},
		"no keyring":            {func(t *testing.T) Ring { return bus(t, "") }, "no keyring runs"},
		"locked": {func(t *testing.T) Ring {
			r := bus(t, "")
			gnome(t, r, "password")
			if err := r.Set(t.Context(), "openai", []byte("sk")); err != nil {
				t.Fatal(err)
			}
			lock(t, r)
			return r
		}, "the keyring is locked"},
		"one that hangs": {func(t *testing.T) Ring {
			r := bus(t, "")
			if err := gnome(t, r, "password").Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			return r
		}, "it took too long"},
	} {
		t.Run(name, func(t *testing.T) {
			r := test.ring(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := r.Get(ctx, "openai")
			var unavailable *Unavailable
			if !errors.As(err, &unavailable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
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
	if _, err := usual.Get(Service, "openai"); err == nil {
		t.Error("go-keyring finds a keyring")
	}
	if _, err := os.Stat(started); err != nil {
		t.Errorf("the bus starts nothing, so that this test shows nothing: %v", err)
	}
}
