package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nono-run/nono/test/kernels/serial"
)

// Packages of the host that is booted, and of what they depend on those that it does without: it
// runs no package manager and fetches nothing.
var (
	packages = []string{"apparmor", "bash", "coreutils", "dash", "git", "kmod", "python3"}
	unneeded = regexp.MustCompile(`^(adduser|dpkg|debconf|install-info|tar|git-man|media-types|` +
		`mailcap|netbase|tzdata|sensible-utils|cdebconf.*|libdebian-.*|` +
		`perl.*|libperl.*|liberror-perl|original-awk|gawk|mawk|` +
		`libcurl.*|libldap.*|libsasl.*|libkrb.*|libgssapi.*|libk5.*|libnghttp.*|librtmp.*|libssh.*|` +
		`libp11.*|libgnutls.*|libnettle.*|libhogweed.*|libngtcp.*)$`)
)

// left out of them.
var omitted = []string{
	"--exclude=./usr/share/doc*", "--exclude=./usr/share/man", "--exclude=./usr/share/info",
	"--exclude=./usr/share/locale", "--exclude=./usr/lib/x86_64-linux-gnu/gconv",
	"--exclude=./usr/share/bash-completion", "--exclude=*.a", "--exclude=./usr/share/i18n",
}

// makeRoot lays out the host's system, if it is not there already.
func makeRoot(a *archive, dir string) error {
	all, err := a.closure(unneeded, packages...)
	if err != nil {
		return err
	}
	const stamp = ".packages"
	list := strings.Join(all, "\n")
	if made, err := os.ReadFile(filepath.Join(dir, stamp)); err == nil && string(made) == list {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(dir, "usr", name), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+name, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := a.unpack(dir, omitted, all...); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, stamp), []byte(list), 0o644)
}

// image is what one machine is booted with.
type image struct {
	root, nono, demo string
	tests            string // nono's own, compiled
	guest            string // the first process
	kernel           string // where the kernel's files were unpacked
	task             serial.Task
}

const userID = 1000

// write writes the first file system of a machine.
func (i image) write(to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	programs, err := filepath.Glob(filepath.Join(i.nono, "nono*"))
	if err != nil || len(programs) == 0 {
		return errors.Join(err, fmt.Errorf("there is no nono in %s: make build", i.nono))
	}
	c := newCPIO(f)
	c.directory("dev", 0o755, 0)
	c.device("dev/console", 0o600, 5, 1)
	if err := c.file("init", i.guest, 0); err != nil {
		return err
	}
	const system = "system"
	if err := c.tree(system, i.root, 0); err != nil {
		return err
	}
	for _, dir := range []string{"dev", "proc", "sys", "run"} {
		c.directory(system+"/"+dir, 0o755, 0)
	}
	c.directory(system+"/tmp", 0o1777, 0)
	c.directory(system+"/root", 0o700, 0)
	c.directory(system+"/home/dev", 0o700, userID)
	c.content(system+"/etc/passwd", 0o644, 0, []byte("root:x:0:0:root:/root:/bin/bash\n"+
		"dev:x:1000:1000:Dev:/home/dev:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n"))
	c.content(system+"/etc/group", 0o644, 0, []byte("root:x:0:\ntty:x:5:\ndev:x:1000:\n"+
		"nogroup:x:65534:\n"))
	c.content(system+"/etc/hostname", 0o644, 0, []byte("kernels\n"))
	c.content(system+"/etc/hosts", 0o644, 0, []byte("127.0.0.1 localhost\n::1 localhost\n"))
	if err := c.file(system+"/guest", i.guest, 0); err != nil {
		return err
	}
	for _, program := range programs {
		if err := c.file(system+"/opt/nono/"+filepath.Base(program), program, 0); err != nil {
			return err
		}
	}
	if err := c.tree(system+"/home/dev/demo", i.demo, userID); err != nil {
		return err
	}
	if err := c.tree(system+"/root/demo", i.demo, 0); err != nil {
		return err
	}
	if err := c.tree(system+"/opt/tests", i.tests, 0); err != nil {
		return err
	}
	for _, pkg := range tested {
		c.directory(system+testsAt+pkg, 0o755, 0)
	}
	for _, modules := range []string{"lib/modules", "usr/lib/modules"} {
		from := filepath.Join(i.kernel, modules)
		if _, err := os.Stat(from); err != nil {
			continue
		}
		if err := c.tree(system+"/usr/lib/modules", from, 0); err != nil {
			return err
		}
	}
	task, err := json.Marshal(i.task)
	if err != nil {
		return err
	}
	c.content(system+serial.TaskFile, 0o644, 0, task)
	if err := c.end(); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	return f.Close()
}
