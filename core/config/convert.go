package config

import (
	"github.com/nono-run/nono/core/config/jsonprofile"
	"github.com/nono-run/nono/core/diag"
)

// Convert is a profile in JSON as it would be written in HCL. Problems that do not stop a run come
// with it.
func Convert(text diag.Text) ([]byte, diag.Problems) {
	tree, problems := jsonprofile.Parse(text, grammar)
	if tree == nil {
		return nil, problems
	}
	return jsonprofile.HCL(tree), problems
}
