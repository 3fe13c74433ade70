package config

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/profiles"
	"github.com/nono-run/nono/sdk/policy"
)

// TestBuiltin holds that builtin_data.go is what default.hcl says.
func TestBuiltin(t *testing.T) {
	parsed, problems := parse(&text{origin: policy.OriginDefault, shown: builtinFile, src: profiles.Default})
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
func plain(b *tree) string {
	var s bytes.Buffer
	fmt.Fprintf(&s, "%s %q %v\n", b.name, b.label, b.at)
	for _, name := range sortedNames(b.attrs) {
		a := b.attrs[name]
		fmt.Fprintf(&s, "%s %s %v %v\n", name, a.name, a.at, a.is.shape)
		for _, it := range a.items {
			fmt.Fprintf(&s, "  %q %q %#v\n", it.key, it.text, it.at)
		}
	}
	for _, inner := range b.blocks {
		s.WriteString(plain(inner))
	}
	return s.String()
}

// generate writes the tree as Go. The default profile has nothing but lists of strings in blocks; should it ever have more, this fails.
func generate(t *testing.T, root *tree) []byte {
	t.Helper()
	at := func(s policy.Source) string {
		return fmt.Sprintf("span{%d, %d, %d, %d}", s.Line, s.Column, s.EndLine, s.EndColumn)
	}
	var b bytes.Buffer
	b.WriteString("// Code generated from profiles/default.hcl by go generate; DO NOT EDIT.\n\npackage config\n\nvar builtin = []builtinBlock{\n")
	if len(root.attrs) > 0 {
		t.Fatal("the default profile has attributes outside of a block, and builtinTree knows of none")
	}
	for _, block := range root.blocks {
		if block.label != "" || len(block.blocks) > 0 || len(block.rest) > 0 {
			t.Fatalf("the default profile has the block %s, and builtinTree knows plain ones only", block.title())
		}
		fmt.Fprintf(&b, "{%q, %s, []builtinAttr{\n", block.name, at(block.at))
		for _, name := range sortedNames(block.attrs) {
			a := block.attrs[name]
			if a.is.shape != stringList {
				t.Fatalf("the default profile has %s, and builtinTree knows lists of strings only", name)
			}
			fmt.Fprintf(&b, "{%q, %s, []builtinItem{\n", name, at(a.at))
			for _, it := range a.items {
				fmt.Fprintf(&b, "{%q, %s},\n", it.text, at(it.at))
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
		if _, problems := parse(&text{origin: policy.OriginDefault, shown: builtinFile, src: profiles.Default}); problems.Failed() {
			b.Fatal(problems)
		}
	}
}
