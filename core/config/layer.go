package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
	"github.com/nono-run/nono/sdk/wire"
)

// layer is who enforces one kind of rule, and how.
var layer = block{
	name: "layer",
	grammar: &language.Block{
		Label: "KIND", Settings: true,
		Help: "who holds one kind of rule, and how; the rest are the layer's own settings",
		Attributes: map[string]language.Attribute{
			"plugin": {
				Shape: language.String, Of: "name",
				Help: "the program: nono's own where none is named",
			},
			"enabled": {
				Shape: language.Bool, Help: "false: this run goes without, and that is said each time",
			},
		},
	},
	example: `
layer "filesystem" {
  plugin       = "landlock"
  enabled      = true
  private_size = 1024 # a setting of landlock's own: "nono plugin show landlock" has them
}
`,
	stranger: "the program, switching a layer off, and each setting",
	refuse:   refuseLayer,
	read:     (*reader).layer,
	asks:     (*reader).layerAsks,
	flags:    map[string]func(*reader, Flag){"disable": (*reader).disable},
}

// Layer is a layer block. The blocks of one name in several sources are merged, attribute by
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

	enabled   *language.Value
	overrides []policy.Source
	settings  language.Settings
}

// refuseLayer refuses what a file from elsewhere says of the layer that looks at signatures, but
// that it is to run.
func refuseLayer(r *report, s *source, t *language.Tree) {
	if policy.Kind(t.Label) != policy.KindTrust || !s.foreign {
		return
	}
	const try = "remove it here; no approval makes it valid in this file"
	if v, ok := t.Attributes["enabled"]; ok && !v.Yes {
		r.add(problem(v.Source, "no file from elsewhere may switch off the trust layer").Try(try))
	}
	if t.Attributes["plugin"] != nil || len(t.Settings) > 0 {
		r.add(problem(t.Source, "no file from elsewhere may choose or set up the trust layer").Try(try))
	}
}

func (r *reader) layer(s *source, t *language.Tree) {
	kind := policy.Kind(t.Label)
	switch {
	case kinds.IsOwn(t.Label):
	case !layerName(t.Label):
		r.add(problem(t.Source, "%s cannot be the name of a layer", quote(t.Label)).
			Try("one of %s, or for a layer of your own a word of small letters, digits and -",
				strings.Join(kinds.Names(), ", ")))
		return
	default:
		if near := schema.Nearest(t.Label, kinds.Names()); near != "" &&
			t.Attributes["plugin"] == nil {
			r.add(problem(t.Source, "there is no layer %s", quote(t.Label)).
				Try("did you mean %q? a layer of your own that has this name needs a plugin = ...",
					near))
			return
		}
		kind = policy.KindCustom
	}
	l, ok := r.layers[t.Label]
	if !ok {
		l = &Layer{Name: t.Label, Kind: kind}
		r.layers[t.Label] = l
	}
	l.Source = t.Source
	if s.Origin != policy.OriginDefault {
		l.overrides = append(l.overrides, t.Source)
	}
	if it, ok := t.One("plugin"); ok {
		if wire.LayerName(it.Text) != nil {
			r.add(problem(it.Source, "%s cannot be the name of a plugin", quote(it.Text)).
				Try(`%s`, pluginNames))
			return
		}
		l.Plugin, l.PluginSource = it.Text, it.Source
	}
	if v, ok := t.Attributes["enabled"]; ok {
		l.enabled = v
	}
	l.settings = l.settings.Merge(t.Settings)
}

// layerName reports whether a layer of somebody's own may have this name. It becomes the first word
// of rule ids, so the names of blocks and kinds are taken.
func layerName(s string) bool {
	taken := []string{string(policy.KindBase), string(policy.KindCustom), "environment"}
	return wire.LayerName(s) == nil && !strings.Contains(s, "/") && !slices.Contains(taken, s)
}

// disable is --disable, which beats every block.
func (r *reader) disable(f Flag) {
	l, ok := r.layers[f.Value]
	if !ok && !kinds.IsOwn(f.Value) {
		known := append(kinds.Names(), slices.Sorted(maps.Keys(r.layers))...)
		p := problem(f.source(), "there is no layer %s to disable", quote(f.Value))
		if near := schema.Nearest(f.Value, known); near != "" {
			p = p.Try("did you mean --disable %s?", near)
		} else {
			p = p.Try("there are: %s", strings.Join(slices.Compact(known), ", "))
		}
		r.add(p)
		return
	}
	if !ok {
		l = &Layer{Name: f.Value, Kind: policy.Kind(f.Value), Source: f.source()}
		r.layers[f.Value] = l
	}
	l.Off = &policy.Disabled{Kind: policy.Kind(f.Value), Source: f.source()}
}

// settleLayers says which layers are off, now that all blocks and flags have been read.
func (r *reader) settleLayers() {
	for _, name := range slices.Sorted(maps.Keys(r.layers)) {
		l := r.layers[name]
		if l.Off == nil && l.enabled != nil && !l.enabled.Yes {
			l.Off = &policy.Disabled{Kind: policy.Kind(name), Source: l.enabled.Source}
		}
		if l.Kind == policy.KindCustom && l.Plugin == "" && l.Off == nil {
			r.add(problem(l.Source, "the layer %s has no program", quote(name)).
				Try(`nono has no layer of this name; write plugin = "vendor/name"`))
		}
	}
}

// sorted are the layers, those of nono's kinds first.
func (d *draft) sorted() []Layer {
	var all []Layer
	for _, name := range slices.Sorted(maps.Keys(d.layers)) {
		all = append(all, *d.layers[name])
	}
	slices.SortStableFunc(all, func(a, b Layer) int { return kinds.CompareListed(a.Kind, b.Kind) })
	return all
}

// disabled are the kinds that this run goes without. A custom layer has no rules that its absence
// could leave unheld, and its name means nothing to the others.
func (d *draft) disabled() []policy.Disabled {
	var off []policy.Disabled
	for _, name := range slices.Sorted(maps.Keys(d.layers)) {
		if l := d.layers[name]; l.Off != nil && l.Kind != policy.KindCustom {
			off = append(off, *l.Off)
		}
	}
	return off
}

// layerAsks are all that a file says of a layer but to switch one of nono's on.
func (r *reader) layerAsks(_ *source, t *language.Tree) []Ask {
	var asks []Ask
	if it, ok := t.One("plugin"); ok {
		says := "to run the plugin " + it.Text + " as the layer " + t.Label + ", outside the sandbox"
		asks = append(asks, Ask{says, it.Source, wants("layer", t.Label, it.Text)})
	} else if r.layers[t.Label].Kind == policy.KindCustom {
		says := "to run the layer " + t.Label + ", outside the sandbox"
		asks = append(asks, Ask{says, t.Source, wants("layer", t.Label)})
	}
	if v, ok := t.Attributes["enabled"]; ok && !v.Yes {
		says := "to switch off the layer " + t.Label
		asks = append(asks, Ask{says, v.Source, wants("off", t.Label)})
	}
	for _, name := range t.Settings.Names() {
		at, _ := t.Settings.Source(name)
		says := "to set " + quote(name) + " of the layer " + t.Label
		// The value may be a secret, and what is remembered is no place for one.
		asks = append(asks, Ask{
			says, at, wants("setting", t.Label, name, t.Settings.Digest(name)),
		})
	}
	return asks
}
