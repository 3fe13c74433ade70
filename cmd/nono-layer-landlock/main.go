// The command nono-layer-landlock is nono's filesystem layer on Linux. Core starts it; see package
// landlock.
package main

import (
	"github.com/nono-run/nono/plugins/landlock"
	"github.com/nono-run/nono/sdk"
)

func main() { sdk.Main(landlock.New()) }
