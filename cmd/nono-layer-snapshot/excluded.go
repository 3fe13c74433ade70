//go:build !linux

// The command nono-layer-snapshot is nono's snapshot layer on Linux, and nothing elsewhere.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "nono-layer-snapshot is for Linux")
	os.Exit(1)
}
