package session

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/pluginlock"
)

// Locked is a program that was put into the user's lock.
type Locked struct {
	pluginlock.Program
	// Was is the digest that the lock had before; empty where it did not have the name.
	Was string `json:"was,omitempty"`
	// File is the lock.
	File string `json:"file"`
}

// LockPlugin puts the program of a layer, as it is now, into the user's lock, and runs nothing of
// it. Where no path is given, it is the one that a plugin block names, or else where layers are
// installed, or else where the program lay when it was locked before.
func LockPlugin(own dirs.Dirs, blocks []config.Plugin, name, path string) (Locked, error) {
	var done Locked
	err := pluginlock.Change(own, func(l *pluginlock.Lock) error {
		before, _ := l.Find(name)
		binary, err := findToLock(own, blocks, name, path, before.Path)
		if err != nil {
			return err
		}
		defer func() { _ = binary.Close() }()
		digest, err := binary.Digest()
		if err != nil {
			return err
		}
		done = Locked{
			Program: pluginlock.Program{
				Name: name, Path: binary.Asked, SHA256: digest, Script: binary.Script,
			},
			Was: before.SHA256, File: l.File,
		}
		l.Put(done.Program)
		return nil
	})
	return done, err
}

func findToLock(
	own dirs.Dirs, blocks []config.Plugin, name, path, before string,
) (*layerhost.Binary, error) {
	for _, b := range blocks {
		if b.Name == name && path == "" {
			path = b.Path
		}
	}
	if path != "" {
		return layerhost.FindAt(name, path, layerhost.Places{})
	}
	if !strings.Contains(name, "/") {
		return nil, diag.Errorf("%s is no layer of another vendor's: those are called VENDOR/NAME",
			name).Try("nono's own layers are not locked; they are installed with it")
	}
	usual, err := layerhost.PathOf(name, layerhost.Places{Plugins: own.Plugins()})
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(usual); errors.Is(err, fs.ErrNotExist) && before != "" {
		usual = before
	}
	return layerhost.FindAt(name, usual, layerhost.Places{})
}

// UnlockPlugin takes a program out of the user's lock, so that it is not run any more.
func UnlockPlugin(own dirs.Dirs, name string) (pluginlock.Program, error) {
	var gone pluginlock.Program
	err := pluginlock.Change(own, func(l *pluginlock.Lock) error {
		var ok bool
		if gone, ok = l.Find(name); !ok {
			return diag.Errorf("layer %s is not in your lock (%s)", name, l.File).
				Try("`nono plugin verify` lists what is")
		}
		l.Remove(name)
		return nil
	})
	return gone, err
}

// Standing is a program of another vendor beside what the user's lock has of it.
type Standing struct {
	Name string `json:"name"`
	// Path is where it lies, or should, and NamedBy the line that says so; empty where that is the
	// place at which layers are installed, or the one that the lock remembers.
	Path    string `json:"path"`
	NamedBy string `json:"named_by,omitempty"`
	// SHA256 is of what lies there now, Locked what the lock has.
	SHA256 string      `json:"sha256,omitempty"`
	Locked string      `json:"locked,omitempty"`
	Script bool        `json:"script,omitempty"`
	State  PluginState `json:"state"`
	// Error says why it cannot be read.
	Error string `json:"error,omitempty"`
}

// PluginState is what a comparison with the lock has shown.
type PluginState string

// The states. Only a program that is as it was locked is ever run.
const (
	AsLocked  PluginState = "as locked"
	Changed   PluginState = "changed"
	NotLocked PluginState = "not locked"
	Unusable  PluginState = "unusable" // it is not there, or nothing that could be run
)

// ComparePlugins compares the programs of all layers of other vendors, those that are installed,
// named in one of the blocks or locked, with the user's lock. Nothing of them is run.
func ComparePlugins(own dirs.Dirs, blocks []config.Plugin) ([]Standing, error) {
	lock, err := pluginlock.Read(own)
	if err != nil {
		return nil, err
	}
	installed, err := vendorNames(own.Plugins())
	if err != nil {
		return nil, err
	}
	found := candidates(installed, blocks)
	known := map[string]bool{}
	for _, c := range found {
		known[c.Name] = true
	}
	for _, p := range lock.Programs {
		if !known[p.Name] {
			found = append(found, config.Plugin{Name: p.Name, Path: p.Path})
		}
	}
	all := make([]Standing, len(found))
	for i, c := range found {
		all[i] = compare(own, lock, c)
	}
	return all, nil
}

func compare(own dirs.Dirs, lock *pluginlock.Lock, c config.Plugin) Standing {
	locked, ok := lock.Find(c.Name)
	s := Standing{Name: c.Name, Path: c.Path, Locked: locked.SHA256, State: Unusable}
	if s.Path != "" && c.Source.Line > 0 {
		s.NamedBy = c.Source.String()
	}
	places := layerhost.Places{Plugins: own.Plugins()}
	binary, err := findBinary(c, places)
	if s.Path == "" {
		s.Path, _ = layerhost.PathOf(c.Name, places)
	}
	if err == nil {
		defer func() { _ = binary.Close() }()
		s.Path, s.Script = binary.Path, binary.Script
		s.SHA256, err = binary.Digest()
	}
	switch {
	case err != nil:
		s.Error = err.Error()
	case !ok:
		s.State = NotLocked
	case s.SHA256 != s.Locked:
		s.State = Changed
	default:
		s.State = AsLocked
	}
	return s
}
