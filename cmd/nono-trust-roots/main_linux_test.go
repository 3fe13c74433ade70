package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/roots"
	"github.com/nono-run/nono/plugins/trust/roots/rootstest"
	"github.com/nono-run/nono/plugins/trust/statement"
	"github.com/nono-run/nono/test/nosockets"
)

// programs are what the test binary is when it is called so: the command itself, where the kernel
// kills whoever makes a socket of any kind.
var programs = map[string]func() error{
	"without-sockets": func() error { return withoutSockets(run) },
	"makes-a-socket": func() error {
		return withoutSockets(func() error {
			_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			return err
		})
	},
	"reads-a-file": func() error {
		err := run()
		if _, open := os.ReadFile("/proc/self/status"); open == nil {
			return errors.New("it could read a file")
		}
		return err
	},
}

func TestMain(m *testing.M) {
	if act, ok := programs[filepath.Base(os.Args[0])]; ok {
		if err := act(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func withoutSockets(act func() error) error {
	if err := nosockets.Forbid(); err != nil {
		return err
	}
	return act()
}

func asker(t *testing.T, name string, root []byte) *roots.Asker {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return &roots.Asker{Program: link, Roots: [][]byte{root}}
}

// A certificate is checked, with its timestamp and its entry in a log, by a process that would be
// killed for making a socket.
func TestNoConnection(t *testing.T) {
	world := rootstest.New(t)
	root := world.Root(t, false)
	if _, err := asker(t, "makes-a-socket", root).Verify(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "bad system call") {
		t.Fatalf("who makes a socket is not killed: %v", err)
	}
	said := statement.Statement{Subjects: []statement.Subject{{Name: "CLAUDE.md", SHA256: sha256.Sum256(nil)}}}
	payload, err := said.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-5 * time.Hour)
	leaf := world.Certificate(t, rootstest.Alice, rootstest.ValidFrom(at))
	during := at.Add(time.Minute)
	text := world.Bundle(t, leaf, payload, rootstest.Stamped(during), rootstest.Logged(during))
	for _, name := range []string{"without-sockets", "reads-a-file"} {
		if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); errno != 0 && name == "reads-a-file" {
			t.Log("the kernel has no Landlock, and the program can read files")
			continue
		}
		a := asker(t, name, root)
		b, err := bundle.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Verify(bundle.Verifier{
			Identities: []bundle.Identity{rootstest.Alice},
			Authority:  func(text []byte) (bundle.Certified, error) { return a.Verify(t.Context(), text) },
		})
		if err != nil || got.Signer.Identity != rootstest.Alice.Name {
			t.Errorf("%s: verified %+v, %v", name, got, err)
		}
	}
	// The refusals that end in other code of the library's.
	for name, text := range map[string][]byte{
		"expired":  world.Bundle(t, leaf, payload),
		"stranger": rootstest.New(t).Bundle(t, leaf, payload, rootstest.Stamped(during)),
		"no key":   []byte("{}"),
	} {
		_, err := asker(t, "without-sockets", root).Verify(t.Context(), text)
		if !errors.Is(err, roots.ErrExpired) && !errors.Is(err, roots.ErrTimestamp) && !errors.Is(err, roots.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
