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
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// Hosts finds the lists of hosts that a network block can name: network profiles, of which the user
// may have some of his own, and groups, which are nono's.
//
//	h := profile.Hosts{Own: "/home/ada/.config/nono/networks"}
//	p, err := h.Network("minimal") // built in, unless ada has one of this name
//	p, err = h.Group("github")
type Hosts struct {
	// Own is the directory of the user's network profiles. It need not exist; empty means that there
	// are none.
	Own string
}

// Learned is the group that has no list: its hosts are asked of the user's own package managers.
const Learned = "packages"

// Network is the network profile of this name. One of the user's own takes the place of a built-in
// one.
func (h Hosts) Network(name string) (Profile, error) {
	if !isName(name) {
		return Profile{}, noName(name, "a network profile")
	}
	if h.Own != "" {
		path := filepath.Join(h.Own, name+extensions[0])
		_, err := os.Lstat(path)
		if err == nil {
			return read(name, Own, path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return Profile{}, unreadable(path, err)
		}
	}
	p, err := builtInHosts("networks", name)
	if err == nil {
		return p, nil
	}
	known, err := h.Networks()
	if err != nil {
		return Profile{}, diag.Errorf("there is no network profile %q", name).
			Try("it is not built in, and your own cannot be listed: %v", err)
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = k.Name
	}
	return Profile{}, unknownHosts("network profile", name, names)
}

// Group is the group of this name. [Learned] is none that has a text.
func (h Hosts) Group(name string) (Profile, error) {
	if !isName(name) {
		return Profile{}, noName(name, "a group of hosts")
	}
	p, err := builtInHosts("groups", name)
	if err != nil {
		return Profile{}, unknownHosts("group of hosts", name, h.Groups())
	}
	return p, nil
}

func builtInHosts(dir, name string) (Profile, error) {
	file := dir + "/" + name + extensions[0]
	text, err := profiles.Hosts.ReadFile(file)
	return Profile{Name: name, Origin: BuiltIn, File: file, Text: text}, err
}

// Networks is every network profile, in the order of the names.
func (h Hosts) Networks() ([]Listed, error) {
	all := map[string]Listed{}
	for _, name := range builtInNames("networks") {
		all[name] = Listed{Name: name, Origin: BuiltIn}
	}
	own, err := listOwn(h.Own, extensions[:1])
	if err != nil {
		return nil, fmt.Errorf("listing your network profiles: %w", err)
	}
	for _, name := range own {
		_, replaces := all[name]
		all[name] = Listed{Name: name, Origin: Own, Replaces: replaces}
	}
	return slices.SortedFunc(maps.Values(all),
		func(a, b Listed) int { return strings.Compare(a.Name, b.Name) }), nil
}

// Groups are the names of all groups, in order.
func (h Hosts) Groups() []string {
	return slices.Sorted(slices.Values(append(builtInNames("groups"), Learned)))
}

func builtInNames(dir string) []string {
	files, err := profiles.Hosts.ReadDir(dir)
	if err != nil {
		panic(err) // it is part of the program
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(f.Name(), extensions[0])
	}
	return names
}

func noName(name, of string) error {
	return diag.Errorf("%q cannot be the name of %s", policy.Printable(name), of).
		Try("a name is letters, digits, - and _")
}

func unknownHosts(what, name string, known []string) error {
	p := diag.Errorf("there is no %s %q", what, name)
	if near := schema.Nearest(name, known); near != "" {
		return p.Try("did you mean %q?", near)
	}
	return p.Try("there are: %s", strings.Join(known, ", "))
}
