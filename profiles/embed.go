// Package profiles holds the built-in policies, as the HCL that a user can read, copy and overrule:
// default.hcl, which every run starts from, those that are asked for by name, the lists of hosts
// that a network block can name, and the services that take a key.
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

// Services are the services that take a key: services/NAME.hcl, each with one credential block.
//
//go:embed services/*.hcl
var Services embed.FS
