package config

import "github.com/nono-run/nono/core/config/language"

// snapshot is what can be undone after the run.
var snapshot = block{
	name: "snapshot",
	grammar: &language.Block{Later: true, Attributes: map[string]language.Attribute{
		"paths":   {Shape: language.StringList},
		"exclude": {Shape: language.StringList},
		"keep": {Shape: language.Structured, OwnOnly: true, Fields: map[string]language.Attribute{
			"sessions": {Shape: language.Number}, "age": {Shape: language.String},
			"size": {Shape: language.String},
		}},
	}},
}
