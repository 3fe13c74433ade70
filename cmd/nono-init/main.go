//go:build linux && !cgo

// Command nono-init is the launcher that nono starts between itself and the agent. It is of no use
// by itself. As the smallest program of nono's it is also the keeper of the user's terminal, and of
// the files that are brought back.
package main

import (
	"os"
	"slices"

	"github.com/nono-run/nono/core/copies"
	"github.com/nono-run/nono/core/launch/inside"
	"github.com/nono-run/nono/core/terminal/keeper"
)

func main() {
	if slices.Equal(os.Args[1:], []string{keeper.Argument}) {
		os.Exit(keeper.Main())
	}
	if slices.Equal(os.Args[1:], []string{copies.Argument}) {
		os.Exit(copies.Main())
	}
	os.Exit(inside.Main())
}
