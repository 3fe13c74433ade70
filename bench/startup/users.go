//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"filippo.io/age"
)

// user is somebody with a home and a project of their own, so that what nono remembers of one row
// costs no other one anything.
type user struct{ nono, home, project string }

func newUser(nono string, at place, name string) (user, error) {
	home := filepath.Join(at.root, "users", name)
	u := user{nono, home, filepath.Join(home, "project")}
	// Trust looks at directories up to the repository's root, and this is one.
	return u, os.MkdirAll(filepath.Join(u.project, ".git"), 0o700)
}

// environ is what the user's commands have besides the environment of this program.
func (u user) environ() []string {
	return []string{
		"HOME=" + u.home,
		"XDG_CONFIG_HOME=" + filepath.Join(u.home, ".config"),
		"XDG_STATE_HOME=" + filepath.Join(u.home, ".local", "state"),
		"XDG_DATA_HOME=" + filepath.Join(u.home, ".local", "share"),
		"XDG_CACHE_HOME=" + filepath.Join(u.home, ".cache"),
	}
}

// write writes a file in the project.
func (u user) write(name, text string) error {
	path := filepath.Join(u.project, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// does runs a command of nono's in the project.
func (u user) does(args ...string) error {
	cmd := exec.Command(u.nono, args...)
	cmd.Dir, cmd.Env = u.project, append(os.Environ(), u.environ()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nono %s %s: %w: %s", args[0], args[1], err, firstLine(out))
	}
	return nil
}

// makeKey makes a key that opens unasked, by a file with an identity of age's.
func (u user) makeKey() error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	path := filepath.Join(u.home, "identity")
	if err := os.WriteFile(path, []byte(identity.String()+"\n"), 0o600); err != nil {
		return err
	}
	return u.does("trust", "keygen", "--identity", path)
}

// losesKey takes the private key away, and the note of what opens it. What it has signed is
// verified as before, and for logs no process starts.
func (u user) losesKey() error {
	key := filepath.Join(u.home, ".config", "nono", "trust", "default")
	return errors.Join(os.Remove(key+".age"), os.Remove(key+".identity"))
}

// signsLogs looks at the log of a run: it is signed, or nobody tried to. A row that is not what it
// is called would be compared for nothing.
func (u user) signsLogs(want bool) error {
	if err := u.does("run", "-s", "--allow-cwd", "--", "true"); err != nil {
		return err
	}
	session := filepath.Join(u.home, ".local", "state", "nono", "sessions", "*")
	signed, err := filepath.Glob(filepath.Join(session, "events.jsonl.sigstore.json"))
	if err != nil {
		return err
	}
	if want != (len(signed) > 0) {
		return fmt.Errorf("of the logs %d are signed, which is not what is to be measured", len(signed))
	}
	if failed, err := filepath.Glob(filepath.Join(session, "*unsigned*")); err != nil ||
		len(failed) > 0 {
		return errors.Join(err, fmt.Errorf("a log could not be signed: %v", failed))
	}
	return nil
}
