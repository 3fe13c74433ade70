package language

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// Parse reads a text and holds it against the grammar. All problems of the text are found, but for
// mistakes of syntax: after one of those hcl guesses where to go on, and only the first is worth
// telling.
func Parse(text diag.Text, grammar *Block) (*Tree, diag.Problems) {
	p := &parser{text: text, grammar: grammar}
	if line := TooDeep(text.Content); line > 0 {
		at := policy.Source{Origin: text.Origin, File: text.File, Line: line, Column: 1}
		return nil, diag.Problems{diag.Errorf("the file is nested too deeply").At(at)}
	}
	if at := computes(text.Content); at != nil {
		return nil, diag.Problems{diag.Errorf("the file computes, and nothing in it is evaluated").
			At(source(text, *at)).Try("write values out")}
	}
	file, diags := hclsyntax.ParseConfig(text.Content, fileName(text), hcl.InitialPos)
	if diags.HasErrors() {
		if other := otherLanguage(text); other != "" {
			at := policy.Source{Origin: text.Origin, File: text.File, Line: 1, Column: 1}
			return nil, diag.Problems{
				diag.Errorf("this is %s, and a policy is written in HCL", other).At(at).Try("%s", asHCL(other)),
			}
		}
		p.add(schema.Explain(diags[:1], nil, p.content)...)
		return nil, p.found
	}
	body := file.Body.(*hclsyntax.Body)
	if at, many := statements(body); many {
		return nil, diag.Problems{diag.Errorf("%s has more than %d attributes and blocks", text.File,
			maxStatements).At(source(text, at))}
	}
	for _, found := range schema.Literals(body, p.content) {
		p.add(p.discreet(body, found))
	}
	if p.found.Failed() {
		return nil, p.found
	}
	root := p.block(grammar, body)
	if p.found.Failed() {
		return nil, p.found
	}
	return root, nil
}

// fileName is how hcl knows a text. Its path will not do: a user's file may well have the name of
// the built-in profile.
func fileName(text diag.Text) string { return string(text.Origin) + ":" + text.File }

// source is a range of a text, in the policy's terms.
func source(text diag.Text, r hcl.Range) policy.Source {
	return policy.Source{
		Origin: text.Origin, File: text.File,
		Line: r.Start.Line, Column: r.Start.Column, EndLine: r.End.Line, EndColumn: r.End.Column,
	}
}

// problem is a problem of package schema with its source.
func problem(text diag.Text, p schema.Problem) diag.Problem {
	d := diag.Problem{Severity: diag.Error, Summary: p.Summary, Detail: p.Detail}
	if p.Range.Start.Line > 0 {
		d.Source = source(text, p.Range)
	}
	return d
}

// parser reads one text.
type parser struct {
	text    diag.Text
	grammar *Block
	found   diag.Problems
}

func (p *parser) content(string) []byte { return p.text.Content }

func (p *parser) source(r hcl.Range) policy.Source { return source(p.text, r) }

func (p *parser) add(ps ...schema.Problem) {
	for _, found := range ps {
		p.found = append(p.found, problem(p.text, found))
	}
}

func (p *parser) report(r hcl.Range, detail, format string, args ...any) {
	p.add(schema.Problem{Range: r, Summary: fmt.Sprintf(format, args...), Detail: detail})
}

func (p *parser) block(is *Block, body *hclsyntax.Body) *Tree {
	out := &Tree{Is: is, Attributes: map[string]*Value{}}
	known := is.schema()
	var content *hcl.BodyContent
	var diags hcl.Diagnostics
	if is.Settings {
		content, _, diags = body.PartialContent(known)
		out.Settings = p.settings(is, body)
	} else {
		content, diags = body.Content(known)
	}
	p.misplaced(schema.Explain(diags, known, p.content))

	for _, a := range inOrder(content.Attributes) {
		if v := p.value(is.Attributes[a.Name], a.Name, a.Expr.(hclsyntax.Expression)); v != nil {
			v.Source = p.source(a.NameRange)
			out.Attributes[a.Name] = v
		}
	}
	first := map[string]policy.Source{}
	for _, b := range content.Blocks {
		inner := p.block(is.Blocks[b.Type], b.Body.(*hclsyntax.Body))
		inner.Name, inner.Source = b.Type, p.source(b.DefRange)
		if len(b.Labels) > 0 {
			inner.Label = b.Labels[0]
		}
		key := inner.Name + " " + inner.Label
		if at, twice := first[key]; twice {
			p.report(b.DefRange, fmt.Sprintf("the first one is in line %d; put both into one",
				at.Line),
				"%s is written twice", inner.Title())
			continue
		}
		first[key] = inner.Source
		out.Blocks = append(out.Blocks, inner)
	}
	return out
}

// discreet is a problem without the words of the file, where those may be a layer's secret; nor is
// there anything left of them to be shown with it.
func (p *parser) discreet(body *hclsyntax.Body, found schema.Problem) schema.Problem {
	for _, b := range body.Blocks {
		if is := p.grammar.Blocks[b.Type]; is == nil || !is.Settings {
			continue
		}
		for name, a := range b.Body.Attributes {
			_, ours := p.grammar.Blocks[b.Type].Attributes[name]
			if !ours && a.Expr.Range().ContainsPos(found.Range.Start) {
				diag.Texts{p.text}.Hide(p.source(a.SrcRange))
				return schema.Unwritten(name, found.Range)
			}
		}
	}
	return found
}

// settings are the attributes of a layer block that are the layer's own. Whether it knows them is
// seen when it has described itself.
func (p *parser) settings(is *Block, body *hclsyntax.Body) Settings {
	own := Settings{}
	for name, a := range body.Attributes {
		if _, ours := is.Attributes[name]; !ours {
			own[name] = setting{a, p.text}
		}
	}
	for _, b := range body.Blocks {
		p.report(b.TypeRange, fmt.Sprintf("write %s = ...", b.Type),
			"a layer's settings are attributes, and %q is a block", b.Type)
	}
	return own
}

// misplaced reports what hcl found, and adds where a name that is unknown here does belong.
func (p *parser) misplaced(found []schema.Problem) {
	for _, f := range found {
		unknown := strings.HasPrefix(f.Summary, "unknown ") &&
			!strings.HasPrefix(f.Detail, "did you mean")
		if unknown {
			if outer := p.grammar.belongs(string(f.Range.SliceBytes(p.text.Content))); outer != "" {
				f.Detail = fmt.Sprintf("it belongs into the block %s { ... }", outer)
			}
		}
		p.add(f)
	}
}

// types are the shapes that package schema has a type for.
var types = map[Shape]sdk.SettingType{
	String: sdk.SettingString, Number: sdk.SettingNumber, Bool: sdk.SettingBool,
	StringList: sdk.SettingStringList, OneOrMore: sdk.SettingStringList,
	Variables: sdk.SettingStringMap,
}

// value reads a value of the given shape, or reports why it is not one.
func (p *parser) value(is Attribute, name string, expr hclsyntax.Expression) *Value {
	v := &Value{Is: is, Name: name, Source: p.source(expr.Range())}
	lone := false // a string that stands for a list of one
	if is.Shape == OneOrMore {
		value, _ := expr.Value(nil)
		lone = value.Type() == cty.String
	}
	if t, ok := types[is.Shape]; ok && !lone {
		if wrong := schema.Typed(name, expr, t); wrong != nil {
			p.add(*wrong)
			return nil
		}
	}
	switch is.Shape {
	case String, StringList, OneOrMore:
		v.Items = p.strings(expr)
		if len(is.OneOf) > 0 && !p.oneOf(v, expr.Range()) {
			return nil
		}
	case Bool:
		value, _ := expr.Value(nil)
		v.Yes = value.True()
	case Number:
		n, ok := p.whole(name, expr)
		if !ok {
			return nil
		}
		v.Number = n
	case NumberList:
		if !p.numbers(v, expr) {
			return nil
		}
	case Variables:
		v.Items = p.pairs(expr)
	case Structured:
		if v.Fields = p.structured(is, name, expr); v.Fields == nil {
			return nil
		}
	default:
		panic(fmt.Sprintf("the grammar gives %q no shape", name))
	}
	return v
}

// strings takes a string or a list of strings apart. The expression has been checked.
func (p *parser) strings(expr hclsyntax.Expression) []Item {
	exprs, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		exprs = []hcl.Expression{expr}
	}
	items := make([]Item, 0, len(exprs))
	for _, e := range exprs {
		items = append(items, Item{Text: p.string(e), Source: p.source(e.Range())})
	}
	return items
}

// string is the text of a string, which has been checked.
func (p *parser) string(e hcl.Expression) string {
	v, _ := e.Value(nil)
	if literal, ok := e.(hclsyntax.Expression); ok {
		return verbatim(literal, p.text.Content, v.AsString())
	}
	return v.AsString()
}

// pairs takes { NAME = "..." } apart. The expression has been checked.
func (p *parser) pairs(expr hclsyntax.Expression) []Item {
	pairs, _ := hcl.ExprMap(expr)
	items := make([]Item, 0, len(pairs))
	for _, pair := range pairs {
		k, _ := pair.Key.Value(nil)
		items = append(items, Item{
			Key: k.AsString(), Text: p.string(pair.Value),
			Source: p.source(pair.Key.Range()),
		})
	}
	return items
}

func (p *parser) oneOf(v *Value, r hcl.Range) bool {
	given := v.Items[0].Text
	if slices.Contains(v.Is.OneOf, given) {
		return true
	}
	detail := "it is one of " + strings.Join(v.Is.OneOf, ", ")
	if near := schema.Nearest(given, v.Is.OneOf); near != "" {
		detail = fmt.Sprintf("did you mean %q?", near)
	}
	p.report(r, detail, "%q cannot be %q", v.Name, given)
	return false
}

func (p *parser) whole(name string, expr hcl.Expression) (int64, bool) {
	v, _ := expr.Value(nil)
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != big.Exact || n < 0 {
		p.report(expr.Range(), "", "%q must be a whole number, and not a negative one", name)
		return 0, false
	}
	return n, true
}

// numbers takes a list of numbers apart, each also as it is written.
func (p *parser) numbers(v *Value, expr hclsyntax.Expression) bool {
	exprs, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		p.report(expr.Range(), "", "%q must be a list of numbers: [3000]", v.Name)
		return false
	}
	for _, e := range exprs {
		if value, _ := e.Value(nil); value.IsNull() || value.Type() != cty.Number {
			p.report(e.Range(), "", "%q must be a list of numbers: [3000]", v.Name)
			return false
		}
		n, ok := p.whole(v.Name, e)
		if !ok {
			return false
		}
		v.Items = append(v.Items, Item{Text: strconv.FormatInt(n, 10), Source: p.source(e.Range())})
	}
	return true
}

// structured reads { name = value, ... } with known names.
func (p *parser) structured(is Attribute, name string,
	expr hclsyntax.Expression,
) map[string]*Value {
	known := slices.Sorted(maps.Keys(is.Fields))
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		p.report(expr.Range(), "", "%q must be written in braces: { %s = ... }", name,
			strings.Join(known, " = ..., "))
		return nil
	}
	out := map[string]*Value{}
	for _, pair := range pairs {
		k, _ := pair.Key.Value(nil)
		if k.IsNull() || k.Type() != cty.String {
			p.report(pair.Key.Range(), "", "a name in %q must be a word or a string", name)
			return nil
		}
		key := k.AsString()
		field, ok := is.Fields[key]
		if !ok {
			detail := "known here: " + strings.Join(known, ", ")
			if near := schema.Nearest(key, known); near != "" {
				detail = fmt.Sprintf("did you mean %q?", near)
			}
			p.report(pair.Key.Range(), detail, "unknown name %q in %q", key, name)
			return nil
		}
		if out[key] != nil {
			p.report(pair.Key.Range(), "keep one of them", "%q has %q twice", name, key)
			return nil
		}
		if out[key] = p.value(field, key, pair.Value.(hclsyntax.Expression)); out[key] == nil {
			return nil
		}
	}
	return out
}

// inOrder lists attributes as they stand in the text: hcl keeps them in a map.
func inOrder(attrs hcl.Attributes) []*hcl.Attribute {
	return slices.SortedFunc(maps.Values(attrs), func(a, b *hcl.Attribute) int {
		return cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte)
	})
}
