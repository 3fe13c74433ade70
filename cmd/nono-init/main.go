//go:build linux && !cgo

// Command nono-init is the launcher that nono starts between itself and the agent. It is of no use
// by itself.
package main

import (
	"os"

	"github.com/nono-run/nono/core/launch/inside"
)

func main() { os.Exit(inside.Main()) }
