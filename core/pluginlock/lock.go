// Package pluginlock is the user's list of the programs of other vendors that nono may run, each by
// the digest of its content.
//
//	lock, err := pluginlock.Read(dirs)
//	err = lock.Permit(binary, digest)       // before anything of the program runs
//
//	err = pluginlock.Change(dirs, func(l *pluginlock.Lock) error {
//		l.Put(pluginlock.Program{Name: "acme/motd", Path: path, SHA256: digest})
//		return nil
//	})
//
// A layer is native code with all of the user's rights, and its program lies where the user, and
// whoever acts as the user, can write. So a name is not enough: what is run is what was locked, and
// a program that is not in the list is not run at all. Nothing gets into the list by itself, not at
// its first use and not by the approval of a policy: a policy says where a program lies, the list
// says which program it is.
//
// The list is plugins.lock.hcl in nono's configuration directory, which no agent can see:
//
//	version = 1
//
//	plugin "acme/motd" {
//	  path   = "/opt/acme/nono-layer-motd"
//	  sha256 = "5d41402abc4b2a76b9719d911017c592ae1f3c5a0c0f2f4e6f3c5a0c0f2f4e6f"
//	}
//
// The path is where the program lay when it was locked; nothing is decided by it. What is run is a
// copy of the program, and that is kept for later runs (copies.go). Of a script (script = true) the
// digest is the script's own: its interpreter, and what that loads, is not covered.
package pluginlock

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
)

// Lock is the list as it was read.
type Lock struct {
	// File is its path as people write it.
	File string
	// Programs are in the order of their names, one for each name.
	Programs []Program
	own      dirs.Dirs
}

// Program is an entry.
type Program struct {
	Name string `json:"name"`
	Path string `json:"path"`
	// SHA256 is in hexadecimal.
	SHA256 string `json:"sha256"`
	// Script says that the digest covers a script and not what runs it.
	Script bool `json:"script,omitempty"`
	// Line is the entry's in the file; 0 for one that was not read from there.
	Line int `json:"-"`
}

// Find is the entry of a name.
func (l *Lock) Find(name string) (Program, bool) {
	i, ok := l.search(name)
	if !ok {
		return Program{}, false
	}
	return l.Programs[i], true
}

// Put adds an entry, in place of the one that has its name.
func (l *Lock) Put(p Program) {
	i, ok := l.search(p.Name)
	if ok {
		l.Programs[i] = p
		return
	}
	l.Programs = slices.Insert(l.Programs, i, p)
}

// Remove takes an entry out.
func (l *Lock) Remove(name string) {
	if i, ok := l.search(name); ok {
		l.Programs = slices.Delete(l.Programs, i, i+1)
	}
}

func (l *Lock) search(name string) (int, bool) {
	return slices.BinarySearchFunc(l.Programs, name, func(p Program, name string) int {
		return strings.Compare(p.Name, name)
	})
}

// Permit refuses a program that is not in the list, or is another one than the list has. It is a
// [layerhost.Permit].
func (l *Lock) Permit(b *layerhost.Binary, digest string) error {
	shown := diag.Homely(b.Path, l.own.Home)
	locked, ok := l.Find(b.Name)
	switch {
	case !ok:
		return diag.Errorf("layer %s is not run: %s is not in your lock (%s)", b.Name, shown, l.File).
			Try("its sha256 is %s; where that is the program that you mean, "+
				"lock it, and it runs with all of your rights:\n%s", digest, l.command(b))
	case locked.SHA256 != digest:
		return diag.Errorf("layer %s is not run: %s is not the program that you locked: "+
			"its sha256 is %s, and in %s it is %s",
			b.Name, shown, digest, l.at(locked), locked.SHA256).
			Try("where you have replaced it yourself, as by an update, lock what is there now:\n%s\n"+
				"otherwise somebody else has: do not run it", l.command(b))
	}
	return nil
}

// at is an entry's place in the file.
func (l *Lock) at(p Program) string { return fmt.Sprintf("%s:%d", l.File, p.Line) }

// command is what to type to lock a program.
func (l *Lock) command(b *layerhost.Binary) string {
	typed := "nono plugin lock " + b.Name
	usual, err := layerhost.PathOf(b.Name, layerhost.Places{Plugins: l.own.Plugins()})
	if err != nil || usual != b.Asked {
		typed += " " + diag.Word(diag.Homely(b.Asked, l.own.Home))
	}
	return typed
}

// Gate is [Lock.Permit] and [Lock.Kept] of the list as it is when it is first asked, which in a run
// without a program of another vendor's is never.
func Gate(own dirs.Dirs) (layerhost.Permit, layerhost.Kept) {
	read := sync.OnceValues(func() (*Lock, error) { return Read(own) })
	permit := func(b *layerhost.Binary, digest string) error {
		l, err := read()
		if err != nil {
			return err
		}
		return l.Permit(b, digest)
	}
	kept := func(layer, stamp string) (*os.File, string) {
		l, err := read()
		if err != nil {
			return nil, "" // and nothing will be permitted
		}
		return l.Kept(layer, stamp)
	}
	return permit, kept
}
