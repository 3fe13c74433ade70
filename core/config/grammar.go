package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// shape is what a value must look like. The zero value is invalid.
type shape int

const (
	aString shape = iota + 1
	aNumber
	aBool
	stringList // ["a", "b"]
	numberList // [1, 2]
	oneOrMore  // "a" or ["a", "b"]
	variables  // { NAME = "value" }
	structured // { known names }
)

// attr is an attribute of a block, or a name in a structured value.
type attr struct {
	shape shape
	// fields are the names in a structured value.
	fields map[string]attr
	oneOf  []string
	// later marks what this version understands and cannot honour yet. It is parsed, so that a mistake in it is found, and then
	// refused by name: to ignore it would be to promise something.
	later bool
	// ownOnly marks what only the user's own config may say, whatever is approved.
	ownOnly bool
}

// block is a block of the language.
type block struct {
	// label is what the string after the block's name stands for; empty: there is none.
	label  string
	attrs  map[string]attr
	blocks map[string]*block
	// settings means that attributes which are not listed belong to a layer, and are checked when it has said what it knows.
	settings bool
	// later: as for an attribute, for a block whose mere presence asks for something.
	later bool
}

// language is the whole policy language. It is complete, with what cannot be honoured yet, so that a profile written for a later
// version fails at the line that this one cannot keep, and not at its syntax.
var language = &block{
	attrs: map[string]attr{
		"command":     {shape: stringList},
		"arguments":   {shape: stringList},
		"extends":     {shape: stringList, later: true},
		"best_effort": {shape: aBool},
	},
	blocks: map[string]*block{
		"filesystem":  filesystem,
		"network":     network,
		"credential":  credential,
		"environment": environment,
		"snapshot":    snapshot,
		"trust":       trust,
		"limits":      limits,
		"layer":       layer,
		"plugin":      plugin,
	},
}

var filesystem = &block{attrs: map[string]attr{
	"allow":   {shape: stringList},
	"read":    {shape: stringList},
	"write":   {shape: stringList},
	"deny":    {shape: stringList}, // a pattern in here is refused where it is found
	"protect": {shape: stringList},
	"lift":    {shape: stringList, later: true},
	"unix":    {shape: stringList, later: true},
}}

// An empty network block says what is so in any case: nothing is reachable. That can be honoured.
var network = &block{attrs: map[string]attr{
	"profile":  {shape: aString, later: true},
	"groups":   {shape: stringList, later: true},
	"allow":    {shape: stringList, later: true},
	"deny":     {shape: stringList, later: true},
	"opaque":   {shape: stringList, later: true},
	"loopback": {shape: numberList, later: true},
	"listen":   {shape: numberList, later: true},
	"open":     {shape: aBool, later: true},
	"upstream": {shape: structured, later: true, fields: map[string]attr{"url": {shape: aString}, "bypass": {shape: stringList}}},
}}

var credential = &block{
	label: "SERVICE", later: true,
	attrs: map[string]attr{
		"upstream": {shape: aString},
		"source":   {shape: oneOrMore},
		"header":   {shape: aString},
		"format":   {shape: aString},
		"query":    {shape: aString},
		"basic":    {shape: structured, fields: map[string]attr{"user": {shape: aString}}},
		"env":      {shape: structured, fields: map[string]attr{"key": {shape: aString}, "base_url": {shape: aString}}},
		"methods":  {shape: stringList},
		"paths":    {shape: stringList},
		"optional": {shape: aBool},
	},
	blocks: map[string]*block{
		"fallback": {later: true, blocks: map[string]*block{"filesystem": filesystem, "network": network, "environment": environment}},
	},
}

var environment = &block{attrs: map[string]attr{
	"pass": {shape: stringList},
	"set":  {shape: variables},
	"deny": {shape: stringList},
}}

var snapshot = &block{later: true, attrs: map[string]attr{
	"paths":   {shape: stringList},
	"exclude": {shape: stringList},
	"keep": {shape: structured, ownOnly: true, fields: map[string]attr{
		"sessions": {shape: aNumber}, "age": {shape: aString}, "size": {shape: aString},
	}},
}}

var trust = &block{attrs: map[string]attr{
	"files":    {shape: stringList, later: true},
	"unsigned": {shape: aString, oneOf: []string{"allow", "warn", "refuse"}, later: true},
	"signers":  {shape: stringList, later: true, ownOnly: true},
}}

var limits = &block{attrs: map[string]attr{
	"memory":     {shape: aString, later: true},
	"processes":  {shape: aNumber, later: true},
	"cpu":        {shape: aString, later: true},
	"time":       {shape: aString, later: true},
	"open_files": {shape: aNumber, later: true},
}}

var layer = &block{label: "KIND", settings: true, attrs: map[string]attr{
	"plugin":  {shape: aString},
	"enabled": {shape: aBool},
}}

var plugin = &block{label: "NAME", attrs: map[string]attr{
	"path":    {shape: aString},
	"version": {shape: aString},
}}

// schema is the block in hcl's terms, with its names in order: hcl repeats them in its suggestions.
func (b *block) schema() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for name := range b.attrs {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	for name, inner := range b.blocks {
		header := hcl.BlockHeaderSchema{Type: name}
		if inner.label != "" {
			header.LabelNames = []string{inner.label}
		}
		s.Blocks = append(s.Blocks, header)
	}
	slices.SortFunc(s.Attributes, func(a, b hcl.AttributeSchema) int { return compare(a.Name, b.Name) })
	slices.SortFunc(s.Blocks, func(a, b hcl.BlockHeaderSchema) int { return compare(a.Type, b.Type) })
	return s
}

// belongs is the block to which an attribute or a block belongs that stands in the wrong place; "" if there is none or more than one.
func belongs(name string) string {
	found := ""
	for outer, b := range language.blocks {
		_, isAttr := b.attrs[name]
		_, isBlock := b.blocks[name]
		if isAttr || isBlock {
			if found != "" {
				return ""
			}
			found = outer
		}
	}
	return found
}
