//go:build linux

// Package arena is a user's machine made up for attacks: a home with a project, keys, notes and
// repositories, services that listen, a process that runs, and all of it in directories of its own.
// What an attack is after is put into it by the attack's row, and looked at afterwards.
//
// It touches nothing else: what has to be outside of its directories, such as a queue of System V's,
// has a name of its own and is gone when the arena is closed. Whatever listens does so on the
// loopback.
package arena

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// SecretName is a variable of the user's, with something secret in it.
const SecretName = "HOST_TOKEN"

// Program is what the attacker is called in the project.
const Program = "nono-attack"

// Arena is one such machine. What goes wrong while it is filled is kept, and told by Err: so a row
// can say what it needs in a line each.
type Arena struct {
	Home    string
	Project string // the current directory, beneath Home
	Runtime string // the user's runtime directory
	// Env is what the user's environment holds besides what every one does.
	Env []string
	// Allow is what the policy grants besides the project: the repositories.
	Allow []string
	// Open are files that are open when nono starts.
	Open []*os.File
	// Nono is the program of that name, and Installed the attacker beside nono-init: the one in the
	// project is a copy.
	Nono, Installed string
	// Sandboxed says that the attacker is run in a sandbox here.
	Sandboxed bool
	// Name tells this arena from others that are there at the same time.
	Name string

	// Secret is in the arguments of a process of the user's, and nowhere else.
	Secret string

	canary *exec.Cmd
	ports  sync.Map // those of its own services, as text
	undo   []func()
	err    error
}

// New makes an arena in a new directory beneath base, with a copy of the attacker's program in it.
func New(base, attacker, nono string) (*Arena, error) {
	a := &Arena{Nono: nono, Installed: attacker, Name: token()}
	if err := a.furnish(base); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *Arena) furnish(base string) error {
	var err error
	if a.Home, err = a.directory(base, ".na-"); err != nil {
		return err
	}
	// Its own, and short: it becomes part of a socket's path.
	if a.Runtime, err = a.directory("/tmp", "nar-"); err != nil {
		return err
	}
	a.Project = filepath.Join(a.Home, "proj")
	a.Mkdir(a.Project)
	// An argument that sleep takes, and that no other process has.
	var random [2]byte
	_, _ = rand.Read(random[:])
	a.Secret = fmt.Sprintf("0.000%d1", uint(random[0])<<8|uint(random[1]))
	a.Env = []string{SecretName + "=" + token(), "XDG_CONFIG_HOME=" + a.Path("~/.config")}
	a.canary = exec.Command("sleep", "120", a.Secret)
	if err := a.canary.Start(); err != nil {
		return fmt.Errorf("starting a process of the user's: %w", err)
	}
	a.Cleanup(func() { _ = a.canary.Process.Kill(); _ = a.canary.Wait() })

	a.Write("~/notes.txt", "notes")
	a.Write("~/.ssh/id_ed25519", "key")
	a.Write("~/ref/r.txt", "reference") // granted to be read
	a.Mkdir("~/out")                    // granted to be written, without execution
	a.Write("mine.txt", "the agent's own")
	a.Copy(a.Installed, Program)
	return a.Err()
}

// directory makes a new one and has it removed at the end.
func (a *Arena) directory(base, prefix string) (string, error) {
	dir, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return "", err
	}
	a.Cleanup(func() { a.Note(removeAll(dir)) })
	return filepath.EvalSymlinks(dir)
}

// removeAll removes a tree in which rights may have been taken away. It changes the mode of
// directories alone, and follows no link.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// token is a short name that nobody else has.
func token() string {
	var random [4]byte
	_, _ = rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

// Cleanup has something undone when the arena is closed, the last first.
func (a *Arena) Cleanup(undo func()) { a.undo = append(a.undo, undo) }

// Close ends and removes all that the arena is.
func (a *Arena) Close() error {
	a.err = nil
	for len(a.undo) > 0 {
		last := a.undo[len(a.undo)-1]
		a.undo = a.undo[:len(a.undo)-1]
		last()
	}
	return a.Err()
}

// Note keeps what went wrong first.
func (a *Arena) Note(err error) {
	if a.err == nil {
		a.err = err
	}
}

// Err is what went wrong first since it was last asked.
func (a *Arena) Err() error {
	err := a.err
	a.err = nil
	return err
}

// Path makes a name absolute: "~/x" is beneath Home, "x" in the project.
func (a *Arena) Path(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		return filepath.Join(a.Home, rest)
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.Project, name)
}

// Mkdir makes a directory, and those above it.
func (a *Arena) Mkdir(name string) {
	a.Note(os.MkdirAll(a.Path(name), 0o755))
}

// Write makes a file, and the directories above it.
func (a *Arena) Write(name, content string) { a.write(name, content, 0o644) }

// WriteProgram makes one that can be executed.
func (a *Arena) WriteProgram(name, content string) { a.write(name, content, 0o755) }

func (a *Arena) write(name, content string, mode os.FileMode) {
	a.Mkdir(filepath.Dir(a.Path(name)))
	a.Note(os.WriteFile(a.Path(name), []byte(content), mode))
	a.Note(os.Chmod(a.Path(name), mode))
}

// Copy copies a program, and gives the copy's path.
func (a *Arena) Copy(from, to string) string {
	content, err := os.ReadFile(from)
	a.Note(err)
	a.WriteProgram(to, string(content))
	return a.Path(to)
}

// Symlink plants a link in the project, and gives its path.
func (a *Arena) Symlink(name, to string) string {
	a.Note(os.Symlink(a.Path(to), a.Path(name)))
	return a.Path(name)
}

// Exists says whether something has this name.
func (a *Arena) Exists(name string) bool {
	_, err := os.Lstat(a.Path(name))
	return err == nil
}

// Outsider is the number of a process of the user's that the agent did not start.
func (a *Arena) Outsider() string { return fmt.Sprint(a.canary.Process.Pid) }
