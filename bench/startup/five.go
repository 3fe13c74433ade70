//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// The names of the rows with all five layers. In the last one nothing of the project was ever
// recorded before.
const (
	fiveName         = "nono, all five layers"
	fiveUnsignedName = fiveName + ", log unsigned"
	fiveFirstName    = fiveName + ", first snapshot"
)

// allFive are nono with all five layers as they are used: hosts, a key, a snapshot of a small
// project, and signed instructions.
func allFive(nono string, at place) ([]sandbox, error) {
	var all []sandbox
	for _, name := range []string{fiveName, fiveUnsignedName, fiveFirstName} {
		u, err := newUser(nono, at, fmt.Sprintf("five-%d", len(all)))
		if err != nil {
			return nil, err
		}
		if err := u.signsInstructions(); err != nil {
			return nil, err
		}
		s := nonoRun(nono, name, []string{"OPENAI_API_KEY=no key of anybody's"},
			"--allow-cwd", "--network-profile", "minimal", "--credential", "openai", "--snapshot")
		s.dir, s.env = u.project, append(s.env, u.environ()...)
		switch name {
		case fiveUnsignedName:
			if err := u.losesKey(); err != nil {
				return nil, err
			}
		case fiveFirstName:
			recorded := filepath.Join(u.home, ".local", "state", "nono", "layers", "snapshot")
			s.before = func() error { return os.RemoveAll(recorded) }
		}
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
