//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// idleName is nono with a layer of another vendor's that stays and does nothing: bench/idle.
const idleName = "nono, with an idle layer"

// idleNote says what is in the policy file, and what is not measured.
const idleNote = "`agent.hcl` has a `plugin` and a `layer`, and nothing else; the first run, " +
	"which copies the layer's program, is not among these"

// withIdle is nono with that layer, which a user has locked and approved.
func withIdle(nono, program string, at place) (sandbox, error) {
	u, err := newUser(nono, at, "idle")
	if err != nil {
		return sandbox{}, err
	}
	if err := u.locksIdle(program); err != nil {
		return sandbox{}, err
	}
	s := nonoRun(nono, idleName, nil, "-c", "agent.hcl", "--approve", "--allow-cwd")
	s.dir, s.env, s.Note = u.project, u.environ(), idleNote
	return s, nil
}

// locksIdle makes a policy with that layer, whose program the user has locked.
func (u user) locksIdle(program string) error {
	if !exists(program) {
		return fmt.Errorf("there is no program at %s: make bench builds it", program)
	}
	// Nobody but the user may be able to write where it lies.
	own := filepath.Join(u.home, "nono-layer-idle")
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := os.WriteFile(own, content, 0o700); err != nil {
		return err
	}
	policy := fmt.Sprintf("plugin \"bench/idle\" {\n  path = %q\n}\n\n"+
		"layer \"idle\" {\n  plugin = \"bench/idle\"\n}\n", own)
	if err := u.write("agent.hcl", policy); err != nil {
		return err
	}
	return u.does("plugin", "lock", "bench/idle", own)
}
