package ownfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	uid := os.Geteuid()
	const foreign, open, written = "another user", "open to others", "others can write"
	for _, tt := range []struct {
		mode             fs.FileMode
		uid              int
		private, writers string // what is wrong; nothing if empty
	}{
		{0o700, uid, "", ""},
		{0o600, uid, "", ""},
		{0o744, uid, open, ""},
		{0o701, uid, open, ""},
		{0o720, uid, written, written},
		{0o702, uid, written, written},
		{0o700, uid + 1, foreign, foreign},
	} {
		if err := os.Chmod(dir, tt.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		for want, err := range map[*string]error{
			&tt.private: CheckPrivate(dir, info, tt.uid, "move it"),
			&tt.writers: CheckWriters(dir, info, tt.uid),
		} {
			if *want == "" {
				if err != nil {
					t.Errorf("mode %04o of user %d: %v", tt.mode, tt.uid, err)
				}
				continue
			}
			fault := (*Fault)(nil)
			if !errors.As(err, &fault) || fault.Foreign != (*want == foreign) ||
				!strings.Contains(err.Error(), *want) {
				t.Errorf("mode %04o of user %d: %v, want %s", tt.mode, tt.uid, err, *want)
			}
		}
	}
	info, err := os.Stat(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckPrivate(os.DevNull, info, uid, ""); err == nil {
		t.Error("a device passes for a directory")
	}
}

func TestReplace(t *testing.T) {
	for name, replace := range map[string]func(*os.Root, string, []byte) error{
		"plain": Replace, "synced": ReplaceSynced,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			file := filepath.Join(dir, "file")
			if err := os.WriteFile(file, []byte("old and longer"), 0o644); err != nil {
				t.Fatal(err)
			}
			old, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer old.Close()
			if err := replace(root, "file", []byte("new")); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(file)
			if info, _ := os.Stat(file); err != nil || string(got) != "new" || info.Mode() != 0o600 {
				t.Errorf("%q, %v, %v", got, info, err)
			}
			// Whoever had it open still reads the old one: it was not written into.
			before := make([]byte, 100)
			if n, _ := old.Read(before); string(before[:n]) != "old and longer" {
				t.Errorf("the old file is %q now", before[:n])
			}
			// A directory in the way: nothing is left of the attempt.
			if err := os.MkdirAll(filepath.Join(dir, "taken", "by"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := replace(root, "taken", nil); err == nil {
				t.Error("a file took the place of a directory")
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
				t.Errorf("%v, %v", left, err)
			}
		})
	}
}

// A file is read only if it is the user's, and closed to others as far as it must be; and nothing is
// waited for that is no file.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "file"), []byte("0123456789"), 0o600),
		os.Symlink("file", filepath.Join(dir, "link")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	uid := os.Geteuid()
	for _, tt := range []struct {
		name   string
		mode   fs.FileMode
		closed fs.FileMode
		uid    int
		want   string // in the error; it is read if empty
	}{
		{"file", 0o600, Anything, uid, ""},
		{"file", 0o644, Writing, uid, ""},
		{"file", 0o640, Anything, uid, "lets others spoil it: chmod 600 "},
		{"file", 0o620, Writing, uid, "lets others spoil it: chmod 600 "},
		{"pipe", 0o600, Anything, uid, "no file"},
		{"link", 0, Anything, uid, "it is a link"},
		{"missing", 0, Anything, uid, "no such file"},
	} {
		path := filepath.Join(dir, tt.name)
		if tt.mode != 0 {
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
		}
		g := Guard{UID: tt.uid, Closed: tt.closed, Could: "spoil it", Most: 4}
		got, err := Read(path, g)
		switch {
		case tt.want == "" && (err != nil || string(got) != "01234"):
			t.Errorf("%s %o: got %q, %v", tt.name, tt.mode, got, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s %o: got %v, want %q", tt.name, tt.mode, err, tt.want)
		}
	}
	if uid != 0 { // what root owns anybody may go by
		if _, err := Read(filepath.Join(dir, "file"), Guard{UID: uid + 1, Could: "spoil it", Most: 4}); err == nil ||
			!strings.Contains(err.Error(), "another user, who could spoil it") {
			t.Errorf("another user's: %v", err)
		}
	}
}
