// Command nono-layer-gate is a network layer for the tests: the smallest one that has what core
// makes of such a layer's facts. It lets nothing through: each host that is asked for is denied,
// and an event tells of it.
//
//	layer "network" {
//	  plugin   = "test/gate"
//	  resolver = true   # it answers for names too, each with "there is no such name"
//	}
//
// Once it serves, it takes from itself what it does not need any more, and tells how far that went.
package main

import (
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/confine"
)

func main() { sdk.Main(&layer{confine.Self}) }
