//go:build !linux

// Command nono-attack tries to get out of a sandbox of Linux's. On other systems there is nothing
// for it to try.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "nono-attack must be built for Linux")
	os.Exit(1)
}
