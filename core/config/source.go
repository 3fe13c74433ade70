package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/jsonprofile"
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	ranout "github.com/nono-run/nono/core/limits"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// source is one of the places that a policy is read from: the default profile, a file, the flags.
type source struct {
	diag.Text
	tree *language.Tree // none for the flags
	// named is the path that it was found by, path the real one; empty where it is no file.
	named, path string
	// links are those that were followed from the one to the other.
	links []string
	// dir is what relative paths are relative to; "" where they are not allowed.
	dir string
	// builtIn is true for a profile that is part of nono. It is for every machine: of what does not
	// exist on this one, nothing is said.
	builtIn bool
	// foreign is true for a file that others may have written: it may do some things by itself, and
	// asks for the rest.
	foreign bool
	// ground is the directory beneath which such a file grants by itself; noGround is why there is
	// none. What it extends has the same.
	ground, noGround string
	// extends are the profiles that it adds to.
	extends []extended
	// asker is the file whose approval decides about what this one asks for: the one that the user
	// named, or nil where nobody has to be asked.
	asker *source
}

// extended is a profile that a line of a source asks for.
type extended struct {
	is *source
	at policy.Source
}

// is reports whether two sources are one text: the same file, by whatever name, or the same part of
// nono.
func (s *source) is(other *source) bool {
	if s.path != "" || other.path != "" {
		return s.path == other.path
	}
	return s.File == other.File
}

// wrote reports whether a rule is the source's own.
func (s *source) wrote(at policy.Source) bool {
	return at.Origin == s.Origin && at.File == s.File
}

// profile is the profile that a line or a flag asks for, the path of a file relative to base; nil
// if that asks for nothing, or if it could not be read, which is reported.
func (h *host) profile(nameOrFile, base string, at policy.Source, r *report) *source {
	from := profile.Dirs{Own: filepath.Join(h.ConfigDir, "profiles"), Base: base}
	p, err := from.Find(nameOrFile)
	if err != nil {
		r.add(sourced(err, at))
		return nil
	}
	if p.Name == profile.Default {
		return nil // it is part of every run
	}
	s := &source{Text: diag.Text{Origin: policy.OriginProfile, File: p.File, Content: p.Text}}
	switch p.Origin {
	case profile.BuiltIn:
		s.builtIn, s.noGround = true, ofNoProject
		return s
	case profile.Own:
		s.File = h.homely(p.File)
	case profile.Named:
		s.Origin, s.File = policy.OriginFile, nameOrFile
		if at.Flag == "" { // what a file calls it means another one elsewhere
			s.File = h.homely(p.File)
		}
	}
	if err := h.place(s, p.File, p.Origin == profile.Named); err != nil {
		r.add(sourced(h.unreadable(s.File, err), at))
		return nil
	}
	return s
}

// ofNoProject is why a profile that has a name grants nothing by its place.
const ofNoProject = "the directory of your profiles is no project"

// sourced is an error with the line or the flag that led to it.
func sourced(err error, at policy.Source) diag.Problem {
	var p diag.Problem
	if !errors.As(err, &p) {
		p = diag.Errorf("%v", err).Try("%s", ranout.Advice(err))
	}
	return p.At(at)
}

// parse reads a text in the language that its name says it is in.
func parse(text diag.Text) (*language.Tree, diag.Problems) {
	switch filepath.Ext(text.File) {
	case ".json", ".jsonc":
		return jsonprofile.Parse(text, grammar)
	}
	return language.Parse(text, grammar)
}

// ownConfig is the user's own config.hcl, if there is one. Where there is one that cannot be read,
// denials would be lost, and the run stops: also where all that is left of it is a link to nothing.
func (h *host) ownConfig(r *report) *source {
	path := filepath.Join(h.ConfigDir, "config.hcl")
	s := &source{Text: diag.Text{Origin: policy.OriginConfig, File: h.homely(path)}}
	err := h.load(s, path)
	if err == nil {
		return s
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = h.astray(path); err == nil {
			return nil
		}
	}
	r.add(h.unreadable(s.File, err).
		Try("your own rules would be missing, so nothing is run; mend it, or remove it"))
	return nil
}

// astray is why a name that does not exist was meant to lead to something.
func (h *host) astray(path string) error {
	to, err := h.resolve(path)
	if err != nil {
		return err
	}
	for _, link := range to.Links() {
		if at, err := h.resolve(link.Path); err != nil || at.Entry.Type == policy.Missing {
			return fmt.Errorf("%s is a link to nothing", h.homely(link.Path))
		}
	}
	if dir, err := h.resolve(h.ConfigDir); err != nil || dir.Entry.Type != policy.Directory &&
		dir.Entry.Type != policy.Missing {
		return fmt.Errorf("%s is not a directory", h.homely(h.ConfigDir))
	}
	return nil
}

// namedFile is the file of -c, if one was named.
func (h *host) namedFile(r *report) *source {
	if h.File == "" {
		return nil
	}
	// ".." is taken as it is written, for the file as for its directory: ../agent.hcl depends on no
	// name in the current directory.
	path := filepath.Clean(h.File)
	if !filepath.IsAbs(path) {
		path = filepath.Join(h.Dir, path)
	}
	s := &source{Text: diag.Text{Origin: policy.OriginFile, File: h.File}}
	if err := h.place(s, path, true); err != nil {
		r.add(h.unreadable(h.File, err))
		return nil
	}
	return s
}

// place reads a file, and settles what its place means: whether others may have written it, and,
// where it belongs to a project, which.
func (h *host) place(s *source, path string, project bool) error {
	if err := h.load(s, path); err != nil {
		return err
	}
	// The directory is that of the name that was given, and not of what a link there leads to: that is
	// where the project is.
	dir, noGround, err := h.ground(path)
	if err != nil {
		return err
	}
	switch s.noGround = noGround; {
	case !project:
		s.noGround = ofNoProject
	case noGround == "":
		s.dir, s.ground = dir, dir
	default:
		s.dir = dir
	}
	s.foreign = !h.inConfiguration(s.path) || !h.inConfiguration(dir)
	return nil
}

// inConfiguration reports whether a path without links lies in nono's configuration directory.
func (h *host) inConfiguration(path string) bool {
	own, err := h.resolve(h.ConfigDir)
	return err == nil && own.Entry.Type == policy.Directory && policy.Within(path, own.Path)
}

// load reads the file and keeps what was read: layers are shown these bytes, and not what the file
// may hold later.
func (h *host) load(s *source, path string) error {
	at, err := h.resolve(path)
	if err != nil {
		return err
	}
	if at.Entry.Type == policy.Directory {
		return errors.New("it is a directory")
	}
	if s.Content, err = hostfile.Read(path, profile.MaxSize+1); err != nil {
		return err
	}
	if len(s.Content) > profile.MaxSize {
		return errors.New("it is larger than 64 KiB")
	}
	s.named, s.path = path, at.Path
	for _, link := range at.Links() {
		s.links = append(s.links, link.Path)
	}
	return nil
}

func (h *host) unreadable(shown string, err error) diag.Problem {
	p := diag.Errorf("cannot read %s: %v", shown, reason(err))
	if errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(shown, "/") {
		p = p.Try("looked for it in %s", h.Dir)
	}
	return p
}

// maxRules is how many paths and names one source may have, and all profiles together. Five
// thousand denials take a tenth of a second to read here (of grants, each a project to look into,
// maxEffort lets so many not be); the plan and the layers pay for each of them again
// (BenchmarkRules). A file of 64 KiB could hold three times as many.
const maxRules = 5000

// bound refuses more rules than anyone wrote by hand; left is how many may come.
func (s *source) bound(r *report, left *int) {
	for _, b := range allBlocks(s.tree) {
		for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
			v := b.Attributes[name]
			if *left -= len(v.Items); *left < 0 {
				r.add(problem(v.Source, "%s has more than %d rules, and no more are taken", s.File,
					maxRules).
					Try("name the directory that many of them lie in"))
				return
			}
		}
	}
}

// allBlocks are a block and all that stand in it.
func allBlocks(t *language.Tree) []*language.Tree {
	all := []*language.Tree{t}
	for _, inner := range t.Blocks {
		all = append(all, allBlocks(inner)...)
	}
	return all
}

// document is the file as layers are shown it.
func (s *source) document() sdk.Document {
	return sdk.Document{
		Path: s.path, SHA256: sha256.Sum256(s.Content), Content: s.Content, Links: s.links,
	}
}
