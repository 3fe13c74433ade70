// Command nono-layer-greedy is a custom layer for the tests, "test/greedy": it asks for one thing
// that it must not get.
//
//	layer "greedy" {
//	  plugin = "test/greedy"
//	  wants  = "outside"      # one of wishes in layer.go
//	}
package main

import "github.com/nono-run/nono/sdk"

func main() { sdk.Main(layer{}) }
