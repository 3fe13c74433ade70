package config

import (
	"strings"

	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/sdk/policy"
)

// refuseLater refuses, by name, what the language has and this version cannot honour, and what no file from elsewhere may say, whatever
// is approved. The second comes first where both are true: it will not change.
func (l *loader) refuseLater() {
	for i, t := range l.texts {
		l.later(t, l.trees[i])
	}
}

func (l *loader) later(t *text, b *tree) {
	if b.is.later {
		l.fail(b.at, "%s is not built yet", b.title()).Try("remove the block; nothing would honour it").add(l)
	}
	for _, name := range sortedNames(b.attrs) {
		s := b.attrs[name]
		switch {
		case s.is.ownOnly && t.foreign:
			l.fail(s.at, "%s of %s may only be said by your own config.hcl", quote(name), b.title()).
				Try("remove it here; no approval makes it valid in this file").add(l)
		case s.is.later && !b.is.later:
			l.fail(s.at, "%s is not built yet", where(b, name)).Try("remove it; nothing would honour it").add(l)
		}
	}
	for _, name := range []string{"command", "arguments"} {
		for _, it := range b.list(name) {
			if b.is == language && strings.Contains(it.text, "{{credential.") {
				l.fail(it.at, "{{credential...}} is not built yet").Try("write the value itself").add(l)
			}
		}
	}
	switch b.name {
	case "layer":
		l.laterLayer(t, b)
	case "filesystem":
		l.laterPatterns(t, b)
	}
	for _, inner := range b.blocks {
		if !b.is.later {
			l.later(t, inner)
		}
	}
}

// where is an attribute as it is spoken of.
func where(b *tree, attr string) string {
	if b.name == "" {
		return quote(attr)
	}
	return quote(attr) + " of " + b.title()
}

// laterPatterns refuses patterns, where the language has them. The default profile has a few, and they are its own (see defaultPath).
func (l *loader) laterPatterns(t *text, b *tree) {
	for _, it := range append(b.list("deny"), b.list("protect")...) {
		if t.origin != policy.OriginDefault && strings.ContainsAny(it.text, "*?") {
			l.fail(it.at, "%s is a pattern, and patterns are not built yet", quote(it.text)).Try("name the paths one by one").add(l)
		}
	}
}

// laterLayer refuses to name a program, or to set anything, for a kind of layer that nothing starts yet. To switch one off is
// harmless: it is off.
func (l *loader) laterLayer(t *text, b *tree) {
	kind, ok := kinds.Of(policy.Kind(b.label))
	if !ok || kind.Built() {
		return
	}
	if s, ok := b.attrs["enabled"]; ok && kind.Name == policy.KindTrust && t.foreign && !s.yes {
		l.fail(s.at, "no file from elsewhere may switch off the trust layer").Try("remove it here; no approval makes it valid in this file").add(l)
	}
	if b.attrs["plugin"] != nil || len(b.rest) > 0 {
		l.fail(b.at, "%s is not built yet", b.title()).Try("remove the block; no layer of this kind is started").add(l)
	}
}
