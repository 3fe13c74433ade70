// Package schema checks a layer's block of HCL against the settings that the layer declares, and
// turns it into the JSON object that the layer's Plan gets. Core does so for every run; package
// layertest does so for a layer's own tests. A layer itself never sees HCL.
//
// [Parse] takes a text, [Decode] what has been read already.
//
// # What a value may be
//
// Strings, numbers, true and false, lists and maps of strings, and objects of these, written out:
// nothing is evaluated. There are no functions and no variables, so "${...}" is a problem, and so
// is a value of another type than was declared: 5 is not "5". What is not set has its default, or
// is not in the object. hcl's own diagnostics are put into the words of somebody who has never read
// hcl's manual ([Explain]); the value of a sensitive setting is in none of them.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nono-run/nono/sdk"
)

// Reserved are the attributes of a layer block that are core's. No layer can declare them.
var Reserved = []string{"plugin", "enabled"}

var types = map[sdk.SettingType]cty.Type{
	sdk.SettingString:     cty.String,
	sdk.SettingNumber:     cty.Number,
	sdk.SettingInteger:    cty.Number,
	sdk.SettingBool:       cty.Bool,
	sdk.SettingStringList: cty.List(cty.String),
	sdk.SettingStringMap:  cty.Map(cty.String),
}

// isSettingName reports lower-case letters, digits and underscores, after a letter.
func isSettingName(name string) bool {
	for i, c := range name {
		isLetter := c >= 'a' && c <= 'z'
		if !isLetter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != ""
}

// Check reports what is wrong with a declaration itself: a mistake of the layer's author, not of
// the user.
func Check(settings []sdk.Setting) error {
	for _, s := range settings {
		if slices.Contains(Reserved, s.Name) {
			return fmt.Errorf("setting %q: the name is nono's own", s.Name)
		}
	}
	return check(settings, true)
}

func check(settings []sdk.Setting, objects bool) error {
	seen := map[string]bool{}
	for _, s := range settings {
		object := s.Type == sdk.SettingObject
		switch {
		case !isSettingName(s.Name):
			return fmt.Errorf("setting %q: a name is lower-case letters, digits and underscores, "+
				"and starts with a letter", s.Name)
		case seen[s.Name]:
			return fmt.Errorf("setting %q is declared twice", s.Name)
		case types[s.Type] == cty.NilType && !object:
			return fmt.Errorf("setting %q has an unknown type %q", s.Name, s.Type)
		case object && !objects:
			return fmt.Errorf("setting %q: an object within an object", s.Name)
		case object != (len(s.Settings) > 0):
			return fmt.Errorf("setting %q: an object, and nothing else, has settings", s.Name)
		case len(s.OneOf) > 0 && s.Type != sdk.SettingString:
			return fmt.Errorf("setting %q: only a string can be one of a list of values", s.Name)
		}
		seen[s.Name] = true
		err := checkDefault(s)
		if err == nil {
			err = check(s.Settings, false)
		}
		if err != nil {
			return fmt.Errorf("setting %q: %w", s.Name, err)
		}
	}
	return nil
}

func checkDefault(s sdk.Setting) error {
	var fits bool
	switch s.Default.(type) {
	case nil:
		return nil
	case string:
		fits = s.Type == sdk.SettingString
	case bool:
		fits = s.Type == sdk.SettingBool
	case int:
		fits = s.Type == sdk.SettingInteger || s.Type == sdk.SettingNumber
	case float64:
		fits = s.Type == sdk.SettingNumber
	case []string:
		fits = s.Type == sdk.SettingStringList
	case map[string]string:
		fits = s.Type == sdk.SettingStringMap
	}
	switch text, _ := s.Default.(string); {
	case !fits:
		return fmt.Errorf("the default is no %s", s.Type)
	case s.Required:
		return errors.New("what is required has no default")
	case len(s.OneOf) > 0 && !slices.Contains(s.OneOf, text):
		return errors.New("the default is none of the values that it may have")
	}
	return nil
}

// Parse reads a file that holds nothing but a layer's settings.
func Parse(src []byte, filename string, settings []sdk.Setting) ([]byte, []Problem) {
	text := func(string) []byte { return src }
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		// After a slip of syntax hcl guesses where to go on; only its first complaint is worth
		// showing.
		return nil, Explain(diags[:1], nil, text)
	}
	return Decode(file.Body.(*hclsyntax.Body), settings, text)
}

// Decode checks a body against the declared settings and returns the JSON object. The source of a
// file is asked for by the name under which it was parsed. If there is any problem, the object is
// nil.
func Decode(
	body *hclsyntax.Body, settings []sdk.Setting, source func(filename string) []byte,
) ([]byte, []Problem) {
	if err := Check(settings); err != nil {
		return nil, []Problem{{
			Range:   body.SrcRange,
			Summary: "the layer's declaration of its settings is wrong: " + err.Error(),
		}}
	}
	known := &hcl.BodySchema{}
	for _, s := range settings {
		known.Attributes = append(known.Attributes, hcl.AttributeSchema{
			Name: s.Name, Required: s.Required,
		})
	}
	_, diags := body.Content(known)
	problems := append(Explain(diags, known, source), Literals(body, source)...)
	if len(problems) > 0 {
		return nil, sorted(problems)
	}
	values := map[string]any{}
	for _, s := range settings {
		attr, ok := body.Attributes[s.Name]
		if !ok {
			if d := defaultOf(s); d != nil {
				values[s.Name] = d
			}
			continue
		}
		v, found := read(s, attr.Expr)
		values[s.Name] = v
		problems = append(problems, found...)
	}
	if len(problems) > 0 {
		return nil, sorted(problems)
	}
	object, err := json.Marshal(values)
	if err != nil {
		return nil, []Problem{{
			Range: body.SrcRange, Summary: "cannot hand the settings to the layer: " + err.Error(),
		}}
	}
	return object, nil
}

// defaultOf is what a setting is that nobody set; nil if it is not there then. An object is there
// if all that it needs has a default.
func defaultOf(s sdk.Setting) any {
	if s.Type != sdk.SettingObject {
		return s.Default
	}
	values := map[string]any{}
	for _, inner := range s.Settings {
		if inner.Required {
			return nil
		}
		if inner.Default != nil {
			values[inner.Name] = inner.Default
		}
	}
	if len(values) == 0 {
		return nil
	}
	return values
}

// read is a value as JSON, or what is wrong with it.
func read(s sdk.Setting, expr hclsyntax.Expression) (any, []Problem) {
	if s.Type == sdk.SettingObject {
		return readObject(s, expr)
	}
	if p := Typed(s.Name, expr, s.Type); p != nil {
		p.Detail = s.Help
		return nil, []Problem{*p}
	}
	v, _ := expr.Value(nil)
	if p := oneOf(s, v, expr.Range()); p != nil {
		return nil, []Problem{*p}
	}
	v, err := convert.Convert(v, types[s.Type])
	var out json.RawMessage
	if err == nil {
		out, err = ctyjson.Marshal(v, types[s.Type])
	}
	if err != nil {
		return nil, []Problem{{
			Range: expr.Range(), Summary: fmt.Sprintf("cannot read the value of %q", s.Name),
		}}
	}
	return out, nil
}

func readObject(s sdk.Setting, expr hclsyntax.Expression) (any, []Problem) {
	const shape = "{ NAME = VALUE }"
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		return nil, []Problem{{
			Range: expr.Range(), Summary: fmt.Sprintf("%q must be settings in braces: %s", s.Name, shape),
		}}
	}
	if p := repeated(s.Name, pairs); p != nil {
		return nil, []Problem{*p}
	}
	var problems []Problem
	var names []string
	missing := map[string]bool{}
	values := map[string]any{}
	for _, inner := range s.Settings {
		names = append(names, inner.Name)
		missing[inner.Name] = inner.Required
		if inner.Default != nil {
			values[inner.Name] = inner.Default
		}
	}
	for _, pair := range pairs {
		key, _ := pair.Key.Value(nil)
		name := key.AsString()
		i := slices.Index(names, name)
		if i < 0 {
			p := Problem{Range: pair.Key.Range(), Summary: fmt.Sprintf("%q has no setting %q", s.Name, name)}
			p.Detail = "it has " + quoted(names)
			if near := Nearest(name, names); near != "" {
				p.Detail = fmt.Sprintf("did you mean %q?", near)
			}
			problems = append(problems, p)
			continue
		}
		inner := s.Settings[i]
		inner.Sensitive = inner.Sensitive || s.Sensitive
		v, found := read(inner, pair.Value.(hclsyntax.Expression))
		problems = append(problems, found...)
		values[name] = v
		missing[name] = false
	}
	for _, name := range names {
		if missing[name] {
			problems = append(problems, Problem{
				Range: expr.Range(), Summary: fmt.Sprintf("%q lacks %q", s.Name, name),
			})
		}
	}
	return values, problems
}

// oneOf reports a value that is none of those that the setting may have.
func oneOf(s sdk.Setting, v cty.Value, at hcl.Range) *Problem {
	if len(s.OneOf) == 0 || slices.Contains(s.OneOf, v.AsString()) {
		return nil
	}
	given := v.AsString()
	if s.Sensitive {
		return &Problem{
			Range: at, Summary: fmt.Sprintf("%q cannot be that", s.Name),
			Detail: "it is one of " + quoted(s.OneOf),
		}
	}
	p := &Problem{
		Range: at, Summary: fmt.Sprintf("%q cannot be %q", s.Name, given),
		Detail: "it is one of " + quoted(s.OneOf),
	}
	if near := Nearest(given, s.OneOf); near != "" {
		p.Detail = fmt.Sprintf("did you mean %q?", near)
	}
	return p
}

// Typed reports a value that is not written as its type demands; the value must have passed
// [Literals]. There is no conversion: who writes 5 where a string is wanted means something that we
// would only guess.
func Typed(name string, expr hclsyntax.Expression, t sdk.SettingType) *Problem {
	wrong := func(at hcl.Range, want string) *Problem {
		return &Problem{Range: at, Summary: fmt.Sprintf("%q must be %s", name, want)}
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return &Problem{Range: expr.Range(), Summary: fmt.Sprintf("cannot read the value of %q", name)}
	}
	number, whole := "a number", "a whole number"
	if v.Type() == cty.String {
		number, whole = number+", without quotes", whole+", without quotes"
	}
	switch t {
	case sdk.SettingString:
		if !is(v, cty.String) {
			return wrong(expr.Range(), `a string in quotes: "..."`)
		}
	case sdk.SettingNumber:
		if !is(v, cty.Number) {
			return wrong(expr.Range(), number)
		}
		// hcl reads any exponent and JSON has none: 1e9999999 would be written out, for half a
		// minute.
		if f, _ := v.AsBigFloat().Float64(); math.IsInf(f, 0) || (f == 0 && v.AsBigFloat().Sign() != 0) {
			return wrong(expr.Range(), "a number that a float64 can hold")
		}
	case sdk.SettingInteger:
		if !is(v, cty.Number) || !v.AsBigFloat().IsInt() {
			return wrong(expr.Range(), whole)
		}
		// JSON has any number, and Go's int has not.
		if _, accuracy := v.AsBigFloat().Int64(); accuracy != big.Exact {
			return wrong(expr.Range(), "a whole number of at most 64 bits")
		}
	case sdk.SettingBool:
		if !is(v, cty.Bool) {
			return wrong(expr.Range(), "true or false, without quotes")
		}
	case sdk.SettingStringList:
		items, diags := hcl.ExprList(expr)
		if diags.HasErrors() {
			return wrong(expr.Range(), `a list of strings: ["...", "..."]`)
		}
		for _, item := range items {
			if v, _ := item.Value(nil); !is(v, cty.String) {
				return wrong(item.Range(), `a list of strings: ["...", "..."]`)
			}
		}
	case sdk.SettingStringMap:
		pairs, diags := hcl.ExprMap(expr)
		if diags.HasErrors() {
			return wrong(expr.Range(), `names with strings: { NAME = "..." }`)
		}
		if p := repeated(name, pairs); p != nil {
			return p
		}
		for _, pair := range pairs {
			if v, _ := pair.Value.Value(nil); !is(v, cty.String) {
				return wrong(pair.Value.Range(), `names with strings: { NAME = "..." }`)
			}
		}
	case sdk.SettingObject:
		return wrong(expr.Range(), "settings in braces: { NAME = VALUE }")
	default:
		return wrong(expr.Range(), fmt.Sprintf("of a type that nobody knows (%s)", t))
	}
	return nil
}

func is(v cty.Value, t cty.Type) bool { return v.IsKnown() && !v.IsNull() && v.Type() == t }

// repeated finds a key that an object has twice: hcl would silently take the last.
func repeated(name string, pairs []hcl.KeyValuePair) *Problem {
	seen := map[string]bool{}
	for _, pair := range pairs {
		k, _ := pair.Key.Value(nil)
		if !is(k, cty.String) {
			return &Problem{
				Range:   pair.Key.Range(),
				Summary: fmt.Sprintf("a name in %q must be a word or a string", name),
			}
		}
		key := k.AsString()
		if seen[key] {
			return &Problem{Range: pair.Key.Range(), Summary: fmt.Sprintf("%q has %q twice", name, key)}
		}
		seen[key] = true
	}
	return nil
}

func quoted(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(q, ", ")
}

// sorted puts problems into the order of the text, so that the same text gives the same message:
// hcl walks maps.
func sorted(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if c := strings.Compare(a.Range.Filename, b.Range.Filename); c != 0 {
			return c
		}
		return a.Range.Start.Byte - b.Range.Start.Byte
	})
	return ps
}
