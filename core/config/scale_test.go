package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/core/config"
)

// many is a file whose filesystem block has n strings in one list, made from a format with a
// number.
func many(list string, n int, format string) string {
	var b strings.Builder
	b.WriteString("filesystem {\n  " + list + " = [\n")
	for i := range n {
		b.WriteString(strconv.Quote(strings.ReplaceAll(format, "#", strconv.Itoa(i))) + ",\n")
	}
	b.WriteString("  ]\n}\n")
	return b.String()
}

// soon fails a test that takes longer than a hundred times what it should.
func soon(t *testing.T) {
	t.Helper()
	began := time.Now()
	t.Cleanup(func() {
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// What a file of 64 KiB can ask for is refused with the figure, before anything is done about it.
func TestTooManyRules(t *testing.T) {
	soon(t)
	for _, tt := range []struct {
		name, file string
		want       string
	}{
		{"the most there may be", many("deny", 5000, "d#"), ""},
		{"one more", many("deny", 5001, "d#"), "agent.hcl has more than 5000 rules"},
		{"the same one, again and again", many("allow", 16_000, "."), "larger than 64 KiB"},
		{
			"the same one on one line",
			"filesystem {\n  allow = [" + strings.Repeat(`".",`, 16_000) + "]\n}\n",
			"agent.hcl has more than 5000 rules",
		},
		{
			"variables", "environment {\n  set = { " + fields(5001) + " }\n}\n",
			"agent.hcl has more than 5000 rules",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.file("proj/agent.hcl", tt.file)
			w.flags("-c agent.hcl")
			_, err := config.Load(w.options)
			if tt.want == "" && err != nil || tt.want != "" &&
				(err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %.500v, want %q", err, tt.want)
			}
		})
	}
	t.Run("flags", func(t *testing.T) {
		w := newWorld(t)
		for range 5001 {
			w.options.Flags = append(w.options.Flags, config.Flag{Name: "read", Value: "."})
		}
		if _, err := config.Load(w.options); err == nil ||
			!strings.Contains(err.Error(), "there are 5001 flags") {
			t.Errorf("got %.500v", err)
		}
	})
}

func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "A%d=\"\",", i)
	}
	return b.String()
}

// Texts of a few kilobytes that once named gigabytes.
func TestTextsThatNameMuch(t *testing.T) {
	soon(t)
	for _, tt := range []struct{ name, file, want string }{
		{
			"a path of variables", `filesystem { deny = ["` + strings.Repeat("$HOME", 12_000) + `"] }`,
			"no file has a path of more than 4095 bytes",
		},
		{
			"a path of dots", `filesystem { deny = ["` + strings.Repeat("./", 30_000) + `"] }`,
			"no file has a path of more than 4095 bytes",
		},
		{"a name of 60 KB", strings.Repeat("x", 60_000) + " = 1", "unknown attribute"},
		{
			"a value of 60 KB", `trust { unsigned = "` + strings.Repeat("x", 60_000) + `" }`,
			"cannot be",
		},
		{
			"a layer of 60 KB", `layer "` + strings.Repeat("x", 60_000) + `" {}`,
			"cannot be the name of a layer",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.file("proj/agent.hcl", tt.file+"\n")
			w.flags("-c agent.hcl")
			if _, err := config.Load(w.options); err == nil ||
				!strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.500v, want %q", err, tt.want)
			}
		})
	}
}

// The kernel follows forty links, and nono does not look for the end of a longer chain.
func TestChainOfLinks(t *testing.T) {
	soon(t)
	w := newWorld(t)
	for i := range 200 {
		if err := os.Symlink(fmt.Sprintf("l%d", i+1),
			filepath.Join(w.root, "proj", fmt.Sprintf("l%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	w.flags("--deny l0")
	if _, err := config.Load(w.options); err == nil ||
		!strings.Contains(err.Error(), "too many levels of symbolic links") {
		t.Errorf("got %v", err)
	}
	w.options.Flags[0].Value = "l170"
	if _, err := config.Load(w.options); err != nil {
		t.Errorf("thirty links: %v", err)
	}
}

// BenchmarkRules is what a policy costs to load, by what it has many of: a line, from ten to the
// limit.
func BenchmarkRules(b *testing.B) {
	for _, of := range []struct{ name, list, format string }{
		{"grants", "allow", "d#"},
		{"nested-grants", "allow", "d/d#"},
		{"denials", "deny", "d#"},
		{"protections", "protect", "d#"},
	} {
		for _, n := range []int{10, 100, 1000, 5000} {
			if n > 1000 && of.list == "allow" {
				continue // so many projects are not looked into
			}
			b.Run(fmt.Sprintf("%s/%d", of.name, n), func(b *testing.B) {
				w := newWorld(b)
				for i := range n {
					w.file("proj/"+strings.ReplaceAll(of.format, "#", strconv.Itoa(i))+"/", "")
				}
				content := many(of.list, n-1, of.format)
				if of.list != "allow" {
					content = strings.Replace(content, "filesystem {\n",
						"filesystem {\n  allow = [\".\"]\n", 1)
				}
				w.file("proj/agent.hcl", content)
				w.flags("-c agent.hcl")
				load(b, w)
				for b.Loop() {
					load(b, w)
				}
			})
		}
	}
}
