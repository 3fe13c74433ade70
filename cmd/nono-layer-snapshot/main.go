//go:build linux

// The command nono-layer-snapshot is nono's snapshot layer on Linux. Core starts it; see package
// snapshot.
package main

import (
	"github.com/nono-run/nono/plugins/snapshot"
	"github.com/nono-run/nono/sdk"
)

func main() { sdk.Main(snapshot.New()) }
