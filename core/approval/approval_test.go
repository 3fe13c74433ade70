package approval

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nono-run/nono/core/diag"
)

func TestMemory(t *testing.T) {
	m := Memory{Dir: filepath.Join(t.TempDir(), "state", "approved")}
	approved := func(file string, want ...string) {
		t.Helper()
		if got, err := m.Approved(file); err != nil || !slices.Equal(got, want) {
			t.Errorf("of %q: %q, %v; want %q", file, got, err, want)
		}
	}
	approved("/a") // there is not even a directory
	if all, err := m.List(); err != nil || len(all) > 0 {
		t.Errorf("%v, %v", all, err)
	}
	for file, wants := range map[string][]string{
		"/a": {`read "/x"`, `pass "B"`, `read "/x"`}, "/b\xff\n" + strings.Repeat("/x", 2000): {`read "/\xff"`},
	} {
		if err := m.Remember(file, wants); err != nil {
			t.Fatal(err)
		}
	}
	approved("/a", `pass "B"`, `read "/x"`)
	approved("/b\xff\n"+strings.Repeat("/x", 2000), `read "/\xff"`)
	approved("/A")
	if err := m.Remember("/a", []string{"best_effort"}); err != nil {
		t.Fatal(err)
	}
	approved("/a", "best_effort") // in the place of what was approved before
	all, err := m.List()
	if err != nil || len(all) != 2 || all[0].File != "/a" || all[0].When.IsZero() {
		t.Errorf("%v, %v", all, err)
	}
	for _, there := range []bool{true, false} {
		if forgot, err := m.Forget("/a"); forgot != there || err != nil {
			t.Errorf("forgot %v, %v", forgot, err)
		}
	}
	approved("/a")
	// Nobody else may read it, and nothing is left of the writing.
	info, err := os.Stat(m.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(m.Dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// What cannot be read is no approval, and says what to do; what a newer nono wrote stays as it is.
func TestUnreadable(t *testing.T) {
	const good = `{"version": 1, "file": "/a", "when": "2026-01-01T00:00:00Z", "wants": ["best_effort"]}`
	for name, tt := range map[string]struct{ content, says string }{
		"good":             {good, ""},
		"newer":            {`{"version": 2, "file": "/a", "all": true}`, "was written by a newer nono (version 2"},
		"of no version":    {`{"file": "/a", "wants": ["best_effort"]}`, "is damaged"},
		"with more":        {strings.Replace(good, "{", `{"all": true,`, 1), "is damaged"},
		"cut":              {good[:40], "is damaged"},
		"empty":            {"", "is damaged"},
		"of another file":  {strings.Replace(good, "/a", "/b", 1), `is about "/b"`},
		"of two approvals": {good + good, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Memory{Dir: t.TempDir()}
			if err := os.WriteFile(m.path("/a"), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			wants, err := m.Approved("/a")
			var problem diag.Problem
			switch {
			case tt.says == "" && err == nil && len(wants) == 1:
			case err == nil || tt.says == "" || !strings.Contains(err.Error(), tt.says) || len(wants) > 0:
				t.Errorf("%q, %v", wants, err)
			case errors.As(err, &problem) && !strings.Contains(problem.Detail, "remove"):
				t.Errorf("it does not say what to do: %v", problem)
			}
			if now, err := os.ReadFile(m.path("/a")); err != nil || string(now) != tt.content {
				t.Errorf("it was changed: %q, %v", now, err)
			}
		})
	}
}

// Nobody else approves anything: what another user could have written counts for nothing.
func TestOthersCannotApprove(t *testing.T) {
	const file, want = "/a", `read "/x"`
	for name, tamper := range map[string]func(dir, file string) error{
		"control":      func(string, string) error { return nil },
		"open dir":     func(dir, _ string) error { return os.Chmod(dir, 0o777) },
		"group's dir":  func(dir, _ string) error { return os.Chmod(dir, 0o770) },
		"open file":    func(_, file string) error { return os.Chmod(file, 0o666) },
		"other's dir":  func(dir, _ string) error { return os.Chown(dir, 1, -1) },
		"other's file": func(_, file string) error { return os.Chown(file, 1, -1) },
		"link out": func(dir, file string) error {
			moved := filepath.Join(filepath.Dir(dir), "moved")
			return errors.Join(os.Rename(file, moved), os.Symlink(moved, file))
		},
	} {
		if strings.HasPrefix(name, "other's") && os.Geteuid() != 0 {
			continue // only root can give something away
		}
		m := Memory{Dir: filepath.Join(t.TempDir(), "approved")}
		if err := m.Remember(file, []string{want}); err != nil {
			t.Fatal(err)
		}
		if err := tamper(m.Dir, m.path(file)); err != nil {
			t.Fatal(err)
		}
		got, err := m.Approved(file)
		if name == "control" {
			if err != nil || !slices.Equal(got, []string{want}) {
				t.Errorf("the control: %q, %v", got, err)
			}
			continue
		}
		if err == nil || len(got) > 0 {
			t.Errorf("%s: %q counts as approved, %v", name, got, err)
		}
		if _, err := m.List(); err == nil {
			t.Errorf("%s: it is listed", name)
		}
	}
}

// A pipe in the place of an approval is not waited for.
func TestAPipeIsNoApproval(t *testing.T) {
	m := Memory{Dir: t.TempDir()}
	if err := syscall.Mkfifo(m.path("/a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Approved("/a"); err == nil {
		t.Error("it counts as one")
	}
}
