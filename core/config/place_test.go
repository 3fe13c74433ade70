package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/config"
)

// What a file grants in its own directory by its place alone. The control is a project, and the
// same grant approved.
func TestPlaceIsNoAuthority(t *testing.T) {
	for _, tt := range []struct {
		name string
		dir  string // of the file
		mode os.FileMode
		env  string // that names the directory
		want string // "" where it grants by itself
	}{
		{"a project", "proj", 0o755, "", ""},
		{"a project that is its owner's group's", "proj", 0o775, "", ""},
		{"a project in the home", "home/proj", 0o755, "", ""},
		{"a project in a hidden directory of it", "home/.cache/agent/proj", 0o755, "", ""},
		{"a project in a temporary directory", "tmp/proj", 0o700, "", ""},
		{"a directory that others can write", "proj", 0o777, "", "is a directory that others can write"},
		{"one that they can write and not clear", "proj", 0o777 | os.ModeSticky, "", "is a directory that others can write"},
		{"the home", "home", 0o755, "", "~ is your home directory"},
		{"the directory above", ".", 0o755, "", "holds your home directory"},
		{"downloads", "home/Downloads", 0o755, "", "~/Downloads is where files of all kinds are put"},
		{"settings", "home/.config", 0o755, "", "~/.config holds what programs keep"},
		{"the temporary directory", "tmp", 0o700, "", "is for everybody's temporary files"},
		{"the session's sockets", "run", 0o700, "XDG_RUNTIME_DIR", "holds the sockets of your session"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.file(filepath.Join(tt.dir, "x.hcl"), "filesystem {\n  read = [\"sub\"]\n}\n")
			w.file(filepath.Join(tt.dir, "sub")+"/", "")
			dir := filepath.Join(w.root, tt.dir)
			if tt.env != "" {
				w.env[tt.env] = dir
			}
			if err := os.Chmod(dir, tt.mode); err != nil {
				t.Fatal(err)
			}
			w.options.File = filepath.Join(dir, "x.hcl")
			loaded, err := config.Load(w.options)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if got := w.show(loaded, err); err == nil || !strings.Contains(got, tt.want) ||
				!strings.Contains(got, "asks to read") {
				t.Errorf("got %s, want %q", got, tt.want)
			}
			w.options.Approve = true
			if _, err := config.Load(w.options); err != nil {
				t.Errorf("approved: %v", err)
			}
		})
	}
}

// The places that no test can put a file in.
func TestPlacesOfTheSystem(t *testing.T) {
	for dir, want := range map[string]string{
		"/": "holds everything", "/tmp": "is for everybody's temporary files",
		"/var/tmp": "is for everybody's temporary files", "/usr": "",
	} {
		if got := config.NoProject(newWorld(t).options, dir); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}

// What stands where the user's own rules should is not waited for, and stops the run.
func TestOwnConfigIsAPipe(t *testing.T) {
	w := newWorld(t)
	w.file("home/.config/nono/", "")
	pipe(t, w.root+"/home/.config/nono/config.hcl")
	loaded, err := config.Load(w.options)
	if got := w.show(loaded, err); err == nil || got !=
		"error: cannot read ~/.config/nono/config.hcl: it is not a regular file\n"+
			"  your own rules would be missing, so nothing is run; mend it, or remove it\n" {
		t.Errorf("got %s", got)
	}
}

// Where XDG_CONFIG_HOME says that there is no configuration, there is none to be lost; and a link
// on the way to nothing at all, such as a linked ~/.config without a nono in it, loses nothing.
func TestNoOwnConfig(t *testing.T) {
	w := newWorld(t)
	w.options.ConfigDir = "/dev/null/nono"
	load(t, w)
	w = newWorld(t)
	w.file("home/dotfiles/", "")
	w.links("home/.config -> dotfiles")
	load(t, w)
}
