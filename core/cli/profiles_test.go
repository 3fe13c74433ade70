package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// printed is what an action wrote to standard output.
func printed(t *testing.T, a *App, act func() error) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdout")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	a.Stdout = out
	err = act()
	text, readErr := os.ReadFile(path)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(text), err
}

const own = ".config/nono/profiles/"

func TestProfilesList(t *testing.T) {
	a := ada(t, map[string]string{
		own + "work.hcl":    "# For work, \x1b[31mred. And more.\n",
		own + "other.jsonc": `{"meta": {"description": "from elsewhere"}} // x`,
		own + "bare.hcl":    "",
	})
	got, err := printed(t, a, func() error { return a.listProfiles(false) })
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"NAME ", "\nwork ", `For work, \x1b[31mred` + "\n", "from elsewhere\n",
		"~/.config/nono/profiles/bare.hcl\n", "built in  What every run starts from: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	text, err := printed(t, a, func() error { return a.listProfiles(true) })
	var all []shownProfile
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range all {
		found = found || p.Name == "work" && p.From == "own" && strings.HasSuffix(p.File, own+"work.hcl")
	}
	if err != nil || !found {
		t.Errorf("%v\n%s", err, text)
	}
}

// One that cannot be used is named, and does not keep the others from being listed.
func TestProfilesListNamesWhatCannotBeUsed(t *testing.T) {
	a := ada(t, map[string]string{own + "twice.hcl": "", own + "twice.json": "{}"})
	text, err := printed(t, a, func() error { return a.listProfiles(true) })
	if err != nil || !strings.Contains(text, `"error": "there are two profiles twice: `) ||
		!strings.Contains(text, `"name": "default"`) {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestProfilesShow(t *testing.T) {
	a := ada(t, map[string]string{own + "work.hcl": "# \x1b[31m\n\tx = 1 # é"})
	got, err := printed(t, a, func() error { return a.showProfile(profileOptions{Name: "work"}) })
	if want := "# \\x1b[31m\n\tx = 1 # é\n"; err != nil || got != want {
		t.Errorf("%v, %q, want %q", err, got, want)
	}
	_, err = printed(t, a, func() error { return a.showProfile(profileOptions{Name: "worg"}) })
	if err == nil || !strings.Contains(err.Error(), `there is no profile "worg"`) {
		t.Error(err)
	}
}

func TestProfilesInit(t *testing.T) {
	a := ada(t, nil)
	home, _ := a.Lookup("HOME")
	path := filepath.Join(home, own, "work.hcl")
	write := func(o initOptions) error {
		_, err := printed(t, a, func() error { return a.initProfile(o) })
		return err
	}
	if err := write(initOptions{"work", []string{"default"}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || info.Mode().Perm() != 0o600 ||
		!strings.Contains(string(text), "\nextends = [\"default\"]\n") {
		t.Errorf("%v, %v, %v\n%s", err, statErr, info.Mode(), text)
	}
	for _, tt := range []struct {
		o    initOptions
		want string
	}{
		{initOptions{Name: "work"}, "~/.config/nono/profiles/work.hcl is there already"},
		{initOptions{Name: "default"}, "is the name of the profile that is part of every run"},
		{initOptions{Name: "../x"}, `"../x" cannot be the name of a profile`},
		{initOptions{"x", []string{"nothing"}}, `there is no profile "nothing"`},
		{initOptions{"x", []string{"./a.hcl"}}, "a profile begins from one that has a name"},
	} {
		if err := write(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(text) {
		t.Error("a file that was there has changed")
	}
}

func TestProfilesConvert(t *testing.T) {
	a := ada(t, map[string]string{
		"proj/a.json": `{"meta": {"description": "for\nwork"}, "policy": {"add_deny_access": ["$HOME/.ssh"]}}`,
		"proj/b.json": `{"groups": {"include": ["x"]}}`,
		"proj/c.hcl":  "",
	})
	got, err := printed(t, a, func() error { return a.convertProfile(profileOptions{Name: "a.json"}) })
	want := "# for work\n\nfilesystem {\n  deny = [\n    \"$HOME/.ssh\",\n  ]\n}\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	for name, want := range map[string]string{
		"b.json": "b.json:1:13: \"groups.include\" names groups of another tool's",
		"c.hcl":  "c.hcl is no profile in JSON",
	} {
		got, err := printed(t, a, func() error { return a.convertProfile(profileOptions{Name: name}) })
		if err == nil || !strings.Contains(err.Error(), want) || got != "" {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
}

// The shell is offered the names of profiles, and files where a path is begun.
func TestProfilesAreCompleted(t *testing.T) {
	a := ada(t, map[string]string{own + "work.hcl": ""})
	names, _ := a.completeProfiles(nil, nil, "w")
	files, _ := a.completeProfiles(nil, nil, "./w")
	if !strings.Contains(strings.Join(names, " "), "work") || files != nil {
		t.Errorf("%q, %q", names, files)
	}
}

func TestProfilesValidate(t *testing.T) {
	a := ada(t, map[string]string{
		own + "work.hcl": "filesystem {\n  read = [\"~/notes\"]\n}\n", "notes/x": "",
		own + "bad.json": `{"polcy": {}}`, "proj/p.hcl": "filesystem {\n  read = [\"~/notes\"]\n}\n",
	})
	for _, tt := range []struct {
		o    profileOptions
		code exitCode
		want string
	}{
		{profileOptions{Name: "work"}, 0, "work: a run would take it\n"},
		{profileOptions{Name: "claude-code"}, 0, "claude-code: a run would take it\n"},
		{profileOptions{Name: "bad"}, 1, "bad: no run would take it\n"},
		{
			profileOptions{Name: "./p.hcl"},
			0,
			"./p.hcl: a run would take it\n./p.hcl:2:11: it asks to read ~/notes\n",
		},
		{profileOptions{"bad", true}, 1, `"summary": "unknown name \"polcy\" in a JSON profile"`},
		{profileOptions{"./p.hcl", true}, 0, `"says": "to read ~/notes"`},
	} {
		got, err := printed(t, a, func() error { return a.validateProfile(tt.o) })
		var code exitCode
		if errors.As(err, &code); code != tt.code || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %v\n%s", tt.o, err, got)
		}
	}
	if _, err := printed(t, a, func() error {
		return a.validateProfile(profileOptions{Name: "nothing"})
	}); err == nil || !strings.Contains(err.Error(), `there is no profile "nothing"`) {
		t.Error(err)
	}
}

func TestProfilesDiff(t *testing.T) {
	a := ada(t, map[string]string{
		own + "a.hcl":  "filesystem {\n  read = [\"~/x\", \"~/y\"]\n}\n",
		own + "b.json": `{"filesystem": {"read": ["~/y", "~/z\u001b"]}}`,
	})
	differ := func(o diffOptions) (string, error) {
		return printed(t, a, func() error { return a.diffProfiles(o) })
	}
	got, err := differ(diffOptions{From: "a", To: "b"})
	want := `- filesystem { read = ["~/x"] }  # ~/.config/nono/profiles/a.hcl:2:11
+ filesystem { read = ["~/z\u001b"] }  # ~/.config/nono/profiles/b.json:1:33
`
	if !errors.Is(err, differs) || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err := differ(diffOptions{From: "a", To: "a"}); err != nil || got != "" {
		t.Errorf("%v\n%s", err, got)
	}
	got, err = differ(diffOptions{From: "default", To: "a", JSON: true})
	if !errors.Is(err, differs) || !strings.Contains(got, `"removed": [],`) ||
		!strings.Contains(got, `"says": "filesystem { read = [\"~/x\"] }"`) {
		t.Errorf("%v\n%s", err, got)
	}
}
