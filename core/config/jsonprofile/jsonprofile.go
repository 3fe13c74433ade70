// Package jsonprofile reads profiles in JSON, as the Rust tool of the same name has them, into the
// tree that a policy in HCL becomes. It knows what the names in such a profile mean here, in one
// table ([keys]), and nothing of what a policy means.
//
//	tree, problems := jsonprofile.Parse(text, grammar)
//	os.Stdout.Write(jsonprofile.HCL(tree)) // the same policy, as nono would have it written
//
// Comments and commas at the end of a list are taken in each of them, as in JSONC. Every string
// keeps the line and the columns it stood at. A name that has no meaning here is a problem, and
// never passed over: but for one that asks for nothing, such as a list without entries.
package jsonprofile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// Parse reads a profile into the tree that the grammar describes. Problems that do not stop a run
// come with a tree.
func Parse(text diag.Text, grammar *language.Block) (*language.Tree, diag.Problems) {
	r := &reader{text: text, lines: []int{0}, grammar: grammar, tree: &language.Tree{
		Is: grammar, Attributes: map[string]*language.Value{},
	}, named: map[string]bool{}}
	for i, c := range text.Content {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	if line := language.TooDeep(text.Content); line > 0 {
		r.add(diag.Errorf("the file is nested too deeply").At(r.line(line, 1)))
		return nil, r.found
	}
	root, err := parse(text.Content)
	if err != nil {
		r.add(r.syntax(err))
		return nil, r.found
	}
	r.object(member{at: r.source(root.StartOffset, root.EndOffset), value: root}, keys)
	r.settleBlock()
	r.settleDefined()
	if r.found.Failed() {
		return nil, r.found
	}
	return r.tree, r.found
}

// parse is the text as values with their places. A comment may end with the text, which to hujson
// is an error.
func parse(content []byte) (hujson.Value, error) {
	last := content[bytes.LastIndexByte(content, '\n')+1:]
	if bytes.Contains(last, []byte("//")) {
		content = append(bytes.Clone(content), '\n')
	}
	return hujson.Parse(content)
}

// Description is what a profile says of itself, or "".
func Description(content []byte) string {
	if language.TooDeep(content) > 0 {
		return ""
	}
	root, err := parse(content)
	if err != nil {
		return ""
	}
	at := root.Find("/meta/description")
	if at == nil {
		return ""
	}
	said, _ := at.Value.(hujson.Literal)
	if said.Kind() != '"' {
		return ""
	}
	return said.String()
}

// reader reads one text.
type reader struct {
	text    diag.Text
	lines   []int // where each line begins
	grammar *language.Block
	tree    *language.Tree
	found   diag.Problems
	// block is what is said of the whole network; nil where nothing is.
	block *member
	// named are the services that are used by their names; defined are definitions of services.
	named   map[string]bool
	defined []member
}

// member is a name in an object with what stands behind it.
type member struct {
	name  string
	path  string // with the names above it: filesystem.allow
	at    policy.Source
	value hujson.Value
}

func (r *reader) add(p diag.Problem) { r.found = append(r.found, p) }

func (r *reader) report(m member, format string, args ...any) diag.Problem {
	return diag.Errorf("%q %s", m.path, fmt.Sprintf(format, args...)).At(m.at)
}

// syntax is what hujson says of a text that is no JSON. It has the place in its words alone.
func (r *reader) syntax(err error) diag.Problem {
	const form = "hujson: line %d, column %d: "
	var line, column int
	says := err.Error()
	if n, _ := fmt.Sscanf(says, form, &line, &column); n == 2 {
		says = strings.TrimPrefix(says, fmt.Sprintf(form, line, column))
	}
	return diag.Errorf("this is not JSON: %s", says).At(r.line(line, column))
}

func (r *reader) line(line, column int) policy.Source {
	return policy.Source{
		Origin: r.text.Origin, File: r.text.File, Line: max(1, line), Column: max(1, column),
	}
}

// source is where the text between two offsets stands.
func (r *reader) source(from, to int) policy.Source {
	place := func(offset int) (line, column int) {
		line = sort.SearchInts(r.lines, offset+1)
		return line, 1 + utf8.RuneCount(r.text.Content[r.lines[line-1]:offset])
	}
	s := policy.Source{Origin: r.text.Origin, File: r.text.File}
	s.Line, s.Column = place(from)
	s.EndLine, s.EndColumn = place(to)
	return s
}

func (r *reader) sourceOf(v hujson.Value) policy.Source {
	return r.source(v.StartOffset, v.EndOffset)
}

// object reads an object whose names are known.
func (r *reader) object(m member, known map[string]key) {
	for _, in := range r.members(m) {
		k, ok := known[in.name]
		switch {
		case !ok:
			p := diag.Errorf("unknown name %q in a JSON profile", in.path).At(in.at)
			if near := schema.Nearest(in.name, slices.Sorted(maps.Keys(known))); near != "" {
				p = p.Try("did you mean %q?", near)
			} else {
				p = p.Try("remove it; nothing would honour it")
			}
			r.add(p)
		case k.keys != nil:
			r.object(in, k.keys)
		case k.instead != "" && !empty(in.value):
			r.add(r.report(in, "%s", k.why).Try("%s", k.instead))
		case k.read != nil && !isNull(in.value):
			k.read(r, in)
		}
	}
}

// members are those of an object, each once.
func (r *reader) members(m member) []member {
	if isNull(m.value) {
		return nil
	}
	object, ok := m.value.Value.(*hujson.Object)
	if !ok {
		if m.path == "" {
			r.add(diag.Errorf("a profile is an object: { ... }").At(m.at))
		} else {
			r.add(r.report(m, "must be an object: { ... }"))
		}
		return nil
	}
	first := map[string]policy.Source{}
	var all []member
	for _, in := range object.Members {
		name, at := in.Name.Value.(hujson.Literal).String(), r.sourceOf(in.Name)
		inner := member{name: name, path: name, at: at, value: in.Value}
		if m.path != "" {
			inner.path = m.path + "." + name
		}
		if before, twice := first[name]; twice {
			r.add(r.report(inner, "is written twice").
				Try("the first one is in line %d; put both into one", before.Line))
			continue
		}
		first[name] = at
		all = append(all, inner)
	}
	return all
}

// strings are those of a list; none if it is no list of strings, which has been reported.
func (r *reader) strings(m member) []language.Item {
	list, ok := m.value.Value.(*hujson.Array)
	if !ok {
		r.add(r.report(m, `must be a list of strings: ["...", "..."]`))
		return nil
	}
	items := make([]language.Item, 0, len(list.Elements))
	for _, e := range list.Elements {
		item, ok := r.string(m, e)
		if !ok {
			return nil
		}
		items = append(items, item)
	}
	return items
}

// string is a text with its place; false if it is none, which has been reported.
func (r *reader) string(m member, v hujson.Value) (language.Item, bool) {
	at := r.sourceOf(v)
	literal, ok := v.Value.(hujson.Literal)
	if !ok || literal.Kind() != '"' {
		p := diag.Errorf("%q must hold strings", m.path).At(at)
		if v.Value.Kind() == '{' {
			p = p.Try(`conditions ("when") are not known here; write the string alone`)
		}
		r.add(p)
		return language.Item{}, false
	}
	text := literal.String()
	if strings.ContainsRune(text, utf8.RuneError) {
		r.add(diag.Errorf("%q holds a string that is not text", m.path).At(at).
			Try("of a path, write each byte that is no text as $x and two digits: $xff"))
		return language.Item{}, false
	}
	return language.Item{Text: text, Source: at}, true
}

// put adds to an attribute of a block; of "", to what stands outside of any.
func (r *reader) put(m member, block, attribute string, items []language.Item) {
	if len(items) == 0 {
		return
	}
	tree := r.tree
	if block != "" {
		tree = r.at(m, block)
	}
	v := tree.Attributes[attribute]
	if v == nil {
		v = &language.Value{Is: tree.Is.Attributes[attribute], Name: attribute, Source: m.at}
		tree.Attributes[attribute] = v
	}
	v.Items = append(v.Items, items...)
}

// at is the block of a name, which is made where it is not there yet.
func (r *reader) at(m member, name string) *language.Tree {
	for _, b := range r.tree.Blocks {
		if b.Name == name {
			return b
		}
	}
	b := &language.Tree{
		Is: r.grammar.Blocks[name], Name: name, Source: m.at,
		Attributes: map[string]*language.Value{},
	}
	r.tree.Blocks = append(r.tree.Blocks, b)
	return b
}

func isNull(v hujson.Value) bool { return v.Value.Kind() == 'n' }

// empty reports whether a value asks for nothing: null, and what holds nothing else.
func empty(v hujson.Value) bool {
	switch in := v.Value.(type) {
	case *hujson.Array:
		return len(in.Elements) == 0
	case *hujson.Object:
		for _, m := range in.Members {
			if !empty(m.Value) {
				return false
			}
		}
		return true
	}
	return isNull(v)
}
