// The command nono-layer-trust is nono's trust layer. Core starts it; see package trust.
package main

import (
	"github.com/nono-run/nono/plugins/trust"
	"github.com/nono-run/nono/sdk"
)

func main() { sdk.Main(trust.New()) }
