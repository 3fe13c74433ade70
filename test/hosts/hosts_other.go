//go:build !linux

// Package hosts is about Linux.
package hosts

import (
	"errors"
	"os/exec"
	"testing"
)

// Host is what a host lacks. None can be made here.
type Host struct{ NoNamespaces bool }

// Wrap says so.
func (Host) Wrap(*exec.Cmd) error { return errors.ErrUnsupported }

// Arrange does nothing where there are no such hosts to be made.
func Arrange() {}

// On skips the test.
func On(t testing.TB, _ *exec.Cmd, _ Host) {
	t.Helper()
	t.Skip("the hosts are made of what Linux has")
}
