package config

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// text is a file of policy as it was read.
type text struct {
	origin policy.Origin
	// shown is the path as the user would recognise it; named is that made absolute, path the real one.
	shown string
	named string
	path  string
	// dir is what relative paths are relative to; "" where they are not allowed.
	dir string
	// foreign is true for a file that others may have written: it may do some things by itself, and asks for the rest.
	foreign bool
	src     []byte
}

// source is a range of the file, in the policy's terms.
func (t *text) source(r hcl.Range) policy.Source {
	return policy.Source{
		Origin: t.origin, File: t.shown,
		Line: r.Start.Line, Column: r.Start.Column, EndLine: r.End.Line, EndColumn: r.End.Column,
	}
}

// problem is a problem of package schema, with its source.
func (t *text) problem(p schema.Problem) diag.Problem {
	d := diag.Problem{Severity: diag.Error, Summary: p.Summary, Detail: p.Detail}
	if p.Range.Start.Line > 0 {
		d.Source = t.source(p.Range)
	}
	return d
}

// tree is a block as it was written: checked against the language, and not yet understood.
type tree struct {
	is     *block
	name   string
	label  string
	at     policy.Source
	attrs  map[string]*setting
	blocks []*tree
	// rest are a layer's own settings, which are checked later.
	rest hclsyntax.Attributes
}

// setting is an attribute with its value.
type setting struct {
	is    attr
	name  string
	at    policy.Source
	items []item              // a string, the strings of a list, or the pairs of { NAME = "..." }
	yes   bool                // a bool
	inner map[string]*setting // a structured value
}

// item is a string of a policy, with its place.
type item struct {
	key  string // for { NAME = "..." }
	text string
	at   policy.Source
}

// list is the attribute's strings, or none.
func (t *tree) list(name string) []item {
	if s, ok := t.attrs[name]; ok {
		return s.items
	}
	return nil
}

// one is the attribute's only string.
func (t *tree) one(name string) (item, bool) {
	if s, ok := t.attrs[name]; ok && len(s.items) == 1 {
		return s.items[0], true
	}
	return item{}, false
}

// parse reads a file and checks it against the language. All problems of a file are found, but for mistakes of syntax: after one of those
// hcl guesses where to go on, and only the first is worth telling.
func parse(t *text) (*tree, diag.Problems) {
	bySource := func(string) []byte { return t.src }
	if line := tooDeep(t.src); line > 0 {
		p := diag.Errorf("the file is nested too deeply").At(policy.Source{Origin: t.origin, File: t.shown, Line: line, Column: 1})
		return nil, diag.Problems{p}
	}
	file, diags := hclsyntax.ParseConfig(t.src, t.name(), hcl.InitialPos)
	if diags.HasErrors() {
		return nil, t.problems(schema.Explain(diags[:1], nil, bySource))
	}
	body := file.Body.(*hclsyntax.Body)
	if ps := schema.Literals(body, bySource); len(ps) > 0 {
		return nil, t.problems(ps)
	}
	p := parser{text: t, bySource: bySource}
	root := p.block(language, body)
	if p.found.Failed() {
		return nil, p.found
	}
	return root, nil
}

// tooDeep returns the line in which brackets are open beyond any sense, or 0. hcl's parser goes as deep as the text does, ten kilobytes
// of stack a bracket, and Go ends a program whose stack grows too large: a stranger's file must not do that. Brackets in strings and
// comments count, too; they would have to be left open a hundred times.
func tooDeep(src []byte) int {
	const deepest = 100
	depth, line := 0, 1
	for _, c := range src {
		switch c {
		case '\n':
			line++
		case '[', '{', '(':
			if depth++; depth > deepest {
				return line
			}
		case ']', '}', ')':
			depth = max(0, depth-1)
		}
	}
	return 0
}

func (t *text) problems(ps []schema.Problem) diag.Problems {
	found := make(diag.Problems, len(ps))
	for i, p := range ps {
		found[i] = t.problem(p)
	}
	return found
}

type parser struct {
	text     *text
	bySource func(string) []byte
	found    diag.Problems
}

func (p *parser) report(r hcl.Range, detail, format string, args ...any) {
	p.found = append(p.found, p.text.problem(schema.Problem{Range: r, Summary: fmt.Sprintf(format, args...), Detail: detail}))
}

func (p *parser) block(is *block, body *hclsyntax.Body) *tree {
	out := &tree{is: is, attrs: map[string]*setting{}}
	known := is.schema()
	var content *hcl.BodyContent
	var diags hcl.Diagnostics
	if is.settings {
		content, _, diags = body.PartialContent(known)
		out.rest = p.settings(is, body)
	} else {
		content, diags = body.Content(known)
	}
	p.misplaced(schema.Explain(diags, known, p.bySource))

	for _, a := range inOrder(content.Attributes) {
		if s := p.setting(is.attrs[a.Name], a.Name, a.Expr.(hclsyntax.Expression)); s != nil {
			s.at = p.text.source(a.NameRange)
			out.attrs[a.Name] = s
		}
	}
	first := map[string]policy.Source{}
	for _, b := range content.Blocks {
		inner := p.block(is.blocks[b.Type], b.Body.(*hclsyntax.Body))
		inner.name = b.Type
		inner.at = p.text.source(b.DefRange)
		if len(b.Labels) > 0 {
			inner.label = b.Labels[0]
		}
		key := inner.name + " " + inner.label
		if at, twice := first[key]; twice {
			p.report(b.DefRange, fmt.Sprintf("the first one is in line %d; put both into one", at.Line), "%s is written twice", inner.title())
			continue
		}
		first[key] = inner.at
		out.blocks = append(out.blocks, inner)
	}
	return out
}

// title is the block as it is written: credential "openai".
func (t *tree) title() string {
	if t.label != "" {
		return fmt.Sprintf("%s %q", t.name, t.label)
	}
	return t.name
}

// settings are the attributes of a layer block that are the layer's own. Whether it knows them is seen when it has described itself.
func (p *parser) settings(is *block, body *hclsyntax.Body) hclsyntax.Attributes {
	rest := hclsyntax.Attributes{}
	for name, a := range body.Attributes {
		if _, ours := is.attrs[name]; !ours {
			rest[name] = a
		}
	}
	for _, b := range body.Blocks {
		p.report(b.TypeRange, fmt.Sprintf("write %s = ...", b.Type), "a layer's settings are attributes, and %q is a block", b.Type)
	}
	return rest
}

// misplaced reports what hcl found, and adds where a name that is unknown here does belong.
func (p *parser) misplaced(found []schema.Problem) {
	for _, problem := range found {
		if strings.HasPrefix(problem.Summary, "unknown ") && !strings.HasPrefix(problem.Detail, "did you mean") {
			if outer := belongs(string(problem.Range.SliceBytes(p.text.src))); outer != "" {
				problem.Detail = fmt.Sprintf("it belongs into the block %s { ... }", outer)
			}
		}
		p.found = append(p.found, p.text.problem(problem))
	}
}

// setting reads a value of the given shape, or reports why it is not one.
func (p *parser) setting(is attr, name string, expr hclsyntax.Expression) *setting {
	s := &setting{is: is, name: name, at: p.text.source(expr.Range())}
	typed := func(t sdk.SettingType) bool {
		problem := schema.Typed(name, expr, t)
		if problem != nil {
			p.found = append(p.found, p.text.problem(*problem))
		}
		return problem == nil
	}
	switch is.shape {
	case aString:
		if !typed(sdk.SettingString) {
			return nil
		}
		s.items = p.strings(expr)
		if len(is.oneOf) > 0 && !p.oneOf(s, expr.Range()) {
			return nil
		}
	case aBool:
		if !typed(sdk.SettingBool) {
			return nil
		}
		v, _ := expr.Value(nil)
		s.yes = v.True()
	case aNumber:
		if !typed(sdk.SettingNumber) || !p.whole(name, expr) {
			return nil
		}
	case stringList:
		if !typed(sdk.SettingStringList) {
			return nil
		}
		s.items = p.strings(expr)
	case oneOrMore:
		if v, _ := expr.Value(nil); v.Type() == cty.String {
			s.items = p.strings(expr)
		} else if !typed(sdk.SettingStringList) {
			return nil
		} else {
			s.items = p.strings(expr)
		}
	case numberList:
		if !p.numbers(name, expr) {
			return nil
		}
	case variables:
		if !typed(sdk.SettingStringMap) {
			return nil
		}
		pairs, _ := hcl.ExprMap(expr)
		for _, pair := range pairs {
			k, _ := pair.Key.Value(nil)
			v, _ := pair.Value.Value(nil)
			s.items = append(s.items, item{key: k.AsString(), text: v.AsString(), at: p.text.source(pair.Key.Range())})
		}
	case structured:
		if s.inner = p.structured(is, name, expr); s.inner == nil {
			return nil
		}
	default:
		panic(fmt.Sprintf("the language gives %q no shape", name))
	}
	return s
}

// strings takes a string or a list of strings apart. The expression has been checked.
func (p *parser) strings(expr hclsyntax.Expression) []item {
	exprs, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		exprs = []hcl.Expression{expr}
	}
	items := make([]item, 0, len(exprs))
	for _, e := range exprs {
		v, _ := e.Value(nil)
		items = append(items, item{text: v.AsString(), at: p.text.source(e.Range())})
	}
	return items
}

func (p *parser) oneOf(s *setting, r hcl.Range) bool {
	given := s.items[0].text
	for _, valid := range s.is.oneOf {
		if given == valid {
			return true
		}
	}
	detail := "it is one of " + strings.Join(s.is.oneOf, ", ")
	if near := schema.Nearest(given, s.is.oneOf); near != "" {
		detail = fmt.Sprintf("did you mean %q?", near)
	}
	p.report(r, detail, "%q cannot be %q", s.name, given)
	return false
}

func (p *parser) whole(name string, expr hcl.Expression) bool {
	v, _ := expr.Value(nil)
	if n, accuracy := v.AsBigFloat().Int64(); accuracy != big.Exact || n < 0 {
		p.report(expr.Range(), "", "%q must be a whole number, and not a negative one", name)
		return false
	}
	return true
}

func (p *parser) numbers(name string, expr hclsyntax.Expression) bool {
	exprs, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		p.report(expr.Range(), "", "%q must be a list of numbers: [3000]", name)
		return false
	}
	for _, e := range exprs {
		if v, _ := e.Value(nil); v.IsNull() || v.Type() != cty.Number {
			p.report(e.Range(), "", "%q must be a list of numbers: [3000]", name)
			return false
		}
		if !p.whole(name, e) {
			return false
		}
	}
	return true
}

// structured reads { name = value, ... } with known names.
func (p *parser) structured(is attr, name string, expr hclsyntax.Expression) map[string]*setting {
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		p.report(expr.Range(), "", "%q must be written in braces: { %s = ... }", name, strings.Join(sortedNames(is.fields), " = ..., "))
		return nil
	}
	out := map[string]*setting{}
	for _, pair := range pairs {
		k, _ := pair.Key.Value(nil)
		if k.IsNull() || k.Type() != cty.String {
			p.report(pair.Key.Range(), "", "a name in %q must be a word or a string", name)
			return nil
		}
		key := k.AsString()
		field, ok := is.fields[key]
		if !ok {
			detail := "known here: " + strings.Join(sortedNames(is.fields), ", ")
			if near := schema.Nearest(key, sortedNames(is.fields)); near != "" {
				detail = fmt.Sprintf("did you mean %q?", near)
			}
			p.report(pair.Key.Range(), detail, "unknown name %q in %q", key, name)
			return nil
		}
		if out[key] != nil {
			p.report(pair.Key.Range(), "keep one of them", "%q has %q twice", name, key)
			return nil
		}
		if out[key] = p.setting(field, key, pair.Value.(hclsyntax.Expression)); out[key] == nil {
			return nil
		}
	}
	return out
}
