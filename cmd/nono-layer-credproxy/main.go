// The command nono-layer-credproxy is nono's credential layer. Core starts it; see package
// credproxy.
package main

import (
	"runtime"

	"github.com/nono-run/nono/plugins/credproxy"
	"github.com/nono-run/nono/sdk"
)

func main() {
	// A request goes through several goroutines, one after another. To wake another processor for each
	// would cost a quarter more time.
	runtime.GOMAXPROCS(1)
	sdk.Main(credproxy.New())
}
