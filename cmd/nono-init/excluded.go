//go:build !linux || cgo

// Command nono-init is the launcher that nono starts between itself and the agent. This build of it
// cannot be one: under cgo a Go program cannot give up its privileges on all threads, and elsewhere
// than on Linux there is nothing to launch into.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "nono-init must be built for Linux and without cgo: "+
		"CGO_ENABLED=0 go install ./cmd/nono-init")
	os.Exit(1)
}
