package config

import (
	"strings"

	"github.com/nono-run/nono/core/config/language"
)

// top is what stands outside of any block: what to run, and how strictly.
var top = block{
	grammar: &language.Block{Attributes: map[string]language.Attribute{
		"command":     {Shape: language.StringList},
		"arguments":   {Shape: language.StringList},
		"extends":     {Shape: language.StringList, Later: true},
		"best_effort": {Shape: language.Bool},
	}},
	refuse: refuseCredentials,
	read:   (*reader).top,
	asks:   (*reader).topAsks,
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

func (r *reader) top(_ *source, t *language.Tree) {
	if v, ok := t.Attributes["command"]; ok {
		if len(v.Items) == 0 || v.Items[0].Text == "" {
			r.add(problem(v.Source, "command names no program").
				Try(`write command = ["python", "my_agent.py"]`))
		}
		r.command, r.commandSource = texts(v.Items), v.Source
	}
	r.arguments = append(r.arguments, texts(t.List("arguments"))...)
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

func (r *reader) topAsks(_ *source, t *language.Tree) []Ask {
	if v, ok := t.Attributes["best_effort"]; ok && v.Yes {
		return []Ask{{"to go on where a rule cannot be held (best_effort)", v.Source}}
	}
	return nil
}

// isWord reports whether s can be an argument or a value.
func isWord(s string) bool { return !strings.ContainsRune(s, 0) }
