//go:build !linux

package metadata

import "github.com/nono-run/nono/core/launch/supervise"

// Handlers are none on this system.
func Handlers([]string) supervise.Handlers { return nil }
