//go:build linux

// Command nono-attack tries to get out of a sandbox. `nono doctor --attack` runs it inside one and
// outside; by itself it is of no use. See package attacker.
package main

import (
	"os"

	"github.com/nono-run/nono/core/attack/attacker"
)

func main() { os.Exit(attacker.Main(os.Args[1:], os.Stdout)) }
