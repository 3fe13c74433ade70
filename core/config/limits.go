package config

import "github.com/nono-run/nono/core/config/language"

// limits is how much of the machine the agent may use. An empty block limits nothing.
var limits = block{
	name: "limits",
	grammar: &language.Block{
		Help: "how much of the machine the agent may use",
		Attributes: map[string]language.Attribute{
			"memory":     {Shape: language.String, Of: "size", Later: true, Help: `as in "4GiB"`},
			"processes":  {Shape: language.Number, Later: true, Help: "at the same time"},
			"cpu":        {Shape: language.String, Of: "duration", Later: true, Help: `as in "2h"`},
			"time":       {Shape: language.String, Of: "duration", Later: true, Help: `as in "8h"`},
			"open_files": {Shape: language.Number, Later: true, Help: "of one process"},
		},
	},
	example: "\n# Nothing is limited yet but what your shell limits (ulimit).\nlimits {}\n",
}
