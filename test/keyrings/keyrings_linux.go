// Package keyrings gives a test a session bus of its own, and a real keyring on it.
//
//	bus := keyrings.Bus(t, "")
//	daemon := keyrings.Gnome(t, bus, "password")
//	ring := keyring.Ring{Address: bus}
package keyrings

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// limit is how long a keyring may take to serve.
const limit = 30 * time.Second

const (
	busName  = "org.freedesktop.secrets"
	rootPath = dbus.ObjectPath("/org/freedesktop/secrets")
	service  = "org.freedesktop.Secret.Service"
)

// Bus starts a session bus, which knows how to start this program as the keyring; "" for none. It
// returns the bus's address. Where the machine has no such program the test is skipped.
func Bus(t *testing.T, activates string) string {
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
<policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy>
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
	start(t, cmd)
	if _, err := out.Read(make([]byte, 200)); err != nil { // it listens when it says so
		t.Fatal(err)
	}
	return "unix:path=" + socket
}

// Gnome runs gnome-keyring on a bus, with a collection that this password has unlocked. Where the
// machine has no such program the test is skipped.
func Gnome(t *testing.T, bus, password string) *os.Process {
	t.Helper()
	daemon, err := exec.LookPath("gnome-keyring-daemon")
	if err != nil {
		t.Skip("there is no gnome-keyring-daemon")
	}
	home := t.TempDir()
	cmd := exec.Command(daemon, "--foreground", "--components=secrets", "--unlock",
		"--control-directory="+t.TempDir())
	cmd.Env = []string{
		"HOME=" + home, "DBUS_SESSION_BUS_ADDRESS=" + bus, "PATH=" + os.Getenv("PATH"),
		"XDG_DATA_HOME=" + home, "XDG_RUNTIME_DIR=" + home,
	}
	cmd.Stdin = strings.NewReader(password)
	start(t, cmd)
	conn := connect(t, bus)
	for until := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) { // it tells nobody
		if at, err := lasting(t.Context(), conn); err == nil && at != "/" {
			return cmd.Process
		}
		if time.Now().After(until) {
			t.Fatal("gnome-keyring does not serve")
		}
	}
}

// Lock locks the keyring of a bus, which then asks for its password.
func Lock(t *testing.T, bus string) {
	t.Helper()
	conn := connect(t, bus)
	at, err := lasting(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	var done []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err = conn.Object(busName, rootPath).Call(service+".Lock", 0, []dbus.ObjectPath{at}).
		Store(&done, &prompt)
	if err != nil || len(done) != 1 {
		t.Fatalf("locking: %v, %v", done, err)
	}
}

// Hang stops a keyring, so that it answers nothing more. It goes on when the test is over.
func Hang(t *testing.T, daemon *os.Process) {
	t.Helper()
	if err := daemon.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = daemon.Signal(syscall.SIGCONT) })
}

// lasting is the collection that keys are stored in; "/" while there is none.
func lasting(ctx context.Context, conn *dbus.Conn) (at dbus.ObjectPath, err error) {
	err = conn.Object(busName, rootPath).
		CallWithContext(ctx, service+".ReadAlias", dbus.FlagNoAutoStart, "default").Store(&at)
	return at, err
}

func connect(t *testing.T, bus string) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(bus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
