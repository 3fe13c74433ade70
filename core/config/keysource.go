package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// keyFile is a file that a key is read from.
type keyFile struct {
	of string // what the key is for
	to hostfile.Route
	at policy.Source
}

// maxKeySources is in how many places one key is looked for.
const maxKeySources = 10

// keySources are the places that a key may be in.
func (r *reader) keySources(
	c *policy.Credential, v, identity *language.Value,
) []policy.KeySource {
	if v == nil || len(v.Items) == 0 {
		at := c.Source
		if v != nil {
			at = v.Source
		}
		r.add(problem(at, "where the key of %s is from is not said", c.Service).
			Try(`write source = "keyring://%s" into its block`, c.Service))
		return nil
	}
	if len(v.Items) > maxKeySources {
		r.add(problem(v.Source, "a key is looked for in at most %d places", maxKeySources))
		return nil
	}
	var all []policy.KeySource
	for _, it := range v.Items {
		if s, ok := r.keySource(c.Service, it, identity); ok {
			all = append(all, s)
		}
	}
	encrypted := func(it language.Item) bool { return strings.HasPrefix(it.Text, "age://") }
	if identity != nil && !slices.ContainsFunc(v.Items, encrypted) {
		r.add(problem(identity.Source, "an identity is for a source age://PATH, and %s has none",
			c.Service))
	}
	return all
}

// keySchemes are the kinds of source.
var keySchemes = []string{"keyring", "env", "file", "cmd", "age"}

// keySource is one place that the key of a service, or a secret for a variable, may be in.
func (r *reader) keySource(
	of string, it language.Item, identity *language.Value,
) (policy.KeySource, bool) {
	scheme, rest, ok := strings.Cut(it.Text, "://")
	s := policy.KeySource{Type: policy.KeySourceType(scheme), Name: rest}
	bad := func(p diag.Problem) (policy.KeySource, bool) {
		r.add(p)
		return s, false
	}
	const sources = `one of keyring://NAME, env://NAME, file://PATH, age://PATH, ` +
		`cmd://["program", "argument"]`
	switch {
	case !ok:
		// It may be the key itself, which is not to be shown.
		r.hidden = append(r.hidden, it.Source)
		return bad(problem(it.Source, "this is no source of a key").
			Try(sources + "; the key itself does not stand in a policy"))
	case !slices.Contains(keySchemes, scheme):
		p := problem(it.Source, "%s is no source of a key", quote(shortened(it.Text)))
		if near := schema.Nearest(scheme, keySchemes); near != "" {
			return bad(p.Try("did you mean %s://?", near))
		}
		return bad(p.Try(sources))
	}
	switch s.Type {
	case policy.KeyringSource:
		if rest == "" || len(rest) > 200 || !isLine(rest) {
			return bad(problem(it.Source, "a key in the keyring has a name").
				Try("write keyring://%s", of))
		}
	case policy.VariableSource:
		if !isVariable(rest) {
			return bad(problem(it.Source, "%s is not the name of a variable", quote(shortened(rest))).
				Try("write env://NAME"))
		}
	case policy.FileSource:
		return s, r.keyFile(of, it, &s)
	case policy.CommandSource:
		return s, r.keyCommand(of, it, &s)
	case policy.AgeSource:
		if identity != nil {
			to := policy.KeySource{Name: identity.Items[0].Text}
			if !r.keyFile(of, identity.Items[0], &to) {
				return s, false
			}
			s.Args = []string{to.Name}
		}
		return s, r.keyFile(of, it, &s)
	}
	return s, true
}

// keyFile is a file's path without links. One that is not there is no mistake: another source may
// have the key.
func (r *reader) keyFile(of string, it language.Item, s *policy.KeySource) bool {
	path, bad := r.expand(s.Name)
	switch {
	case bad != nil:
		r.add(bad.at(it.Source, s.Name))
		return false
	case !filepath.IsAbs(path):
		r.add(problem(it.Source, "%s is relative", quote(shortened(s.Name))).
			Try("write the absolute path, or ~/..."))
		return false
	}
	r.effort.at = it.Source
	to, err := r.resolve(path)
	if err != nil {
		if !errors.Is(err, errEffort) { // which has been said
			r.add(problem(it.Source, "cannot follow %s: %v", shortened(r.homely(path)), reason(err)))
		}
		return false
	}
	s.Name = to.Path
	r.keyFiles = append(r.keyFiles, keyFile{of, to, it.Source})
	return true
}

// keyCommand finds the program of a command, as a shell would, and by what interpreter it is run.
func (r *reader) keyCommand(of string, it language.Item, s *policy.KeySource) bool {
	var argv []string
	decoder := json.NewDecoder(strings.NewReader(s.Name))
	if err := decoder.Decode(&argv); err != nil || decoder.More() || len(argv) == 0 ||
		slices.ContainsFunc(argv, func(a string) bool { return !isWord(a) }) {
		r.add(problem(it.Source, "a command is a list of words, the program first").
			Try(`write cmd://["pass", "show", "NAME"]; no shell is between`))
		return false
	}
	to, ok := r.executable(argv[0], it)
	if !ok {
		return false
	}
	s.Name, s.Args = to.Path, argv[1:]
	what := "the command for the key of " + of
	r.programs = append(r.programs, program{what, to, it.Source})
	named := interpreters(to.Path)
	for _, a := range argv[1:] {
		if filepath.IsAbs(a) {
			named = append(named, a) // a script, perhaps
		}
	}
	for _, name := range named {
		if to, err := r.resolve(name); err == nil {
			r.programs = append(r.programs, program{"a part of " + what, to, it.Source})
		}
	}
	return true
}

// executable is the file that a program's name stands for. Where there is none, that is no mistake:
// another source may have the key. The name is then no path, and nothing is run for it.
func (r *reader) executable(name string, it language.Item) (hostfile.Route, bool) {
	var candidates []string
	if strings.Contains(name, "/") {
		path, bad := r.expand(name)
		if bad != nil || !filepath.IsAbs(path) {
			r.add(problem(it.Source, "%s is no absolute path", quote(shortened(name))).
				Try("write it out, or the program's name alone"))
			return hostfile.Route{}, false
		}
		candidates = []string{path}
	} else {
		search, _ := r.Lookup("PATH")
		for _, dir := range filepath.SplitList(search) {
			if filepath.IsAbs(dir) {
				candidates = append(candidates, filepath.Join(dir, name))
			}
		}
	}
	r.effort.at = it.Source
	for _, path := range candidates {
		to, err := r.resolve(path)
		if errors.Is(err, errEffort) {
			return hostfile.Route{}, false // which has been said
		}
		if err == nil && to.Entry.Type == policy.Regular && unix.Access(to.Path, unix.X_OK) == nil {
			return to, true
		}
	}
	return hostfile.Route{Path: name}, true
}

// keysOutside refuses a file with a key that the agent could read, or that it could put something
// else in the place of.
func (r *reader) keysOutside(all *policy.Decider) {
	for _, k := range r.keyFiles {
		names := []string{k.to.Path}
		for _, link := range k.to.Links() {
			names = append(names, link.Path)
		}
		for i, name := range names {
			op := policy.OpWrite // a link
			if i == 0 {
				op = policy.OpRead
			}
			if d := all.Path(name, op); d.Allowed && d.Rule != nil {
				r.add(problem(k.at, "the key of %s lies in %s, which the agent may %s (%s)", k.of,
					r.homely(d.Rule.Path), op, d.Rule.Source).
					Try("keep it outside of every grant, or deny the file"))
				break
			}
		}
	}
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
