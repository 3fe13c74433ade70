package config

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// Layer is a layer block: who enforces one kind of rule, and how. The blocks of one name in several sources are merged, attribute by
// attribute; the last wins.
type Layer struct {
	// Name is the block's: one of nono's kinds, or the name of a custom layer.
	Name string
	Kind policy.Kind
	// Plugin is the name of the program; empty means nono's own for this kind.
	Plugin       string
	PluginSource policy.Source
	// Source is the last block's.
	Source policy.Source
	// Off is the line or the flag that switches it off; nil if it is on.
	Off *policy.Disabled

	enabled   *setting
	overrides []policy.Source
	settings  hclsyntax.Attributes
}

// Plugin is a plugin block: a program that is not nono's.
type Plugin struct {
	Name string
	// Path is where it lies, with links resolved.
	Path string
	// Version is the constraint that the version it describes itself with must meet; empty: any.
	Version string
	Source  policy.Source
}

var (
	layerName  = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	pluginName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)?$`)
)

// layers merges the layer blocks of all files, and then lets --disable beat them.
func (l *loader) layers() {
	byName := map[string]*Layer{}
	for i, t := range l.texts {
		for _, b := range l.trees[i].blocks {
			if b.name == "layer" {
				l.layerBlock(t, b, byName)
			}
		}
	}
	for _, name := range sortedNames(byName) {
		if e := byName[name].enabled; e != nil && !e.yes {
			byName[name].Off = &policy.Disabled{Kind: policy.Kind(name), Source: e.at}
		}
	}
	l.disable(byName)
	for _, name := range sortedNames(byName) {
		if at := byName[name]; at.Kind == policy.KindCustom && at.Plugin == "" && at.Off == nil {
			l.fail(at.Source, "the layer %s has no program", quote(name)).Try(`nono has no layer of this name; write plugin = "vendor/name"`).add(l)
		}
		l.cfg.Layers = append(l.cfg.Layers, *byName[name])
		// A custom layer has no rules that its absence could leave unheld, and its name means nothing to the others.
		if off := byName[name].Off; off != nil && byName[name].Kind != policy.KindCustom {
			l.cfg.Policy.Disabled = append(l.cfg.Policy.Disabled, *off)
		}
	}
	slices.SortStableFunc(l.cfg.Layers, func(a, b Layer) int { return kinds.CompareListed(a.Kind, b.Kind) })
}

func (l *loader) layerBlock(t *text, b *tree, byName map[string]*Layer) {
	kind := policy.Kind(b.label)
	switch {
	case kinds.IsOwn(b.label):
	case kind == policy.KindBase, kind == policy.KindCustom, b.label == "environment", !layerName.MatchString(b.label):
		// The name becomes the first word of rule ids, and of a directory.
		l.fail(b.at, "%s cannot be the name of a layer", quote(b.label)).
			Try("one of %s, or for a layer of your own a word in lower case", strings.Join(kinds.Names(), ", ")).add(l)
		return
	default:
		if near := schema.Nearest(b.label, kinds.Names()); near != "" && b.attrs["plugin"] == nil {
			l.fail(b.at, "there is no layer %s", quote(b.label)).
				Try("did you mean %q? a layer of your own that has this name needs a plugin = ...", near).add(l)
			return
		}
		kind = policy.KindCustom
	}
	at, ok := byName[b.label]
	if !ok {
		at = &Layer{Name: b.label, Kind: kind, settings: hclsyntax.Attributes{}}
		byName[b.label] = at
	}
	at.Source = b.at
	if t.origin != policy.OriginDefault {
		at.overrides = append(at.overrides, b.at)
	}
	if it, ok := b.one("plugin"); ok {
		if !pluginName.MatchString(it.text) {
			l.fail(it.at, "%s cannot be the name of a plugin", quote(it.text)).Try(`a plugin is named "vendor/name", in lower case`).add(l)
			return
		}
		at.Plugin, at.PluginSource = it.text, it.at
	}
	if s, ok := b.attrs["enabled"]; ok {
		at.enabled = s
	}
	maps.Copy(at.settings, b.rest)
}

// disable applies --disable, which beats every block.
func (l *loader) disable(byName map[string]*Layer) {
	for _, f := range l.Flags {
		if f.Name != "disable" {
			continue
		}
		at := policy.Source{Origin: policy.OriginFlag, Flag: "--disable " + f.Value}
		layer, ok := byName[f.Value]
		if !ok {
			if !kinds.IsOwn(f.Value) {
				known := append(kinds.Names(), sortedNames(byName)...)
				p := l.fail(at, "there is no layer %s to disable", quote(f.Value))
				if near := schema.Nearest(f.Value, known); near != "" {
					p = p.Try("did you mean --disable %s?", near)
				} else {
					p = p.Try("there are: %s", strings.Join(slices.Compact(known), ", "))
				}
				p.add(l)
				continue
			}
			layer = &Layer{Name: f.Value, Kind: policy.Kind(f.Value), Source: at}
			byName[f.Value] = layer
		}
		layer.Off = &policy.Disabled{Kind: policy.Kind(f.Value), Source: at}
	}
}

// announce says what is off, and which lines that overrides.
func (l *loader) announce() {
	for _, layer := range l.cfg.Layers {
		if layer.Off == nil {
			continue
		}
		says := fmt.Sprintf("the layer %q is off", layer.Name)
		if kind, ok := kinds.Of(layer.Kind); ok && kind.Without != "" {
			says = fmt.Sprintf("the %s layer is off: %s", layer.Name, kind.Without)
		}
		var lines []string
		for _, at := range append(l.blocks[layer.Kind], layer.overrides...) {
			if at.Line != layer.Off.Source.Line || at.File != layer.Off.Source.File {
				lines = append(lines, at.String())
			}
		}
		if len(lines) > 0 && layer.Off.Source.Flag != "" {
			says += "; overrides " + strings.Join(lines, ", ")
		}
		l.notice(layer.Off.Source, "%s", says)
	}
}

// Layer is the merged block of this name.
func (c *Config) Layer(name string) (Layer, bool) {
	for _, l := range c.Layers {
		if l.Name == name {
			return l, true
		}
	}
	return Layer{}, false
}

// Running are the layers that this run has something to do for: those of the kinds that always run,
// and the custom layers that a block names; none that is switched off. The other kinds are not built
// yet, and what would need them has been refused.
func (c *Config) Running() []Layer {
	var run []Layer
	for _, k := range kinds.Own() {
		l, ok := c.Layer(string(k.Name))
		if !ok {
			l = Layer{Name: string(k.Name), Kind: k.Name}
		}
		if k.Always && l.Off == nil {
			run = append(run, l)
		}
	}
	for _, l := range c.Layers {
		if l.Kind == policy.KindCustom && l.Off == nil {
			run = append(run, l)
		}
	}
	return run
}

// Settings checks a layer's block against the settings that the layer declares, and returns them as a JSON object. Without a block
// the object is empty, and a setting that is required is a problem.
func (c *Config) Settings(name string, settings []sdk.Setting) ([]byte, diag.Problems) {
	layer, _ := c.Layer(name)
	body := &hclsyntax.Body{Attributes: layer.settings}
	object, problems := schema.Decode(body, settings, func(file string) []byte {
		if t := c.texts[file]; t != nil {
			return t.src
		}
		return nil
	})
	var found diag.Problems
	for _, p := range problems {
		if t := c.texts[p.Range.Filename]; t != nil && p.Range != (hcl.Range{}) {
			found = append(found, t.problem(p))
			continue
		}
		d := diag.Errorf("layer %q: %s", name, p.Summary).At(layer.Source)
		d.Detail = p.Detail
		found = append(found, d)
	}
	return object, found
}

// SettingSource is where a setting of a layer stands, so that a layer's own complaint about it can be shown with its line.
func (c *Config) SettingSource(name, attribute string) (at policy.Source, ok bool) {
	layer, _ := c.Layer(name)
	attr, ok := layer.settings[attribute]
	if !ok {
		return policy.Source{}, false
	}
	return c.texts[attr.SrcRange.Filename].source(attr.Expr.Range()), true
}

// plugin reads a plugin block.
func (l *loader) plugin(t *text, b *tree) {
	if !pluginName.MatchString(b.label) || !strings.Contains(b.label, "/") {
		// A bare name is nono's own, and found beside nono only.
		l.fail(b.at, "%s cannot be the name of a plugin", quote(b.label)).Try(`a plugin is named "vendor/name", in lower case`).add(l)
		return
	}
	p := Plugin{Name: b.label, Source: b.at}
	if it, ok := b.one("version"); ok {
		if err := checkConstraint(it.text); err != nil {
			l.fail(it.at, "%s is not a version constraint: %v", quote(it.text), err).Try(`write "~> 1.2" or ">= 1.2, < 2"`).add(l)
		}
		p.Version = it.text
	}
	if it, ok := b.one("path"); ok {
		at, ok := l.program(t, it)
		if !ok {
			return
		}
		p.Path, p.Source = at.path, it.at
		l.programs = append(l.programs, program{what: "the plugin " + p.Name, place: at, at: it.at})
		for _, interpreter := range interpreters(at.path) {
			if place, err := l.paths.resolve(interpreter); err == nil {
				l.programs = append(l.programs, program{what: "the interpreter of the plugin " + p.Name, place: place, at: it.at})
			}
		}
	}
	l.cfg.plugins[b.label] = p
}

// program is a file that the host will run because the policy names it.
type program struct {
	what  string
	place *place
	at    policy.Source
}

// interpreters are the programs that a script's first line names by their paths: the interpreter, and what is told to env.
func interpreters(script string) []string {
	f, err := os.OpenFile(script, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	head, err := io.ReadAll(io.LimitReader(f, 256)) // as much as the kernel reads
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

func (l *loader) program(t *text, it item) (*place, bool) {
	path, bad := l.vars.expand(it.text)
	if bad != nil {
		l.fail(it.at, "%s: %s", quote(it.text), bad.says).Try("%s", bad.hint).add(l)
		return nil, false
	}
	if !filepath.IsAbs(path) {
		if t.dir == "" {
			l.fail(it.at, "%s is relative, and this file belongs to no project", quote(it.text)).Try("write the absolute path").add(l)
			return nil, false
		}
		path = t.dir + "/" + path
	}
	p, err := l.paths.resolve(path)
	switch {
	case err != nil:
		l.fail(it.at, "cannot follow %s: %v", l.homely(path), reason(err)).add(l)
	case p.typ == policy.Missing:
		l.fail(it.at, "the plugin %s does not exist", l.homely(filepath.Clean(path))).add(l)
	case p.typ != policy.Regular:
		l.fail(it.at, "the plugin %s is not a file", l.homely(filepath.Clean(path))).add(l)
	default:
		return p, true
	}
	return nil, false
}
