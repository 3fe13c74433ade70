package config

import (
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// top is what stands outside of any block: what to run, and how strictly.
var top = block{
	grammar: &language.Block{
		Help: "what to run, and how strictly",
		Attributes: map[string]language.Attribute{
			"command": {
				Shape: language.StringList, Of: "word",
				Help: "what is run where no command is typed; the program first",
			},
			"arguments": {
				Shape: language.StringList, Of: "word",
				Help: "appended to the command, whichever it is",
			},
			"extends": {
				Shape: language.StringList, Of: "profile",
				Help: "profiles that this file adds to, left to right",
			},
			"best_effort": {
				Shape: language.Bool,
				Help:  "go on where a rule cannot be held, and say so on every run",
			},
		},
	},
	example: `
extends     = ["downloads"]
command     = ["python3", "my_agent.py"]
arguments   = ["--quiet"]
best_effort = false
`,
	stranger: "`extends` and all that comes with it; `best_effort = true`",
	refuse:   refuseCredentials,
	read:     (*reader).top,
	asks:     (*reader).topAsks,
}

// refuseCredentials refuses the one thing in an argument that is more than its text.
func refuseCredentials(r *report, _ *source, t *language.Tree) {
	for _, name := range []string{"command", "arguments"} {
		for _, it := range t.List(name) {
			if strings.Contains(it.Text, "{{credential.") {
				r.add(problem(it.Source, "{{credential...}} is not built yet").
					Try("write the value itself"))
			}
		}
	}
}

func (r *reader) top(s *source, t *language.Tree) {
	if v, ok := t.Attributes["command"]; ok {
		if len(v.Items) == 0 || v.Items[0].Text == "" {
			r.add(problem(v.Source, "command names no program").
				Try(`write command = ["python", "my_agent.py"]`))
		}
		r.command, r.commandSource = texts(v.Items), v.Source
	}
	if v, ok := t.Attributes["arguments"]; ok {
		r.arguments = append(r.arguments, texts(v.Items)...)
		if s.Origin == policy.OriginProfile { // whoever typed its name did not type them
			r.notice(v.Source, "the command is given further arguments: %s",
				strings.Join(texts(v.Items), " "))
		}
	}
	if v, ok := t.Attributes["best_effort"]; ok {
		r.bestEffort = v
	}
	for _, name := range []string{"command", "arguments"} {
		for _, it := range t.List(name) {
			if !isWord(it.Text) {
				r.add(problem(it.Source, "%s holds a NUL byte, which no argument can", name))
			}
		}
	}
}

func (r *reader) topAsks(s *source, t *language.Tree) []Ask {
	asks := r.extendsAsks(s)
	if v, ok := t.Attributes["best_effort"]; ok && v.Yes {
		asks = append(asks, Ask{
			"to go on where a rule cannot be held (best_effort)", v.Source, wants("best_effort"),
		})
	}
	return asks
}

// isWord reports whether s can be an argument or a value.
func isWord(s string) bool { return !strings.ContainsRune(s, 0) }
