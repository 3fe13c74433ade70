//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// The names of the rows with a layer of another vendor's that stays and does nothing: bench/idle.
const (
	idleName    = "nono, with an idle layer"
	idleNewName = "nono, with an idle layer, first run"
)

// idleNote says what is in the policy file.
const idleNote = "`agent.hcl` has a `plugin` and a `layer`, and nothing else"

// withIdle are nono with that layer, which a user has locked and approved.
func withIdle(nono, program string, at place) ([]sandbox, error) {
	var all []sandbox
	for _, name := range []string{idleName, idleNewName} {
		u, err := newUser(nono, at, fmt.Sprintf("idle-%d", len(all)))
		if err != nil {
			return nil, err
		}
		if err := u.locksIdle(program); err != nil {
			return nil, err
		}
		flags, note := []string{"-c", "agent.hcl", "--approve", "--allow-cwd"}, idleNote
		if name == idleNewName {
			flags = append([]string{"--fresh"}, flags...)
			note += "; the layer's program is copied, and the copy is kept"
		}
		s := nonoRun(nono, name, nil, flags...)
		s.dir, s.env, s.Note = u.project, u.environ(), note
		all = append(all, s)
	}
	return all, nil
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
