package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
)

// mostMemory is what a stranger's file may make nono allocate, collected or not.
const mostMemory = 100 << 20

// costs reads the policy and shows what is wrong with it, and reports what that allocated, stacks
// included.
func costs(w *world) (memory uint64, problems diag.Problems) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	loaded, err := config.Load(w.options)
	if errors.As(err, &problems) {
		for _, p := range problems {
			_ = p.Show(loaded.Texts)
		}
	}
	runtime.ReadMemStats(&after)
	memory = after.TotalAlloc - before.TotalAlloc
	if after.StackSys > before.StackSys {
		memory += after.StackSys - before.StackSys
	}
	return memory, problems
}

// filled is a text of as many units as a policy may have.
func filled(before, unit, after string) string {
	n := (64<<10 - len(before) - len(after)) / len(unit)
	return before + strings.Repeat(unit, n) + after
}

// numbered is a text of n units with a number in each.
func numbered(before, unit string, n int, after string) string {
	var b strings.Builder
	b.WriteString(before)
	for i := range n {
		fmt.Fprintf(&b, unit, i)
	}
	return b.String() + after
}

// Whatever a stranger's file of 64 KiB holds, and whatever lies beside it, it is read, or refused
// with words, in bounded memory. That it takes no time follows from what is bounded: what is
// parsed, looked at, and told.
func TestHostileFiles(t *testing.T) {
	const (
		computes = "the file computes, and nothing in it is evaluated"
		paths    = "the rules up to this one lead through too many names"
		rules    = "has more than 5000 rules"
		many     = "has more than 1000 attributes and blocks"
	)
	for name, tt := range map[string]struct {
		file string
		make func(w *world)
		want string // "" where it is no matter
	}{
		"one path, again and again":    {file: filled("filesystem { allow = [", `".",`, "] }"), want: rules},
		"as often as it may":           {file: numbered("filesystem { allow = [", `"./%d",`, 4999, "] }")},
		"paths of many names":          {file: numbered("filesystem { deny = [", `"%d/`+strings.Repeat("a/", 1000)+`",`, 31, "] }"), want: paths},
		"paths through links of links": {file: numbered("filesystem { deny = [", `"l/%d",`, 4999, "] }"), make: longLinks, want: paths},
		"projects": {
			file: numbered("filesystem { allow = [", `"p/%d",`, 4999, "] }"), want: paths,
			make: func(w *world) {
				for i := range 4999 {
					w.file(fmt.Sprintf("proj/p/%d/", i), "")
				}
			},
		},
		"patterns, and much to look through": {
			file: numbered("filesystem {\nallow = [\".\"]\ndeny = [", `"*%dx",`, 4900, "]\n}"),
			make: manyFiles(900), want: "there is more to look through",
		},
		"patterns that match everything": {
			file: "filesystem {\nallow = [\".\"]\ndeny = [" + strings.Repeat(`"*",`, 10) + "]\n}",
			make: manyFiles(900), want: "the patterns match more than 5000 files",
		},
		"a pattern of many parts": {
			file: filled("filesystem {\nallow = [\".\"]\ndeny = [\"", "**/a/", "b\"]\n}"),
			want: "no file has a path of more than",
		},
		"a pattern of too many parts": {
			file: "filesystem {\nallow = [\".\"]\ndeny = [\"" + strings.Repeat("**/a/", 33) + "\"]\n}",
			want: "a pattern has more than 64 names",
		},
		"patterns of many parts": {
			file: numbered("filesystem {\nallow = [\".\"]\ndeny = [", `"`+strings.Repeat("**/a/", 31)+`%d",`, 390, "]\n}"),
			make: func(w *world) { w.file("proj/"+strings.Repeat("a/", 700), "") },
			want: "there is more to look through",
		},
		"negations":                 {file: filled("a = ", "!", "true"), want: computes},
		"signs":                     {file: filled("a = ", "-", "1"), want: computes},
		"conditions":                {file: filled("a = ", "a?a:", "1"), want: computes},
		"conditions without end":    {file: filled("a = ", "a?", "1"), want: computes},
		"sums":                      {file: filled("a = ", "1+", "1"), want: "this would have to be computed"},
		"brackets":                  {file: filled("a = ", "[", ""), want: "nested too deeply"},
		"templates in templates":    {file: filled("a = ", `"${`, ""), want: "nested too deeply"},
		"templates":                 {file: filled(`command = ["`, "${a}", `"]`), want: "${...} is not evaluated here"},
		"directives":                {file: filled(`command = ["`, "%{ if", `"]`), want: "nested too deeply"},
		"a here document":           {file: filled("a = <<E\n", "${a}\n", "\nE\n"), want: "${...} is not evaluated here"},
		"a reference of many names": {file: filled("a = ", "a.", "a\n")},
		"splats":                    {file: filled("a = a", ".*", "\n")},
		"long names":                {file: numbered("", strings.Repeat("x", 60)+"%d=1\n", 900, ""), want: "unknown attribute"},
		"short names":               {file: numbered("", "a%d=1\n", 8000, ""), want: many},
		"blocks":                    {file: numbered("", "layer \"a%d\" {}\n", 3800, ""), want: many},
		"plugins":                   {file: numbered("", "plugin \"a/a%d\" {}\n", 3000, ""), want: many},
		"labels":                    {file: filled("layer ", `"a" `, "{}"), want: "has no more names than that"},
		"settings":                  {file: numbered("layer \"filesystem\" {\n", "a%d=1\n", 8000, "}"), want: many},
		"conditions of a version":   {file: filled(`plugin "a/b" { version = "`, "> 1,", `> 1" }`), want: "a version constraint has at most 256 bytes"},
		"variables":                 {file: numbered("environment { pass = [", `"A%d*",`, 4999, "] }"), want: "there are 4899 more problems"},
		"values":                    {file: numbered("environment { set = {", `A%d="",`, 4999, "} }")},
		"hosts":                     {file: numbered("network { allow = [", `"h%d",`, 4999, "] }"), want: "asks to reach h0, and that is not approved"},
		"hosts of many parts":       {file: numbered("network { opaque = [", `"`+strings.Repeat("a.", 100)+`a%d",`, 290, "] }"), want: "asks to speak something else"},
		"ports":                     {file: numbered("network { loopback = [", `1%d,`, 4999, "] }"), want: "asks to connect to port 10 "},
		"groups":                    {file: filled("network { groups = [", `"llm",`, "] }"), want: rules},
		"arguments":                 {file: filled("command = [", `"a",`, "]"), want: rules},
		"quotes":                    {file: filled("", `"`, "")},
		"commas":                    {file: filled("command = [", ",", "]")},
		"escapes":                   {file: filled(`command = ["`, `\n`, `"]`)},
		"accents":                   {file: filled(`command = ["`, "\u0301", `"]`)},
		"comments":                  {file: filled("", "#\n", "")},
		"control characters":        {file: filled("", "\x01", "")},
		"bytes":                     {file: filled("", "\xff", "")},
		"a number of many digits":   {file: filled("limits { processes = ", "9", " }")},
		"a number without end":      {file: "limits { processes = 1e999999999 }"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tt.make != nil {
				tt.make(w)
			}
			w.bounded("agent.hcl", tt.file, tt.want)
		})
	}
}

// manyFiles puts files into the project.
func manyFiles(n int) func(*world) {
	return func(w *world) {
		for i := range n {
			w.file(fmt.Sprintf("proj/f%d", i), "")
		}
	}
}

// The same holds for a profile in JSON.
func TestHostileJSON(t *testing.T) {
	for name, tt := range map[string]struct{ file, want string }{
		"lists in lists":         {filled("", "[", ""), "nested too deeply"},
		"lists beside lists":     {filled(`{"extends": [`, "[],", "]}"), "must hold strings"},
		"one path, in a line":    {filled(`{"policy": {"add_deny_access": [`, `"a",`, "]}}"), "has more than 5000 rules"},
		"as often as it may":     {numbered(`{"policy": {"add_deny_access": [`, `"a%d",`, 4999, "]}}"), ""},
		"variables":              {numbered(`{"environment": {"set_vars": {`, `"A%d": "",`, 4999, "}}}"), ""},
		"one name":               {filled("{", `"meta":{},`, "}"), "is written twice"},
		"unknown names":          {numbered("{", `"a%d":0,`, 5000, "}"), "there are 4900 more problems"},
		"what is refused":        {filled(`{"security": [`, `"a",`, "]}"), "is not supported"},
		"comments":               {filled("", "//\n", "{}"), ""},
		"escapes":                {filled(`{"extends": "`, `\u0061`, `"}`), ""},
		"a comment, unended":     {filled("/*", "a", ""), "this is not JSON"},
		"bytes that are no text": {filled("", "\xff", ""), "this is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			newWorld(t).bounded("agent.json", tt.file, tt.want)
		})
	}
}

// bounded reads a stranger's file, and holds what that costs and says.
func (w *world) bounded(name, content, want string) {
	w.tb.Helper()
	w.file("proj/"+name, content)
	w.flags("-c " + name)
	memory, problems := costs(w)
	if memory > mostMemory {
		w.tb.Errorf("it cost %d MiB", memory>>20)
	}
	if !strings.Contains(problems.Error(), want) {
		w.tb.Errorf("got %.300s, want %q", problems.Error(), want)
	}
	if strings.Contains(problems.Error(), "larger than 64 KiB") || len(problems) > 101 {
		w.tb.Errorf("%d problems: %.300s", len(problems), problems.Error())
	}
}

// longLinks makes links that lead, through forty others and eight hundred names in each, to a
// directory.
func longLinks(w *world) {
	w.file("proj/d/", "")
	w.file("proj/l40/", "")
	for i := range 40 {
		to := strings.Repeat("d/../", 790) + fmt.Sprintf("l%d", i+1)
		if err := os.Symlink(to, filepath.Join(w.root, "proj", fmt.Sprintf("l%d", i))); err != nil {
			w.tb.Fatal(err)
		}
	}
	// Few enough names for one path, so that it is their number that is refused.
	w.links("proj/l -> l37")
}
