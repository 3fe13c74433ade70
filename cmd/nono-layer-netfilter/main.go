// The command nono-layer-netfilter is nono's network layer on Linux. Core starts it; see package
// netfilter.
package main

import (
	"github.com/nono-run/nono/plugins/netfilter"
	"github.com/nono-run/nono/sdk"
)

func main() { sdk.Main(netfilter.New()) }
