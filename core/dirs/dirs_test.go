package dirs

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/diag"
)

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
}

func TestFind(t *testing.T) {
	home := t.TempDir()
	run := t.TempDir()
	d, err := Find(lookup(map[string]string{
		"HOME": home, "XDG_STATE_HOME": "/srv/state", "XDG_CACHE_HOME": "relative", "XDG_RUNTIME_DIR": run,
	}), os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	want := Dirs{
		Home: home, Config: home + "/.config/nono", State: "/srv/state/nono", Data: home + "/.local/share/nono",
		Cache: home + "/.cache/nono", Runtime: run + "/nono",
	}
	d.also = nil
	if !slices.Equal(d.All(), want.All()) || d.Home != want.Home {
		t.Errorf("got %+v, want %+v", d, want)
	}
}

// An agent that may write the usual place while a variable names another one would prepare the
// start that lacks the variable: a config.hcl that nobody wrote, or a runtime directory that is
// swept while the agent swaps it for a link.
func TestTheUsualPlacesAreOwnToo(t *testing.T) {
	home, elsewhere := t.TempDir(), t.TempDir()
	d, err := Find(lookup(map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": elsewhere, "XDG_STATE_HOME": elsewhere, "XDG_DATA_HOME": elsewhere, "XDG_CACHE_HOME": elsewhere,
		"XDG_RUNTIME_DIR": elsewhere,
	}), os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		elsewhere + "/nono", home + "/.config/nono", home + "/.local/state/nono", home + "/.local/share/nono", home + "/.cache/nono",
		fmt.Sprintf("/tmp/nono-%d", os.Getuid()),
	} {
		if !slices.Contains(d.All(), want) {
			t.Errorf("%q is missing in %q", want, d.All())
		}
	}
}

func TestFindWithoutARuntimeDirectory(t *testing.T) {
	const somebody = 12345 // whose directory none of these is
	for _, dir := range []string{"", "relative", "/does/not/exist", t.TempDir()} {
		d, err := Find(lookup(map[string]string{"HOME": t.TempDir(), "XDG_RUNTIME_DIR": dir}), somebody)
		if err != nil || d.Runtime != "/tmp/nono-12345" {
			t.Errorf("XDG_RUNTIME_DIR=%q gives %q, %v", dir, d.Runtime, err)
		}
	}
}

// Who can replace a link on the way can replace what it leads to, so both names are nono's own.
func TestALinkOnTheWayIsOwnToo(t *testing.T) {
	home, elsewhere := t.TempDir(), t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(home, ".config")); err != nil {
		t.Fatal(err)
	}
	d, err := Find(lookup(map[string]string{"HOME": home}), 1000)
	if err != nil {
		t.Fatal(err)
	}
	if want := elsewhere + "/nono"; d.Config != want {
		t.Errorf("Config is %q, want %q", d.Config, want)
	}
	for _, want := range []string{elsewhere + "/nono", home + "/.config/nono"} {
		if !slices.Contains(d.All(), want) {
			t.Errorf("%q is missing in %q", want, d.All())
		}
	}
}

func TestFindRefusesAHomeThatIsNone(t *testing.T) {
	const nobody = 1 << 30
	for _, env := range []map[string]string{{}, {"HOME": ""}, {"HOME": "here"}, {"HOME": "/does/not/exist"}} {
		d, err := Find(lookup(env), nobody)
		var p diag.Problem
		if !errors.As(err, &p) || !strings.Contains(p.Detail, "set HOME to your home directory") {
			t.Errorf("%v gives %+v, %v", env, d, err)
		}
	}
}

// TestFindWithoutHome: a service or a timer may have no HOME; the home is then the one that the
// system knows.
func TestFindWithoutHome(t *testing.T) {
	account, err := user.Current()
	if err != nil {
		t.Skip("the system does not know who runs this: ", err)
	}
	want, err := filepath.EvalSymlinks(account.HomeDir)
	if err != nil {
		t.Skip("the home of who runs this is not there: ", err)
	}
	for _, env := range []map[string]string{{}, {"HOME": ""}} {
		if d, err := Find(lookup(env), os.Getuid()); err != nil || d.Home != want {
			t.Errorf("%v gives %q, %v; want %q", env, d.Home, err, want)
		}
	}
}

func TestOpenRuntime(t *testing.T) {
	uid := os.Getuid()
	for _, tc := range []struct {
		name string
		make func(dir string) error
		uid  int
		want string // in the error; none if empty
	}{
		{"missing", func(string) error { return nil }, uid, ""},
		{"there", func(dir string) error { return os.Mkdir(dir, 0o700) }, uid, ""},
		{"open to others", func(dir string) error { return os.Mkdir(dir, 0o755) }, uid, "open to others"},
		{"closed to oneself", func(dir string) error { return os.Mkdir(dir, 0) }, uid, "run `chmod 700 "},
		{"another user's", func(dir string) error { return os.Mkdir(dir, 0o700) }, uid + 1, "another user"},
		{"a link", func(dir string) error { return os.Symlink("/tmp", dir) }, uid, "not a directory"},
		{"a file", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, uid, "not a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "nono")
			if err := tc.make(dir); err != nil {
				t.Fatal(err)
			}
			root, err := Dirs{Runtime: dir}.OpenRuntime(tc.uid)
			if err == nil {
				root.Close()
			}
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("the error is %v, and should say %q", err, tc.want)
			}
		})
	}
}
