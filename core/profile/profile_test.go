package profile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/profiles"
)

// world is a directory of the user's profiles and a project, with these files.
func world(t *testing.T, files map[string]string) profile.Dirs {
	t.Helper()
	root := t.TempDir()
	d := profile.Dirs{Own: filepath.Join(root, "profiles"), Base: filepath.Join(root, "proj")}
	for _, dir := range []string{d.Own, d.Base} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestFind(t *testing.T) {
	d := world(t, map[string]string{
		"profiles/mine.hcl": "own", "profiles/other.jsonc": "json", "proj/x.hcl": "file",
		"proj/mine": "no profile: nothing is picked up from here by its name",
	})
	for _, tt := range []struct{ ask, origin, file, text string }{
		{"default", "built in", "default.hcl", string(profiles.Default)},
		{"mine", "own", d.Own + "/mine.hcl", "own"},
		{"other", "own", d.Own + "/other.jsonc", "json"},
		{"x.hcl", "file", d.Base + "/x.hcl", "file"},
		{"../profiles/mine.hcl", "file", d.Own + "/mine.hcl", "own"},
		{d.Base + "/x.hcl", "file", d.Base + "/x.hcl", "file"},
	} {
		got, err := d.Find(tt.ask)
		want := profile.Profile{
			Name: tt.ask, Origin: profile.Origin(tt.origin), File: tt.file, Text: []byte(tt.text),
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", tt.ask, err, diff)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	d := world(t, map[string]string{
		"profiles/twice.hcl": "", "profiles/twice.json": "", "profiles/default.hcl": "",
		"profiles/large.hcl": strings.Repeat(" ", profile.MaxSize+1), "profiles/mine.hcl": "",
	})
	if err := os.Symlink("/does/not/exist", d.Own+"/astray.hcl"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(d.Own+"/pipe.hcl", 0o600); err != nil {
		t.Fatal(err)
	}
	for ask, want := range map[string]string{
		"":           "a profile has no name",
		"a\x00b":     "cannot hold a NUL byte",
		"..":         `".." cannot be the name of a profile`,
		"a b":        `"a b" cannot be the name of a profile`,
		"-x":         `"-x" cannot be the name of a profile`,
		"twice":      "there are two profiles twice: ",
		"default":    "has the name of the profile that is part of every run",
		"large":      "it is larger than 64 KiB",
		"astray":     "no such file or directory",
		"pipe":       "it is not a regular file",
		"./missing":  "no such file or directory",
		"./\x1b.hcl": `\x1b.hcl: no such file`,
		"mnie":       `there is no profile "mnie"`,
	} {
		got, err := d.Find(ask)
		if err == nil || !strings.Contains(err.Error(), want) || got.Text != nil {
			t.Errorf("%q: got %+v, %v; want %q", ask, got, err, want)
		}
	}
}

// What was probably meant is named, and else all that there is.
func TestFindSuggests(t *testing.T) {
	d := world(t, map[string]string{"profiles/mine.hcl": ""})
	for ask, want := range map[string]string{
		"mnie": `did you mean "mine"?`, "xyzxyzxyz": "there are: ",
	} {
		var p diag.Problem
		if _, err := d.Find(ask); !errors.As(err, &p) || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %v, %q; want %q", ask, err, p.Detail, want)
		}
	}
}

func TestList(t *testing.T) {
	names := func(d profile.Dirs) map[string]profile.Listed {
		all, err := d.List()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]profile.Listed{}
		for _, l := range all {
			found[l.Name] = l
		}
		return found
	}
	none := names(profile.Dirs{Own: filepath.Join(t.TempDir(), "missing")})
	if l := none["default"]; l.Origin != profile.BuiltIn {
		t.Errorf("without a directory of the user's: %+v", none)
	}
	got := names(world(t, map[string]string{
		"profiles/mine.json": "", "profiles/no-profile.txt": "", "profiles/.hidden.hcl": "",
	}))
	if len(got) != len(none)+1 || got["mine"].Origin != profile.Own || got["mine"].Replaces {
		t.Errorf("got %+v", got)
	}
}

// A directory of the user's that cannot be read hides profiles, and is not taken for an empty one.
func TestTheUsersDirectoryIsSeenOrNamed(t *testing.T) {
	d := world(t, nil)
	d.Own = d.Base + "/file"
	if err := os.WriteFile(d.Own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := d.List(); err == nil {
		t.Errorf("listed %+v", all)
	}
	if p, err := d.Find("default"); err == nil {
		t.Errorf("found %s", p.Name)
	}
}

// Whatever is built in is found by its name, and nothing is looked for in the current directory.
func TestBuiltIn(t *testing.T) {
	t.Chdir(world(t, map[string]string{"proj/default.hcl": "planted"}).Base)
	files, err := fs.Glob(profiles.Files, "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		p, err := profile.Dirs{}.Find(strings.TrimSuffix(f, ".hcl"))
		if err != nil || p.File != f || p.Origin != profile.BuiltIn {
			t.Errorf("%s: %+v, %v", f, p, err)
		}
	}
}

func TestAbout(t *testing.T) {
	for text, want := range map[string]string{
		"# For work. And more.\n":        "For work",
		"#  For\n# work, v1.2 of it.\n#": "For work, v1.2 of it",
		"# For work\n\n# more\n":         "For work",
		"filesystem {}\n# x\n":           "",
		"":                               "",
	} {
		if got := profile.About([]byte(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestCanBeOwn(t *testing.T) {
	for name, want := range map[string]bool{
		"work": true, "claude-code": true, "default": false, "": false, "a/b": false, "..": false, "a.hcl": false,
	} {
		if err := profile.CanBeOwn(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}
