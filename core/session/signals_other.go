//go:build !linux

package session

import "syscall"

// systemSignals are there on Linux only.
func systemSignals() []syscall.Signal { return nil }
