// Package profiles holds the built-in policies, as the HCL that a user can read, copy and overrule:
// default.hcl, which every run starts from, and those that are asked for by name.
package profiles

import "embed"

// Default is the profile that every run starts from.
//
//go:embed default.hcl
var Default []byte

// Files are all of them, each NAME.hcl, with the default among them.
//
//go:embed *.hcl
var Files embed.FS
