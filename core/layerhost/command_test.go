package layerhost

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
)

// commandOf is a command of the test's own layer, without a terminal.
func commandOf(t *testing.T, path string) (*Command, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	return &Command{
		Binary:  &Binary{Name: "commands", Path: exe, Builtin: true},
		Request: &sdk.SubcommandRequest{Path: path, Dir: t.TempDir()},
		Environ: []string{"TERM=dumb"}, Stdout: &out, Stderr: &stderr,
	}, &out, &stderr
}

// TestCommand: core runs a layer's command without a terminal, and it is told all it should be.
func TestCommand(t *testing.T) {
	t.Setenv("NONO_TEST_CANARY", "sings")
	c, out, stderr := commandOf(t, "show")
	c.Request.StateDir = "/state"
	// More than a pipe holds.
	c.Request.Args = []string{strings.Repeat("x", 200<<10), "\xff"}
	c.Request.Flags = map[string][]string{"with": {"a", "b"}, "loud": {""}}
	c.Request.HostVariables = map[string]string{"HOST_VARIABLE": "value"}
	code, err := c.Run(t.Context())
	if err != nil || code != 0 {
		t.Fatalf("%d, %v\n%s%s", code, err, out, stderr)
	}
	first, environ, _ := strings.Cut(out.String(), "\n")
	want := c.Request.Dir + " " + c.Request.Dir + " /state 2 map[loud:[] with:[a b]] map[HOST_VARIABLE:value] value"
	if first != want {
		t.Errorf("got  %s\nwant %s", first, want)
	}
	if strings.Contains(environ, "sings") || !strings.Contains(environ, "TERM=dumb\n") {
		t.Errorf("its environment is\n%s", environ)
	}
}

func TestCommandGetsAStoredSession(t *testing.T) {
	c, out, _ := commandOf(t, "stored")
	run, err := host.Store(&sdk.Run{SessionID: "one", Host: sdk.Host{Tier: sdk.TierA}, Dir: "/then"})
	if err != nil {
		t.Fatal(err)
	}
	c.Session = &host.StoredSession{
		Run: run, Dir: "/now", End: sdk.End{Reason: sdk.EndExited, ExitCode: 4}, State: []byte("state"),
	}
	if code, err := c.Run(t.Context()); err != nil || code != 0 || out.String() != "one /now 4 state\n" {
		t.Errorf("%d, %v, %q", code, err, out)
	}
}

func TestCommandEnds(t *testing.T) {
	for path, want := range map[string]struct {
		code int
		says string
	}{
		"exit": {7, ""}, "die": {137, ""}, "fail": {1, "nono: commands: it went wrong\n"},
		"read": {0, ""},
		"ask":  {1, "nono: commands: asking the user: nobody can answer: there is no terminal\n"},
	} {
		c, out, stderr := commandOf(t, path)
		code, err := c.Run(t.Context())
		if path == "ask" && strings.Contains(stderr.String(), "background") {
			want.says = stderr.String() // whoever runs the tests has a terminal, and this is not for it
		}
		if err != nil || code != want.code || stderr.String() != want.says {
			t.Errorf("%s: %d, %v, %q", path, code, err, stderr)
		}
		if path == "read" && out.String() != "read \"\"\n" {
			t.Errorf("its stdin is not empty: %q", out)
		}
	}
}

// TestCommandIsCalledOff: it is asked to end, and one that does not is made to.
func TestCommandIsCalledOff(t *testing.T) {
	for path, says := range map[string]string{"wait": "waiting\nwas told to end\n", "deaf": "waiting\n"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			c, _, _ := commandOf(t, path)
			r, w := io.Pipe()
			c.Stdout = w
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("enough")
			all := make(chan string)
			go func() {
				first := make([]byte, len("waiting\n"))
				_, _ = io.ReadFull(r, first)
				cancel(why)
				rest, _ := io.ReadAll(r)
				all <- string(first) + string(rest)
			}()
			began := time.Now()
			_, err := c.Run(ctx)
			_ = w.Close()
			if got := <-all; !errors.Is(err, why) || got != says {
				t.Errorf("%v, %q", err, got)
			}
			if path == "deaf" && time.Since(began) < commandGrace {
				t.Error("it was given no time")
			}
		})
	}
}
