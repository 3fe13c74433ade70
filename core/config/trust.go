package config

import (
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// trust is which instruction files must be signed, and by whom. An empty block asks for nothing.
var trust = block{
	name: "trust", kind: policy.KindTrust,
	grammar: &language.Block{
		Help: "which instruction files must be signed, and by whom",
		Attributes: map[string]language.Attribute{
			"files": {
				Shape: language.StringList, Of: "glob", Later: true, Help: "those that are looked at",
			},
			"unsigned": {
				Shape: language.String, OneOf: []string{"allow", "warn", "refuse"},
				Later: true, Help: "what becomes of a run where one was never signed",
			},
			"signers": {
				Shape: language.StringList, Of: "key or identity", Later: true, OwnOnly: true,
				Help: "whose signatures count",
			},
		},
	},
	example: "\n# Nothing is signed or checked yet.\ntrust {}\n",
}
