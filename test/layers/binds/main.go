// The command nono-layer-binds is a second filesystem layer, "test/binds". It exists to show that
// the contract does not know which filesystem layer it talks to: two lines of HCL put it in the
// place of landlock.
//
//	layer "filesystem" { plugin = "test/binds" }
//	plugin "test/binds" { path = "bin/nono-layer-binds" }
//
// It holds the same places in the plainest way there is, with a mount for each, and uses no
// Landlock.
package main

import "github.com/nono-run/nono/sdk"

func main() { sdk.Main(layer{}) }
