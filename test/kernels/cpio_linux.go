package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// cpio writes what the kernel unpacks as its first file system: the form "newc", whose numbers are
// hexadecimal and whose parts begin at multiples of four.
type cpio struct {
	to      *bufio.Writer
	written int64
	inode   int
	made    map[string]bool
	failed  error
}

func newCPIO(to io.Writer) *cpio {
	return &cpio{to: bufio.NewWriterSize(to, 1<<20), made: map[string]bool{}}
}

// Modes as the kernel has them.
const (
	directory = 0o040000
	regular   = 0o100000
	symlink   = 0o120000
	character = 0o020000
)

// device is a character device.
func (c *cpio) device(name string, mode, major, minor int) {
	c.header(name, character|mode, 0, 0, major, minor)
}

// directory is a directory, with those that it lies in.
func (c *cpio) directory(name string, mode, owner int) {
	if c.made[name] {
		return
	}
	if parent := path.Dir(name); parent != "." {
		c.directory(parent, 0o755, 0)
	}
	c.made[name] = true
	c.header(name, directory|mode, owner, 0, 0, 0)
}

func (c *cpio) content(name string, mode, owner int, content []byte) {
	c.directory(path.Dir(name), 0o755, 0)
	c.header(name, regular|mode, owner, len(content), 0, 0)
	c.write(content)
	c.align()
}

func (c *cpio) link(name, target string) {
	c.directory(path.Dir(name), 0o755, 0)
	c.header(name, symlink|0o777, 0, len(target), 0, 0)
	c.write([]byte(target))
	c.align()
}

// file is a file of this machine's.
func (c *cpio) file(name, from string, owner int) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	c.content(name, int(st.Mode().Perm()), owner, text)
	return c.failed
}

// tree is a directory of this machine's with all that is in it, owned by one user.
func (c *cpio) tree(name, from string, owner int) error {
	return filepath.WalkDir(from, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := path.Join(name, strings.TrimPrefix(p, from))
		switch {
		case e.IsDir():
			c.directory(to, 0o755, owner)
		case e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			c.link(to, target)
		case e.Type().IsRegular():
			return c.file(to, p, owner)
		}
		return c.failed
	})
}

func (c *cpio) header(name string, mode, owner, size, major, minor int) {
	c.inode++
	const magic, links, checksum = "070701", 1, 0
	c.write(fmt.Appendf(nil, "%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		magic, c.inode, mode, owner, owner, links, 0, size, 0, 0, major, minor, len(name)+1, checksum,
		name,
	))
	c.align()
}

// end finishes the archive.
func (c *cpio) end() error {
	c.header("TRAILER!!!", 0, 0, 0, 0, 0)
	if c.failed != nil {
		return c.failed
	}
	return c.to.Flush()
}

func (c *cpio) align() {
	if over := c.written % 4; over != 0 {
		c.write(make([]byte, 4-over))
	}
}

func (c *cpio) write(p []byte) {
	if c.failed == nil {
		_, c.failed = c.to.Write(p)
	}
	c.written += int64(len(p))
}
