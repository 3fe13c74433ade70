package config

import "github.com/nono-run/nono/core/config/language"

// limits is how much of the machine the agent may use. An empty block limits nothing.
var limits = block{
	name: "limits",
	grammar: &language.Block{Attributes: map[string]language.Attribute{
		"memory":     {Shape: language.String, Later: true},
		"processes":  {Shape: language.Number, Later: true},
		"cpu":        {Shape: language.String, Later: true},
		"time":       {Shape: language.String, Later: true},
		"open_files": {Shape: language.Number, Later: true},
	}},
}
