//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// storedSessions is how many sessions are stored where many are.
const storedSessions = 1000

// stored measures nono where no session is stored, and where many are.
func stored(nono string, where place, n, warmup int) ([]result, error) {
	none, many := filepath.Join(where.root, "none-stored"), filepath.Join(where.root, "many-stored")
	with := func(name, state string) sandbox {
		s := nonoRun(nono, name, nil, "--allow-cwd")
		s.env = []string{"XDG_STATE_HOME=" + state}
		return s
	}
	sandboxes := []sandbox{with("none", none), with(fmt.Sprint(storedSessions), many)}
	for _, s := range sandboxes { // the directories are made, and there is a session to copy
		if err := s.command(where.work, "true").Run(); err != nil {
			return nil, fmt.Errorf("running nono with %s: %w", s.env[0], err)
		}
	}
	if err := multiply(filepath.Join(many, "nono", "sessions")); err != nil {
		return nil, err
	}
	return measure(sandboxes, where.work, n, warmup)
}

// multiply makes many sessions of the one that is in a directory.
func multiply(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("no session is stored in %s", dir)
	}
	first := entries[0].Name()
	for n := len(entries); n < storedSessions; n++ {
		id := sessionID(n)
		copied := filepath.Join(dir, id)
		if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, first))); err != nil {
			return err
		}
		file := filepath.Join(copied, "session.json")
		text, err := os.ReadFile(file)
		if err == nil {
			text = bytes.ReplaceAll(text, []byte(first), []byte(id))
			err = os.WriteFile(file, text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sessionID is an id as nono makes them, of a number.
func sessionID(n int) string {
	const digits, length = "abcdefghijklmnopqrstuvwxyz234567", 10
	var b strings.Builder
	for i := range length {
		b.WriteByte(digits[n>>(5*(length-1-i))%len(digits)])
	}
	return b.String()
}
