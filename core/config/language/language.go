// Package language reads the policy language: HCL without variables and functions, held against a
// grammar. It knows what a text looks like and not what it means; that is core/config's, which
// states the grammar block by block.
//
//	grammar := &language.Block{Blocks: map[string]*language.Block{
//		"filesystem": {Attributes: map[string]language.Attribute{"read": {Shape: language.StringList}}},
//	}}
//	tree, problems := language.Parse(text, grammar)
//	for _, block := range tree.Blocks {
//		for _, item := range block.List("read") {
//			fmt.Println(item.Source, item.Text)
//		}
//	}
//
// Every string keeps the line and the columns it stood at. No type of HCL leaves the package, so
// nothing behind it can evaluate anything.
package language

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nono-run/nono/sdk/policy"
)

// Shape is what a value must look like. The zero value is invalid.
type Shape int

// The shapes.
const (
	String     Shape = iota + 1
	Number           // a whole number, and not a negative one
	Bool             // true or false
	StringList       // ["a", "b"]
	NumberList       // [1, 2]
	OneOrMore        // "a" or ["a", "b"]
	Variables        // { NAME = "value" }
	Structured       // { known names }
)

// Attribute says what an attribute of a block may be, or a name in a structured value.
type Attribute struct {
	Shape Shape
	// Of is what its strings or numbers are, for people: "path", "host". Without it they are named
	// by their shape.
	Of string
	// Help says what the attribute means, in a line that begins with a small letter.
	Help string
	// Fields are the names in a structured value.
	Fields map[string]Attribute
	OneOf  []string
	// Later marks what this version understands and cannot honour yet. It is parsed, so that a mistake
	// in it is found, and then refused by name: to ignore it would be to promise something.
	Later bool
	// OwnOnly marks what only the user's own config may say, whatever is approved.
	OwnOnly bool
}

// Block says what a block may hold.
type Block struct {
	// Alone says that the block means something with nothing in it.
	Alone bool
	// Label is what the string after the block's name stands for; empty: there is none.
	Label string
	// Help says what the block is about, in a line that begins with a small letter.
	Help       string
	Attributes map[string]Attribute
	Blocks     map[string]*Block
	// Settings means that attributes which are not listed belong to a layer, and are checked when it
	// has said what it knows.
	Settings bool
	// Later is as for an attribute, for a block whose mere presence asks for something.
	Later bool
}

// Tree is a block as it was written: held against the grammar, and not yet understood.
type Tree struct {
	Is         *Block
	Name       string
	Label      string
	Source     policy.Source
	Attributes map[string]*Value
	Blocks     []*Tree
	// Settings are a layer's own attributes.
	Settings Settings
}

// Value is an attribute's value.
type Value struct {
	Is     Attribute
	Name   string
	Source policy.Source
	// Items are a string, the strings of a list, the numbers of a list, or the pairs of
	// { NAME = "..." }.
	Items []Item
	// Yes is a bool.
	Yes bool
	// Number is a number.
	Number int64
	// Fields are those of a structured value.
	Fields map[string]*Value
}

// Item is one string of a policy, with its place.
type Item struct {
	// Key is the name in { NAME = "..." }.
	Key    string
	Text   string
	Source policy.Source
}

// List is an attribute's strings, or its numbers as they are written, or none.
func (t *Tree) List(name string) []Item {
	if v, ok := t.Attributes[name]; ok {
		return v.Items
	}
	return nil
}

// One is an attribute's only string.
func (t *Tree) One(name string) (Item, bool) {
	if v, ok := t.Attributes[name]; ok && len(v.Items) == 1 && v.Is.Shape != NumberList {
		return v.Items[0], true
	}
	return Item{}, false
}

// Title is the block as it is written: credential "openai".
func (t *Tree) Title() string {
	if t.Label != "" {
		return fmt.Sprintf("%s %q", t.Name, t.Label)
	}
	return t.Name
}

// schema is the block in hcl's terms, with its names in order: hcl repeats them in its suggestions.
func (b *Block) schema() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	for _, name := range slices.Sorted(maps.Keys(b.Blocks)) {
		header := hcl.BlockHeaderSchema{Type: name}
		if label := b.Blocks[name].Label; label != "" {
			header.LabelNames = []string{label}
		}
		s.Blocks = append(s.Blocks, header)
	}
	return s
}

// belongs is the block in which a name is known that stands in the wrong place; "" if there is
// none, or more than one.
func (b *Block) belongs(name string) string {
	found := ""
	for outer, inner := range b.Blocks {
		_, isAttribute := inner.Attributes[name]
		_, isBlock := inner.Blocks[name]
		if isAttribute || isBlock {
			if found != "" {
				return ""
			}
			found = outer
		}
	}
	return found
}
