// Package schema checks a layer's block of HCL against the settings that the layer declares, and turns it into the JSON object
// that the layer's Plan gets. Core does so for every run; package layertest does so for a layer's own tests. A layer itself never
// sees HCL.
//
//	settings := []sdk.Setting{{Name: "mode", Type: sdk.SettingString, OneOf: []string{"namespace", "proxy"}}}
//	object, problems := schema.Parse([]byte(`mode = "namespace"`), "agent.hcl", settings)
//	// object is {"mode":"namespace"}
//
// # What a value may be
//
// Strings, numbers, true and false, lists and maps of strings, written out: nothing is evaluated. There are no functions and no
// variables, so "${...}" is a problem, and so is a value of another type than was declared: 5 is not "5". What is not set is not
// in the object. hcl's own diagnostics are put into the words of somebody who has never read hcl's manual ([Explain]).
package schema

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nono-run/nono/sdk"
)

// Reserved are the attributes of a layer block that are core's. No layer can declare them.
var Reserved = []string{"plugin", "enabled"}

var types = map[sdk.SettingType]cty.Type{
	sdk.SettingString:     cty.String,
	sdk.SettingNumber:     cty.Number,
	sdk.SettingBool:       cty.Bool,
	sdk.SettingStringList: cty.List(cty.String),
	sdk.SettingStringMap:  cty.Map(cty.String),
}

var settingName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Check reports what is wrong with a declaration itself: a mistake of the layer's author, not of the user.
func Check(settings []sdk.Setting) error {
	seen := map[string]bool{}
	for _, s := range settings {
		switch {
		case !settingName.MatchString(s.Name):
			return fmt.Errorf("setting %q: a name is lower-case letters, digits and underscores, and starts with a letter", s.Name)
		case slices.Contains(Reserved, s.Name):
			return fmt.Errorf("setting %q: the name is nono's own", s.Name)
		case seen[s.Name]:
			return fmt.Errorf("setting %q is declared twice", s.Name)
		case types[s.Type] == cty.NilType:
			return fmt.Errorf("setting %q has an unknown type %q", s.Name, s.Type)
		case len(s.OneOf) > 0 && s.Type != sdk.SettingString:
			return fmt.Errorf("setting %q: only a string can be one of a list of values", s.Name)
		}
		seen[s.Name] = true
	}
	return nil
}

// Spec is the declaration in the form that hcldec takes.
func Spec(settings []sdk.Setting) hcldec.ObjectSpec {
	spec := make(hcldec.ObjectSpec, len(settings))
	for _, s := range settings {
		spec[s.Name] = &hcldec.AttrSpec{Name: s.Name, Type: types[s.Type], Required: s.Required}
	}
	return spec
}

// Parse reads a file that holds nothing but a layer's settings.
func Parse(src []byte, filename string, settings []sdk.Setting) ([]byte, []Problem) {
	text := func(string) []byte { return src }
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		// After a slip of syntax hcl guesses where to go on; only its first complaint is worth showing.
		return nil, Explain(diags[:1], nil, text)
	}
	return Decode(file.Body.(*hclsyntax.Body), settings, text)
}

// Decode checks a body against the declared settings and returns the JSON object. The source of a file is asked for by the name
// under which it was parsed. If there is any problem, the object is nil.
func Decode(body *hclsyntax.Body, settings []sdk.Setting, source func(filename string) []byte) ([]byte, []Problem) {
	if err := Check(settings); err != nil {
		return nil, []Problem{{Range: body.SrcRange, Summary: "the layer's declaration of its settings is wrong: " + err.Error()}}
	}
	spec := Spec(settings)
	known := hcldec.ImpliedSchema(spec)
	_, diags := body.Content(known)
	problems := append(Explain(diags, known, source), Literals(body, source)...)
	if len(problems) > 0 {
		return nil, sorted(problems)
	}
	for _, s := range settings {
		if attr, ok := body.Attributes[s.Name]; ok {
			problems = append(problems, checkValue(attr, s)...)
		}
	}
	if len(problems) > 0 {
		return nil, sorted(problems)
	}
	value, diags := hcldec.Decode(body, spec, nil)
	if diags.HasErrors() {
		return nil, Explain(diags, known, source)
	}
	object, err := object(value)
	if err != nil {
		return nil, []Problem{{Range: body.SrcRange, Summary: "cannot hand the settings to the layer: " + err.Error()}}
	}
	return object, nil
}

// object leaves out what is not set, so that a layer sees the difference between "" and nothing.
func object(value cty.Value) ([]byte, error) {
	set := map[string]cty.Value{}
	for name, v := range value.AsValueMap() {
		if !v.IsNull() {
			set[name] = v
		}
	}
	v := cty.ObjectVal(set)
	return ctyjson.Marshal(v, v.Type())
}

func checkValue(attr *hclsyntax.Attribute, s sdk.Setting) []Problem {
	if p := Typed(attr.Name, attr.Expr, s.Type); p != nil {
		return []Problem{*p}
	}
	if len(s.OneOf) == 0 {
		return nil
	}
	v, _ := attr.Expr.Value(nil)
	if given := v.AsString(); !slices.Contains(s.OneOf, given) {
		p := Problem{Range: attr.Expr.Range(), Summary: fmt.Sprintf("%q cannot be %q", attr.Name, given), Detail: "it is one of " + quoted(s.OneOf)}
		if near := Nearest(given, s.OneOf); near != "" {
			p.Detail = fmt.Sprintf("did you mean %q?", near)
		}
		return []Problem{p}
	}
	return nil
}

// Typed reports a value that is not written as its type demands; the value must have passed [Literals]. There is no conversion: who
// writes 5 where a string is wanted means something that we would only guess.
func Typed(name string, expr hclsyntax.Expression, t sdk.SettingType) *Problem {
	wrong := func(at hcl.Range, want string) *Problem {
		return &Problem{Range: at, Summary: fmt.Sprintf("%q must be %s", name, want)}
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return &Problem{Range: expr.Range(), Summary: fmt.Sprintf("cannot read the value of %q", name)}
	}
	switch t {
	case sdk.SettingString:
		if !is(v, cty.String) {
			return wrong(expr.Range(), `a string in quotes: "..."`)
		}
	case sdk.SettingNumber:
		if !is(v, cty.Number) {
			return wrong(expr.Range(), "a number")
		}
		// hcl reads any exponent and JSON has none: 1e9999999 would be written out, for half a minute.
		if f, _ := v.AsBigFloat().Float64(); math.IsInf(f, 0) || (f == 0 && v.AsBigFloat().Sign() != 0) {
			return wrong(expr.Range(), "a number that a float64 can hold")
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
			return &Problem{Range: pair.Key.Range(), Summary: fmt.Sprintf("a name in %q must be a word or a string", name)}
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

// sorted puts problems into the order of the text, so that the same text gives the same message: hcl walks maps.
func sorted(ps []Problem) []Problem {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if c := strings.Compare(a.Range.Filename, b.Range.Filename); c != 0 {
			return c
		}
		return a.Range.Start.Byte - b.Range.Start.Byte
	})
	return ps
}
