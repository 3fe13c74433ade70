// Command nono-layer-keeper is a bracket layer for the tests, "test/keeper": it remembers what is
// in the current directory before the agent runs, and tells what has changed when it is gone.
//
//	layer "keeper" {
//	  plugin    = "test/keeper"
//	  slowly    = true            # Start takes its time over each file, and reports progress
//	  misbehave = "die-finish"    # one of misbehaviours in layer.go
//	}
//
// Between Start and Finish nothing of it runs. What Finish compares with is the state that Start
// returned.
package main

import (
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/test/layers/misbehave"
)

func main() {
	misbehave.At("begin", misbehave.Early())
	sdk.Main(layer{})
}
