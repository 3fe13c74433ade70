package config

import "github.com/nono-run/nono/core/config/language"

// snapshot is what can be undone after the run.
var snapshot = block{
	name: "snapshot",
	grammar: &language.Block{
		Later: true, Help: "what can be undone after the run",
		Attributes: map[string]language.Attribute{
			"paths": {
				Shape: language.StringList, Of: "path",
				Help: "what is recorded; the current directory where none is given",
			},
			"exclude": {Shape: language.StringList, Of: "glob", Help: "what of it is not"},
			"keep": {
				Shape: language.Structured, OwnOnly: true, Help: "how long, and how much",
				Fields: map[string]language.Attribute{
					"sessions": {Shape: language.Number, Help: "so many"},
					"age":      {Shape: language.String, Of: "duration", Help: "so long"},
					"size":     {Shape: language.String, Of: "size", Help: "so much"},
				},
			},
		},
	},
}
