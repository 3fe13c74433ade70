// Package profiles holds the built-in policies, as the HCL that a user can read, copy and overrule:
// default.hcl, which every run starts from, those that are asked for by name, and the lists of
// hosts that a network block can name.
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

// Hosts are the lists of hosts: networks/NAME.hcl, the network profiles, and groups/NAME.hcl, which
// those are put together from.
//
//go:embed networks/*.hcl groups/*.hcl
var Hosts embed.FS
