package verify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/sdk/conformance"
	"github.com/nono-run/nono/sdk/hostfile"
)

// An arena is where the runs take place: a user of their own, with a home directory, a project that
// is the current directory, and nono's directories at their usual places in the home.
type arena struct {
	root    string
	home    string
	dirs    dirs.Dirs
	files   string // for the requests of package conformance
	sockets string // short, for it becomes part of a socket's path
	texts   diag.Texts
	lookup  func(string) (string, bool)
	environ []string
}

func makeArena(req Request) (*arena, error) {
	root, err := os.MkdirTemp("", "nono-")
	a := &arena{root: root}
	if err == nil {
		err = a.fill(req)
	}
	if err != nil {
		a.remove()
	}
	return a, err
}

func (a *arena) fill(req Request) error {
	var err error
	if a.root, err = hostfile.Resolve(a.root); err != nil {
		return err
	}
	a.home, a.files = filepath.Join(a.root, "home"), filepath.Join(a.root, "f")
	a.sockets = filepath.Join(a.root, "s")
	for _, dir := range []string{a.home, a.files, a.sockets} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if err := conformance.Furnish(a.home); err != nil {
		return err
	}
	own := map[string]string{"HOME": a.home, "XDG_RUNTIME_DIR": a.sockets}
	a.lookup = func(name string) (string, bool) {
		if value, ok := own[name]; ok || strings.HasPrefix(name, "XDG_") {
			return value, ok
		}
		return req.Lookup(name)
	}
	for _, variable := range req.Environ {
		name, _, _ := strings.Cut(variable, "=")
		if value, ok := a.lookup(name); ok {
			a.environ = append(a.environ, name+"="+value)
		}
	}
	if a.dirs, err = dirs.Find(a.lookup, req.UID); err != nil {
		return err
	}
	return os.MkdirAll(a.dirs.Config, 0o700)
}

func (a *arena) remove() { _ = os.RemoveAll(a.root) }

// project is the current directory of the runs.
func (a *arena) project() string { return filepath.Join(a.home, "project") }

// load reads a policy as the user's own, and the file with the layer's settings if there is one.
func (a *arena) load(req Request, policy string, file string) (config.Loaded, error) {
	own := filepath.Join(a.dirs.Config, "config.hcl")
	if err := os.WriteFile(own, []byte(policy), 0o600); err != nil {
		return config.Loaded{}, err
	}
	if file != "" && !filepath.IsAbs(file) {
		file = filepath.Join(req.Dir, file)
	}
	loaded, err := config.Load(config.Options{
		File: file, Dir: a.project(), Home: a.home, ConfigDir: a.dirs.Config, TempDir: "/tmp",
		UID: req.UID, Lookup: a.lookup, Approve: true,
	})
	a.texts = loaded.Texts
	return loaded, err
}

// explain is an error as the user would be shown it, with the line of the policy.
func (a *arena) explain(err error) string {
	var problems diag.Problems
	var problem diag.Problem
	switch {
	case errors.As(err, &problems):
	case errors.As(err, &problem):
		problems = diag.Problems{problem}
	default:
		return err.Error()
	}
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.Show(a.texts))
	}
	return strings.TrimSpace(b.String())
}
