package remembered

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/layerpb"
)

var described = Program{Path: "/p", Inode: 1, Size: 2, MTime: 3, CTime: 4, Build: "dev"}

// answer is what a layer said, in the encoding of the contract's messages: each field is a tag, which
// has the field's number, and a value.
type answer struct {
	name  string
	help  []string // a command each: list, list list ...
	extra []byte
}

func honest() answer { return answer{name: "test/said", help: []string{"List"}} }

func text(field int, value string) []byte {
	return append([]byte{byte(field<<3 | 2), byte(len(value))}, value...)
}

func number(field, value int) []byte { return []byte{byte(field << 3), byte(value)} }

func (a answer) encode() []byte {
	custom := number(4, int(layerpb.Kind_KIND_CUSTOM))
	ephemeral := number(5, int(layerpb.Lifetime_LIFETIME_EPHEMERAL))
	said := slices.Concat(text(1, a.name), text(2, "1"), text(3, "dev"), custom, ephemeral)
	path := "list"
	for _, help := range a.help {
		completesNothing := number(5, int(layerpb.Completion_COMPLETION_NOTHING))
		command := slices.Concat(text(1, path), text(2, help), completesNothing)
		said = append(said, text(11, string(command))...)
		path += " list"
	}
	return append(said, a.extra...)
}

// remembers stores an answer of the layer's.
func remembers(t *testing.T, file string, a answer) {
	t.Helper()
	if err := write(file, entry{Program: described, Described: a.encode()}); err != nil {
		t.Fatal(err)
	}
}

// known checks that what an honest layer said is believed.
func known(t *testing.T, file string) {
	t.Helper()
	d, err := Memory{filepath.Dir(filepath.Dir(file))}.Description("test/said", described)
	if err != nil || len(d.Subcommands) != 1 || d.Subcommands[0].Help != "List" {
		t.Errorf("got %+v, %v", d, err)
	}
}

// forgotten checks that nothing is believed, for the reason that is wanted.
func forgotten(t *testing.T, file, want string) {
	t.Helper()
	d, err := Memory{filepath.Dir(filepath.Dir(file))}.Description("test/said", described)
	if err == nil || !strings.Contains(err.Error(), want) || d.Name != "" {
		t.Errorf("got %+v, %v, want %q", d, err, want)
	}
}

// TestRememberedIsChecked: an answer from the memory is held to the contract as one of the layer's.
func TestRememberedIsChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "layers", "test.said.json")
	remembers(t, file, honest())
	known(t, file)
	for want, poisoned := range map[string]answer{
		"help":                 {name: "test/said", help: []string{"a\x1b[2Jb"}},
		"about layer other":    {name: "other", help: []string{"List"}},
		"unknown field":        {name: "test/said", extra: []byte{0xf8, 0x7f, 1}},
		"cannot be told apart": {name: "test/said", help: []string{"List", "List all"}},
	} {
		remembers(t, file, poisoned)
		forgotten(t, file, want)
	}
	remembers(t, file, honest())
	known(t, file)
}

// TestRememberedIsTheUsersOwn: what somebody else could have put there is not read, and replaced.
func TestRememberedIsTheUsersOwn(t *testing.T) {
	for want, spoil := range map[string]func(dir, file string) error{
		"others can write": func(_, file string) error { return os.Chmod(file, 0o666) },
		"said.json (mode 0620)": func(_, file string) error {
			return os.Chmod(file, 0o620)
		},
		"layers (mode 0777)": func(dir, _ string) error { return os.Chmod(dir, 0o777) },
		"not a regular file": func(_, file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return unix.Mkfifo(file, 0o600)
		},
		"is a link": func(dir, file string) error {
			if err := os.Rename(file, filepath.Join(dir, "real")); err != nil {
				return err
			}
			return os.Symlink("real", file)
		},
		"version 3": func(_, file string) error {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return os.WriteFile(file, bytes.Replace(text, []byte(`"Version":2`), []byte(`"Version":3`), 1), 0o600)
		},
		"JSON": func(_, file string) error { return os.Truncate(file, 20) },
	} {
		t.Run(want, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "layers")
			file := filepath.Join(dir, "test.said.json")
			remembers(t, file, honest())
			if err := spoil(dir, file); err != nil {
				t.Fatal(err)
			}
			forgotten(t, file, want)
			remembers(t, file, honest())
			known(t, file)
			for name, mode := range map[string]os.FileMode{dir: 0o700, file: 0o600} {
				if info, err := os.Lstat(name); err != nil || info.Mode().Perm() != mode {
					t.Errorf("%s: %v, %v", name, info.Mode(), err)
				}
			}
		})
	}
}

// TestRememberedOfAnotherUser needs root, who alone can give a file away.
func TestRememberedOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files to others")
	}
	dir := filepath.Join(t.TempDir(), "layers")
	file := filepath.Join(dir, "test.said.json")
	remembers(t, file, honest())
	if err := os.Chown(file, 12345, -1); err != nil {
		t.Fatal(err)
	}
	forgotten(t, file, "belongs to another user")
	remembers(t, file, honest())
	known(t, file)
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	forgotten(t, file, "belongs to another user")
	if err := write(file, entry{Program: described}); err == nil {
		t.Error("it wrote into another user's directory")
	}
}
