// The command nono-layer-credproxy is nono's credential layer. Core starts it; see package
// credproxy.
package main

import (
	"github.com/nono-run/nono/plugins/credproxy"
	"github.com/nono-run/nono/sdk"
)

func main() { sdk.Main(credproxy.New()) }
