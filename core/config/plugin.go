package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-version"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// plugin is a program that is not nono's and may be a layer.
var plugin = block{
	name: "plugin",
	grammar: &language.Block{
		Label: "NAME", Help: "a layer of another vendor, which runs outside the sandbox",
		Attributes: map[string]language.Attribute{
			"path": {
				Shape: language.String, Of: "path",
				Help: "where the program is, if not where plugins are installed",
			},
			"version": {
				Shape: language.String, Of: "constraint", Help: `as in "~> 1.2" or ">= 1.2, < 2"`,
			},
		},
	},
	example: `
layer "motd" {
  plugin = "acme/motd"
}

# its program is run once you have locked it: nono plugin lock acme/motd
plugin "acme/motd" {
  path    = "~/plugins/nono-layer-motd"
  version = "~> 1.2"
}
`,
	stranger: "the program",
	read:     (*reader).plugin,
	asks:     (*reader).pluginAsks,
}

// Plugin is a plugin block.
type Plugin struct {
	Name string
	// Path is where it lies, with links resolved; empty means where plugins are installed.
	Path string
	// Version is the constraint that the version it describes itself with must meet; empty: any.
	Version string
	Source  policy.Source
}

// Accepts reports whether a version that a plugin describes itself with meets the constraint of its
// block. A constraint is a list of conditions, separated by commas, all of which must hold: = != >
// >= < <= and ~>, which lets only the last number that is written grow.
func (p Plugin) Accepts(described string) bool {
	if p.Version == "" {
		return true
	}
	wanted, err := version.NewConstraint(p.Version)
	if err != nil {
		return false // plugin has refused it
	}
	given, err := version.NewVersion(described)
	return err == nil && wanted.Check(given)
}

// program is a file that the host will run because the policy names it.
type program struct {
	what string
	to   hostfile.Route
	at   policy.Source
}

const pluginNames = `a plugin is named "vendor/name", of small letters, digits and -`

// longestConstraint bounds what it costs to understand one: each condition in it has its own.
const longestConstraint = 256

func (r *reader) plugin(s *source, t *language.Tree) {
	// A bare name is nono's own, and found beside nono only.
	if wire.LayerName(t.Label) != nil || !strings.Contains(t.Label, "/") {
		r.add(problem(t.Source, "%s cannot be the name of a plugin", quote(t.Label)).
			Try(`%s`, pluginNames))
		return
	}
	p := Plugin{Name: t.Label, Source: t.Source}
	if it, ok := t.One("version"); ok {
		const write = `write "~> 1.2" or ">= 1.2, < 2"`
		if len(it.Text) > longestConstraint {
			r.add(problem(it.Source, "a version constraint has at most %d bytes, and this one %d",
				longestConstraint, len(it.Text)).Try(write))
		} else if _, err := version.NewConstraint(it.Text); err != nil {
			r.add(problem(it.Source, "%s is not a version constraint", quote(it.Text)).Try(write))
		}
		p.Version = it.Text
	}
	if it, ok := t.One("path"); ok {
		to, ok := r.program(s, it)
		if !ok {
			return
		}
		p.Path, p.Source = to.Path, it.Source
		r.programs = append(r.programs, program{"the plugin " + p.Name, to, it.Source})
		for _, interpreter := range interpreters(to.Path) {
			if to, err := r.resolve(interpreter); err == nil {
				r.programs = append(r.programs,
					program{"the interpreter of the plugin " + p.Name, to, it.Source})
			}
		}
	}
	r.plugins[t.Label] = p
}

// program is the file that the path of a plugin leads to.
func (r *reader) program(s *source, it language.Item) (hostfile.Route, bool) {
	path, bad := r.expand(it.Text)
	if bad != nil {
		r.add(bad.at(it.Source, it.Text))
		return hostfile.Route{}, false
	}
	if !filepath.IsAbs(path) {
		if s.dir == "" {
			r.add(problem(it.Source, "%s is relative, and this file belongs to no project",
				quote(it.Text)).Try("write the absolute path"))
			return hostfile.Route{}, false
		}
		path = s.dir + "/" + path
	}
	r.effort.at = it.Source
	to, err := r.resolve(path)
	shown := shortened(r.homely(filepath.Clean(path)))
	switch {
	case errors.Is(err, errEffort): // which has been said
	case err != nil:
		r.add(problem(it.Source, "cannot follow %s: %v", shown, reason(err)))
	case to.Entry.Type == policy.Missing:
		r.add(problem(it.Source, "the plugin %s does not exist", shown))
	case to.Entry.Type != policy.Regular:
		r.add(problem(it.Source, "the plugin %s is not a file", shown))
	default:
		return to, true
	}
	return hostfile.Route{}, false
}

// interpreters are the programs that a script's first line names by their paths: the interpreter,
// and what is told to env.
func interpreters(script string) []string {
	head, err := hostfile.Read(script, 256) // as much as the kernel reads
	if err != nil {
		return nil
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	if !ok {
		return nil
	}
	var named []string
	for _, word := range strings.Fields(string(rest)) {
		if filepath.IsAbs(word) {
			named = append(named, word)
		}
	}
	return named
}

// pluginAsks is the program that a file brings.
func (r *reader) pluginAsks(_ *source, t *language.Tree) []Ask {
	says := fmt.Sprintf("to use the program %s, which runs outside the sandbox",
		r.homely(r.plugins[t.Label].Path))
	p := r.plugins[t.Label]
	return []Ask{{says, t.Source, wants("plugin", p.Name, p.Path, p.Version)}}
}
