//go:build !linux

package session

import "github.com/nono-run/nono/core/diag"

// hideMemory has nothing to do where a debugger needs the user's consent and no core is written
// unless the user asks for it.
func hideMemory() error { return nil }

// ShowMemory undoes that.
func ShowMemory() error { return nil }

// forbidCores has nothing to do there either.
func forbidCores() (diag.Problems, error) { return nil, nil }
