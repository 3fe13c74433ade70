package config

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/profiles"
	"github.com/nono-run/nono/sdk/policy"
)

var defaultText = diag.Text{Origin: policy.OriginDefault, File: builtinFile, Content: profiles.Default}

// TestBuiltin holds that builtin_data.go is what default.hcl says.
func TestBuiltin(t *testing.T) {
	parsed, problems := language.Parse(defaultText, grammar)
	if problems.Failed() {
		t.Fatal(problems)
	}
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile("builtin_data.go", generate(t, parsed), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(plain(parsed), plain(builtinTree())); diff != "" {
		t.Errorf("builtin_data.go is not what default.hcl says; run go generate\n-parsed +built in:\n%s", diff)
	}
}

// plain is a tree as text, all of it but what it points to in the language.
func plain(b *language.Tree) string {
	var s bytes.Buffer
	fmt.Fprintf(&s, "%s %q %v\n", b.Name, b.Label, b.Source)
	for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
		a := b.Attributes[name]
		fmt.Fprintf(&s, "%s %s %v %v\n", name, a.Name, a.Source, a.Is.Shape)
		for _, it := range a.Items {
			fmt.Fprintf(&s, "  %q %q %#v\n", it.Key, it.Text, it.Source)
		}
	}
	for _, inner := range b.Blocks {
		s.WriteString(plain(inner))
	}
	return s.String()
}

// generate writes the tree as Go. The default profile has nothing but lists of strings in blocks;
// should it ever have more, this fails.
func generate(t *testing.T, root *language.Tree) []byte {
	t.Helper()
	at := func(s policy.Source) string {
		return fmt.Sprintf("span{%d, %d, %d, %d}", s.Line, s.Column, s.EndLine, s.EndColumn)
	}
	var b bytes.Buffer
	b.WriteString("// Code generated from profiles/default.hcl by go generate; DO NOT EDIT.\n\npackage config\n\nvar builtin = []builtinBlock{\n")
	if len(root.Attributes) > 0 {
		t.Fatal("the default profile has attributes outside of a block, and builtinTree knows of none")
	}
	for _, block := range root.Blocks {
		if block.Label != "" || len(block.Blocks) > 0 || len(block.Settings) > 0 {
			t.Fatalf("the default profile has the block %s, and builtinTree knows plain ones only", block.Title())
		}
		fmt.Fprintf(&b, "{%q, %s, []builtinAttr{\n", block.Name, at(block.Source))
		for _, name := range slices.Sorted(maps.Keys(block.Attributes)) {
			a := block.Attributes[name]
			if a.Is.Shape != language.StringList {
				t.Fatalf("the default profile has %s, and builtinTree knows lists of strings only", name)
			}
			fmt.Fprintf(&b, "{%q, %s, []builtinItem{\n", name, at(a.Source))
			for _, it := range a.Items {
				fmt.Fprintf(&b, "{%q, %s},\n", it.Text, at(it.Source))
			}
			b.WriteString("}},\n")
		}
		b.WriteString("}},\n")
	}
	b.WriteString("}\n")
	out, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func BenchmarkParseDefault(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := language.Parse(defaultText, grammar); problems.Failed() {
			b.Fatal(problems)
		}
	}
}
