package config

import (
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// trust is which instruction files must be signed, and by whom. An empty block asks for nothing.
var trust = block{
	name: "trust", kind: policy.KindTrust,
	grammar: &language.Block{Attributes: map[string]language.Attribute{
		"files": {Shape: language.StringList, Later: true},
		"unsigned": {
			Shape: language.String, OneOf: []string{"allow", "warn", "refuse"},
			Later: true,
		},
		"signers": {Shape: language.StringList, Later: true, OwnOnly: true},
	}},
}
