//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// idleName is nono with a layer of another vendor's that stays and does nothing: bench/idle.
const idleName = "nono, with an idle layer"

// withIdle is nono with that layer, which a user has locked and approved.
func withIdle(nono, program string, at place) (sandbox, error) {
	u, err := newUser(nono, at, "idle")
	if err != nil {
		return sandbox{}, err
	}
	if program, err = filepath.Abs(program); err != nil {
		return sandbox{}, err
	}
	if !exists(program) {
		return sandbox{}, fmt.Errorf("there is no program at %s: make bench builds it", program)
	}
	// Nobody but the user may be able to write where it lies.
	own := filepath.Join(u.home, "nono-layer-idle")
	content, err := os.ReadFile(program)
	if err != nil {
		return sandbox{}, err
	}
	if err := os.WriteFile(own, content, 0o700); err != nil {
		return sandbox{}, err
	}
	policy := fmt.Sprintf("plugin \"bench/idle\" {\n  path = %q\n}\n\n"+
		"layer \"idle\" {\n  plugin = \"bench/idle\"\n}\n", own)
	if err := u.write("agent.hcl", policy); err != nil {
		return sandbox{}, err
	}
	if err := u.does("plugin", "lock", "bench/idle", own); err != nil {
		return sandbox{}, err
	}
	s := nonoRun(nono, idleName, nil, "-c", "agent.hcl", "--approve", "--allow-cwd")
	s.dir, s.env = u.project, u.environ()
	return s, nil
}
