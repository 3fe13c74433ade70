// Package profile finds policies by name: the built-in ones, which are part of nono, and the user's
// own, which lie in profiles/ beneath nono's configuration directory.
//
//	d := profile.Dirs{Own: "/home/ada/.config/nono/profiles", Base: "/home/ada/proj"}
//	p, err := d.Find("claude-code")   // built in, unless ada has one of this name
//	p, err  = d.Find("./my-agent.json") // a file
//
// It hands out texts and does not read them: what a profile says, and whose word it is, core/config
// settles. No process is started, and nothing is looked at but the one directory and the one file.
package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/profiles"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// Default is the profile that is part of every run. To name it asks for nothing more, and no
// profile of the user's can have its name.
const Default = "default"

// MaxSize is far beyond any policy that a person can read, and keeps what a stranger's file can
// make a parser do small.
const MaxSize = 64 << 10

// maxListed is how many files in the user's directory are looked at.
const maxListed = 10000

// extensions are those of files that can hold a profile, in the order in which one is looked for.
var extensions = []string{".hcl", ".json", ".jsonc"}

// Dirs are where profiles are looked for.
type Dirs struct {
	// Own is the directory of the user's own profiles. It need not exist; empty means that there are
	// none.
	Own string
	// Base is what the path of a file is relative to.
	Base string
}

// Origin is where a profile was found. The zero value is invalid.
type Origin string

// The origins.
const (
	BuiltIn Origin = "built in" // part of nono
	Own     Origin = "own"      // in the user's own directory
	Named   Origin = "file"     // a file that was named by its path
)

// Profile is one that was found.
type Profile struct {
	// Name is what it was asked for by: a name, or the path of a file.
	Name   string
	Origin Origin
	// File is what a message calls it: of a built-in profile its file in nono's source, of any other
	// the absolute path that it was read from.
	File string
	Text []byte
}

// IsFile reports whether what was asked for is the path of a file, and not a name.
func IsFile(nameOrFile string) bool {
	return strings.Contains(nameOrFile, "/") ||
		slices.Contains(extensions, filepath.Ext(nameOrFile))
}

// Find is the profile of this name or in this file. One of the user's own takes the place of a
// built-in one.
func (d Dirs) Find(nameOrFile string) (Profile, error) {
	switch {
	case nameOrFile == "":
		return Profile{}, diag.Errorf("a profile has no name").
			Try("`nono profiles list` shows those there are")
	case strings.ContainsRune(nameOrFile, 0):
		return Profile{}, diag.Errorf("the profile %q: a name cannot hold a NUL byte", nameOrFile)
	case IsFile(nameOrFile):
		path := nameOrFile
		if !filepath.IsAbs(path) {
			path = filepath.Join(d.Base, path)
		}
		return read(nameOrFile, Named, filepath.Clean(path))
	case !isName(nameOrFile):
		return Profile{}, diag.Errorf("%q cannot be the name of a profile", nameOrFile).
			Try("a name is letters, digits, - and _; a file is named with its .hcl, .json or .jsonc")
	}
	return d.named(nameOrFile)
}

// named is the profile of a name: the user's own, or the built-in one.
func (d Dirs) named(name string) (Profile, error) {
	own, err := d.ownFiles(name)
	switch {
	case err != nil:
		return Profile{}, err
	case len(own) > 1:
		return Profile{}, diag.Errorf("there are two profiles %s: %s and %s", name, own[0], own[1]).
			Try("keep one of them")
	case len(own) == 1 && name == Default:
		return Profile{}, diag.Errorf("%s has the name of the profile that is part of every run",
			own[0]).Try("rename it; what is to hold for every run stands in your config.hcl")
	case len(own) == 1:
		return read(name, Own, own[0])
	}
	text, err := profiles.Files.ReadFile(name + extensions[0])
	if err != nil {
		return Profile{}, d.unknown(name)
	}
	return Profile{Name: name, Origin: BuiltIn, File: name + extensions[0], Text: text}, nil
}

// ownFiles are the files that the user has for a name. A link to nothing is one, too: it was meant
// to be a profile, and reading it says what is wrong.
func (d Dirs) ownFiles(name string) ([]string, error) {
	if d.Own == "" {
		return nil, nil
	}
	var found []string
	for _, ext := range extensions {
		path := filepath.Join(d.Own, name+ext)
		_, err := os.Lstat(path)
		switch {
		case err == nil:
			found = append(found, path)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, unreadable(path, err)
		}
	}
	return found, nil
}

// unknown says that there is no profile of this name, and which was probably meant.
func (d Dirs) unknown(name string) error {
	p := diag.Errorf("there is no profile %q", name)
	known, err := d.List()
	if err != nil {
		return p.Try("it is not built in, and your own cannot be listed: %v", err)
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.Name
	}
	if near := schema.Nearest(name, names); near != "" {
		return p.Try("did you mean %q?", near)
	}
	return p.Try("there are: %s; a file is named with its .hcl, .json or .jsonc",
		strings.Join(names, ", "))
}

// CanBeOwn is why a profile of the user's cannot have a name; nil if it can.
func CanBeOwn(name string) error {
	switch {
	case !isName(name):
		return diag.Errorf("%q cannot be the name of a profile", name).
			Try("a name is letters, digits, - and _")
	case name == Default:
		return diag.Errorf("%q is the name of the profile that is part of every run", name).
			Try("choose another; what is to hold for every run stands in your config.hcl")
	}
	return nil
}

// About is the first sentence of the comment that a profile in HCL begins with.
func About(text []byte) string {
	var words []string
	for line := range strings.Lines(string(text)) {
		said, isComment := strings.CutPrefix(strings.TrimSpace(line), "#")
		if !isComment {
			break
		}
		for _, word := range strings.Fields(said) {
			words = append(words, word)
			if strings.HasSuffix(word, ".") {
				return strings.TrimSuffix(strings.Join(words, " "), ".")
			}
		}
	}
	return strings.Join(words, " ")
}

// Listed is a profile that can be asked for by its name.
type Listed struct {
	Name   string
	Origin Origin
	// Replaces says that one of the user's own has the name of a built-in one.
	Replaces bool
}

// List is every profile that has a name, in the order of the names. A file of the user's that
// cannot be one, by its name, is not among them.
func (d Dirs) List() ([]Listed, error) {
	all := map[string]Listed{}
	built, err := profiles.Files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("listing the built-in profiles: %w", err)
	}
	for _, f := range built {
		name := strings.TrimSuffix(f.Name(), extensions[0])
		all[name] = Listed{Name: name, Origin: BuiltIn}
	}
	own, err := listOwn(d.Own, extensions)
	if err != nil {
		return nil, err
	}
	for _, name := range own {
		_, replaces := all[name]
		all[name] = Listed{Name: name, Origin: Own, Replaces: replaces}
	}
	return slices.SortedFunc(maps.Values(all),
		func(a, b Listed) int { return strings.Compare(a.Name, b.Name) }), nil
}

// listOwn are the names that files of the user's in a directory have, without these extensions.
func listOwn(in string, extensions []string) ([]string, error) {
	if in == "" {
		return nil, nil
	}
	dir, err := hostfile.Resolve(in)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(in, err)
	}
	files, err := hostfile.List(dir, maxListed)
	if err != nil {
		return nil, unreadable(in, err)
	}
	var names []string
	for _, f := range files {
		ext := filepath.Ext(f.Name())
		name := strings.TrimSuffix(f.Name(), ext)
		if slices.Contains(extensions, ext) && isName(name) && name != Default {
			names = append(names, name)
		}
	}
	return names, nil
}

// read reads a file, as much of it as a profile may have.
func read(name string, origin Origin, path string) (Profile, error) {
	text, err := hostfile.Read(path, MaxSize+1)
	if err == nil && len(text) > MaxSize {
		err = fmt.Errorf("it is larger than %d KiB", MaxSize>>10)
	}
	if err != nil {
		return Profile{}, unreadable(path, err)
	}
	return Profile{Name: name, Origin: origin, File: path, Text: text}, nil
}

func unreadable(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the message has the path already
	}
	return diag.Errorf("cannot read the profile %s: %v", policy.Printable(path), err)
}

// isName reports whether a text can name a profile: it stands in lists, in messages and in the name
// of a file.
func isName(s string) bool {
	const most = 64
	if s == "" || len(s) > most || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') &&
			(r < 'A' || r > 'Z')
	})
}
