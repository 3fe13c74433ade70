package config

import "github.com/nono-run/nono/core/config/language"

// credential is a key that the agent uses without having it.
var credential = block{
	name: "credential",
	grammar: &language.Block{
		Label: "SERVICE", Later: true,
		Help: "a key that the agent uses without having it",
		Attributes: map[string]language.Attribute{
			"upstream": {Shape: language.String, Of: "url", Help: "where requests with the key go"},
			"source": {
				Shape: language.OneOrMore, Of: "url",
				Help: "where the key is: keyring://, env://, file://, age:// or cmd://, in order",
			},
			"header": {Shape: language.String, Of: "name", Help: "the header that carries the key"},
			"format": {Shape: language.String, Of: "text", Help: "what stands in it, {} being the key"},
			"query":  {Shape: language.String, Of: "name", Help: "the parameter that carries the key"},
			"basic": {
				Shape: language.Structured, Help: "the key is a password",
				Fields: map[string]language.Attribute{
					"user": {Shape: language.String, Of: "name", Help: "whose"},
				},
			},
			"env": {
				Shape: language.Structured, Help: "the agent's variables",
				Fields: map[string]language.Attribute{
					"key":      {Shape: language.String, Of: "NAME", Help: "the stand-in for the key"},
					"base_url": {Shape: language.String, Of: "NAME", Help: "where to send requests"},
				},
			},
			"methods":  {Shape: language.StringList, Of: "method", Help: "no others"},
			"paths":    {Shape: language.StringList, Of: "glob", Help: "no others"},
			"optional": {Shape: language.Bool, Help: "a missing key is a notice"},
		},
		Blocks: map[string]*language.Block{
			"fallback": {
				Later: true, Help: "rules that hold where no source has the key",
				Blocks: map[string]*language.Block{
					"filesystem": filesystem.grammar, "network": network.grammar,
					"environment": environment.grammar,
				},
			},
		},
	},
}
