//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// The names of the rows with all five layers.
const (
	fiveName         = "nono, all five layers, remembered run"
	fiveNewName      = "nono, all five layers, first run"
	fiveUnsignedName = "nono, all five layers, log unsigned"
	fiveIdleName     = "nono, all five layers and an idle one"
)

// allFive are nono with all five layers as they are used: hosts, a key, a snapshot of a small
// project, and signed instructions.
func allFive(nono, idle string, at place) ([]sandbox, error) {
	var all []sandbox
	for _, name := range []string{fiveName, fiveNewName, fiveUnsignedName, fiveIdleName} {
		if name == fiveIdleName && !exists(idle) {
			continue // which is told once, of the idle layer
		}
		u, err := newUser(nono, at, fmt.Sprintf("five-%d", len(all)))
		if err != nil {
			return nil, err
		}
		if err := u.signsInstructions(); err != nil {
			return nil, err
		}
		flags := []string{
			"--allow-cwd", "--network-profile", "minimal", "--credential", "openai", "--snapshot",
		}
		note, before := "", func() error { return nil }
		switch name {
		case fiveNewName:
			flags = append([]string{"--fresh"}, flags...)
			recorded := filepath.Join(u.home, ".local", "state", "nono", "layers", "snapshot")
			note, before = "nothing of the project was recorded before", func() error {
				return os.RemoveAll(recorded)
			}
		case fiveUnsignedName:
			note = "the key is gone that signed `CLAUDE.md`, and would sign the log"
			if err := u.losesKey(); err != nil {
				return nil, err
			}
		case fiveIdleName:
			flags = append([]string{"-c", "agent.hcl", "--approve"}, flags...)
			note = idleNote
			if err := u.locksIdle(idle); err != nil {
				return nil, err
			}
		}
		s := nonoRun(nono, name, []string{"OPENAI_API_KEY=no key of anybody's"}, flags...)
		s.dir, s.env = u.project, append(s.env, u.environ()...)
		s.Note, s.before = note, before
		if err := u.signsLogs(name != fiveUnsignedName); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// signsInstructions makes a small project and signs what an agent is told in it.
func (u user) signsInstructions() error {
	for i := range 20 {
		text := fmt.Sprintf("%04000d\n", i)
		if err := u.write(fmt.Sprintf("src/%02d.txt", i), text); err != nil {
			return err
		}
	}
	if err := u.write("CLAUDE.md", "Be kind.\n"); err != nil {
		return err
	}
	if err := u.makeKey(); err != nil {
		return err
	}
	return u.does("trust", "sign", "CLAUDE.md")
}
