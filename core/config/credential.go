package config

import "github.com/nono-run/nono/core/config/language"

// credential is a key that the agent uses without having it.
var credential = block{
	name: "credential",
	grammar: &language.Block{
		Label: "SERVICE", Later: true,
		Attributes: map[string]language.Attribute{
			"upstream": {Shape: language.String},
			"source":   {Shape: language.OneOrMore},
			"header":   {Shape: language.String},
			"format":   {Shape: language.String},
			"query":    {Shape: language.String},
			"basic": {
				Shape:  language.Structured,
				Fields: map[string]language.Attribute{"user": {Shape: language.String}},
			},
			"env": {Shape: language.Structured, Fields: map[string]language.Attribute{
				"key": {Shape: language.String}, "base_url": {Shape: language.String},
			}},
			"methods":  {Shape: language.StringList},
			"paths":    {Shape: language.StringList},
			"optional": {Shape: language.Bool},
		},
		Blocks: map[string]*language.Block{
			"fallback": {Later: true, Blocks: map[string]*language.Block{
				"filesystem": filesystem.grammar, "network": network.grammar,
				"environment": environment.grammar,
			}},
		},
	},
}
