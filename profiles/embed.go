// Package profiles holds the built-in policies, as the HCL that a user can read, copy and overrule.
package profiles

import _ "embed" // for the files beside this one

// Default is the profile that every run starts from.
//
//go:embed default.hcl
var Default []byte
