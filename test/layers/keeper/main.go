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
//
// It also takes something for each of the first files that it looks at, a file of its own that
// stands where it outlives sessions. Before it takes one it writes that into its journal, so that
// Finish releases all of it, wherever Start was cut off.
package main

import (
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/test/layers/misbehave"
)

func main() {
	misbehave.At("begin", misbehave.Early())
	sdk.Main(layer{})
}
