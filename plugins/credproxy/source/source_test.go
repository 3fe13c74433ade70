package source

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk/policy"
)

func TestClean(t *testing.T) {
	long := strings.Repeat("0123456789", 50)
	for in, want := range map[string]string{
		"sk-1": "sk-1", "sk-1\n": "sk-1", "sk-1\r\n": "sk-1", long: long, "a+/=b": "a+/=b",
		" spaces ": " spaces ", "\xff\x01": "\xff\x01",
	} {
		if got, err := Clean([]byte(in)); err != nil || string(got.Reveal()) != want {
			t.Errorf("%q: got %q, %v", in, got.Reveal(), err)
		}
	}
	for in, want := range map[string]string{
		"": "empty", "\n": "empty", "sk\n\n": "line", "sk\r\nX-Evil: 1": "line", "sk\rx": "line",
		"sk\x00": "NUL", strings.Repeat("x", longest+1): "longer",
	} {
		if _, err := Clean([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, want %q", in, err, want)
		}
	}
}

func env(name string) policy.KeySource {
	return policy.KeySource{Type: policy.VariableSource, Name: name}
}

func command(argv ...string) policy.KeySource {
	return policy.KeySource{Type: policy.CommandSource, Name: argv[0], Args: argv[1:]}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) policy.KeySource {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return policy.KeySource{Type: policy.FileSource, Name: path}
	}
	link := policy.KeySource{Type: policy.FileSource, Name: filepath.Join(dir, "link")}
	if err := os.Symlink(file("target", "sk", 0o600).Name, link.Name); err != nil {
		t.Fatal(err)
	}
	fifo := policy.KeySource{Type: policy.FileSource, Name: filepath.Join(dir, "fifo")}
	if err := syscall.Mkfifo(fifo.Name, 0o600); err != nil {
		t.Fatal(err)
	}
	ring := policy.KeySource{Type: policy.KeyringSource, Name: "openai"}
	nowhere := policy.KeySource{Type: policy.FileSource, Name: filepath.Join(dir, "nowhere")}
	r := &Reader{Variables: map[string]string{"KEY": "sk-env", "EMPTY": ""}, UID: os.Getuid()}

	for name, test := range map[string]struct {
		sources []policy.KeySource
		want    string // the key
		err     string
		absent  int // how many sources are told to have none
	}{
		"a variable":                   {sources: []policy.KeySource{env("KEY")}, want: "sk-env"},
		"a file":                       {sources: []policy.KeySource{file("good", "sk-file\n", 0o600)}, want: "sk-file"},
		"a file that nobody may write": {sources: []policy.KeySource{file("ro", "sk-file", 0o400)}, want: "sk-file"},
		"a command":                    {sources: []policy.KeySource{command("/bin/echo", "sk cmd")}, want: "sk cmd"},
		"the first that has it":        {sources: []policy.KeySource{ring, env("EMPTY"), env("NONE"), nowhere, env("KEY"), file("later", "x", 0o600)}, want: "sk-env"},
		"a program that is nowhere":    {sources: []policy.KeySource{command("echo", "sk"), env("KEY")}, want: "sk-env"},
		"none":                         {sources: []policy.KeySource{ring, env("NONE"), nowhere}, absent: 3},
		"no source":                    {absent: 0, err: ""},
		"a file that others may read":  {sources: []policy.KeySource{file("bad", "sk", 0o640), env("KEY")}, err: "chmod 600"},
		"a file that others may write": {sources: []policy.KeySource{file("bad2", "sk", 0o602), env("KEY")}, err: "chmod 600"},
		"an empty file":                {sources: []policy.KeySource{file("empty", "", 0o600), env("KEY")}, err: "empty"},
		"a link":                       {sources: []policy.KeySource{link, env("KEY")}, err: "it is a link"},
		"a directory":                  {sources: []policy.KeySource{{Type: policy.FileSource, Name: dir}, env("KEY")}, err: "it is no file"},
		"a pipe":                       {sources: []policy.KeySource{fifo, env("KEY")}, err: "it is no file"},
		"a command that fails":         {sources: []policy.KeySource{command("/bin/sh", "-c", "echo 'not\x1b[1m logged in' >&2; exit 3"), env("KEY")}, err: `exit status 3: not\x1b[1m logged in`},
		"a command that is not there":  {sources: []policy.KeySource{command("/nonexistent"), env("KEY")}, err: "no such file"},
		"a command that says nothing":  {sources: []policy.KeySource{command("/bin/true"), env("KEY")}, err: "empty"},
		"a command without an end":     {sources: []policy.KeySource{command("/bin/sh", "-c", "sleep 1000; echo"), env("KEY")}, err: "did not end"},
		"a type that nobody knows":     {sources: []policy.KeySource{{Type: "magic"}, env("KEY")}, err: "magic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := *r
			if name == "a command without an end" {
				r.patience = 100 * time.Millisecond
			}
			key, _, err := r.Find(t.Context(), test.sources)
			var absent *Absent
			switch {
			case test.want != "":
				if err != nil || string(key.Reveal()) != test.want {
					t.Errorf("got %q, %v", key.Reveal(), err)
				}
			case test.err != "":
				if err == nil || errors.As(err, &absent) || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %q", err, test.err)
				}
			case !errors.As(err, &absent) || len(absent.Tried) != test.absent:
				t.Errorf("got %v", err)
			}
		})
	}
}

// A command has no shell, nothing to read, and no directory of the agent's.
func TestCommandsSurroundings(t *testing.T) {
	r := &Reader{}
	for name, test := range map[string]struct {
		argv []string
		want string
	}{
		"no shell":  {[]string{"/bin/echo", "$(id)", "*"}, "$(id) *"},
		"directory": {[]string{"/bin/pwd"}, "/"},
		"stdin":     {[]string{"/bin/sh", "-c", "read x; echo \"end $x\""}, "end "},
	} {
		key, _, err := r.Find(t.Context(), []policy.KeySource{command(test.argv...)})
		if err != nil || string(key.Reveal()) != test.want {
			t.Errorf("%s: got %q, %v", name, key.Reveal(), err)
		}
	}
}

// Nothing that a command started is left, whether it ended or not.
// (Linux: it looks at /proc.)
func TestCommandLeavesNobody(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	script := "sleep 1000 >/dev/null 2>&1 & echo $! > " + pidFile + "; echo sk"
	r := &Reader{}
	key, _, err := r.Find(t.Context(), []policy.KeySource{command("/bin/sh", "-c", script)})
	if err != nil || string(key.Reveal()) != "sk" {
		t.Fatalf("got %q, %v", key.Reveal(), err)
	}
	raw, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	stat := "/proc/" + string(bytes.TrimSpace(raw)) + "/stat"
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		state, err := os.ReadFile(stat)
		if err != nil || bytes.Contains(state, []byte(") Z ")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there: %s", state)
		}
	}
}

// In a dry run no command is run.
func TestDryRun(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	r := &Reader{DryRun: true}
	key, _, err := r.Find(t.Context(), []policy.KeySource{env("NONE"), command("/usr/bin/touch", ran)})
	if err != nil || !key.Equal(Unknown) {
		t.Errorf("got %q, %v", key.Reveal(), err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command was run")
	}
}
