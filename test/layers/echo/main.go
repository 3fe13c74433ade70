// Command nono-layer-echo is a resident layer for the tests: the smallest one that uses all that a
// resident layer can. It shows that core needs to know nothing of what a layer does.
//
// It serves an echo on a listener inside the agent's network namespace, sets the listener's address
// (ECHO_ADDR) and a secret (ECHO_TOKEN) in the agent's environment, dials in through a dialer,
// streams an event for each of these, and misbehaves on demand.
//
//	layer "echo" {
//	  plugin    = "test/echo"
//	  greeting  = "hello"       # what it sends first on a connection that it dials
//	  dial_port = 9000          # the port inside that it dials once the agent serves there
//	  arm_slowly = true         # Start takes its time
//	  misbehave = "die-armed"   # one of misbehaviours in layer.go
//	}
package main

import (
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/test/layers/misbehave"
)

func main() {
	misbehave.At("begin", misbehave.Early())
	sdk.Main(&layer{})
}
