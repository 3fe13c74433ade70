// The command nono-layer-credproxy is nono's credential layer. Core starts it; see package
// credproxy.
package main

import (
	"runtime"

	"github.com/nono-run/nono/plugins/credproxy"
	"github.com/nono-run/nono/sdk"
)

func main() {
	// On one processor a request costs least, but events would wait for a large body beside them, ten
	// milliseconds at a time. More than two cost more and carry no more.
	runtime.GOMAXPROCS(2)
	sdk.Main(credproxy.New())
}
