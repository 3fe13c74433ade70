//go:build !linux

// Package hosts is about Linux.
package hosts

import (
	"os/exec"
	"testing"
)

// Host is none here.
type Host struct{}

// Arrange does nothing where there are no such hosts to be made.
func Arrange() {}

// On skips the test.
func On(t testing.TB, _ *exec.Cmd, _ Host) {
	t.Helper()
	t.Skip("the hosts are made of what Linux has")
}
