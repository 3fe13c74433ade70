// Package hosttest plays a host's files in a test, so that what looks at them can be tried with
// files that no disk holds.
//
//	tree := hosttest.New("/home/ada/proj/", "/home/ada/proj/.env *2", "/bin -> usr/bin")
//	view, _ := places.Compute(places.Input{
//		Policy: tree.Policy("allow /home/ada/proj", "default deny /home/ada/.ssh"), Look: tree.Look, ...
//	})
package hosttest

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Tree is what stands at each path.
type Tree map[string]Node

// Node is a file, or a directory that may be closed to whoever looks.
type Node struct {
	hostfile.Entry
	Closed bool
}

// New makes a tree of lines: "/dir/", "/file", "/link -> target", "/device!", "/file *2" for a
// file of two names, and "/dir/ closed" for a directory that may not be searched. Parents need
// not be written.
func New(lines ...string) Tree {
	t := Tree{}
	for _, line := range append([]string{"/"}, lines...) {
		t.add(line)
	}
	return t
}

func (t Tree) add(line string) {
	p, note, _ := strings.Cut(line, " ")
	n := Node{Entry: hostfile.Entry{Type: policy.Regular, Links: 1}}
	switch {
	case strings.HasPrefix(note, "-> "):
		n.Type, n.Target = policy.Special, note[3:]
	case strings.HasPrefix(note, "*"):
		n.Links = uint64(note[1] - '0')
	case strings.HasSuffix(p, "/"):
		n.Type, n.Closed = policy.Directory, note == "closed"
	case strings.HasSuffix(p, "!"):
		n.Type = policy.Special
	}
	p = path.Clean(strings.TrimSuffix(p, "!"))
	if p != "/" {
		if _, ok := t[path.Dir(p)]; !ok {
			t.add(strings.TrimSuffix(path.Dir(p), "/") + "/")
		}
	}
	if old, ok := t[p]; ok { // a parent that is written after all
		old.Closed = n.Closed
		t[p] = old
		return
	}
	n.Device, n.Inode = 1, uint64(len(t)+1)
	t[p] = n
}

// Look implements hostfile.Look.
func (t Tree) Look(p string) (hostfile.Entry, error) {
	for dir := p; dir != "/"; {
		dir = path.Dir(dir)
		if t[dir].Closed {
			return hostfile.Entry{}, &fs.PathError{Op: "looking at", Path: p, Err: fs.ErrPermission}
		}
	}
	if n, ok := t[p]; ok {
		return n.Entry, nil
	}
	return hostfile.Entry{Type: policy.Missing}, nil
}

// List names what is in a directory, as hostfile.Names does.
func (t Tree) List(dir string, most int) ([]string, error) {
	if t[dir].Type != policy.Directory || t[dir].Closed {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrPermission}
	}
	var names []string
	for p := range t {
		if p != "/" && path.Dir(p) == dir && len(names) < most {
			names = append(names, path.Base(p))
		}
	}
	return names, nil
}

// Policy makes filesystem rules of lines such as "allow /home/ada/proj", with "default" in front
// for one of the default profile, and behind it "as NAME" for a path that was asked for by another
// name, or "but PATH" for what was lifted out of a denial. The id is the line's access and number:
// "allow.0".
func (t Tree) Policy(lines ...string) *policy.Policy {
	var p policy.Policy
	for i, line := range lines {
		words := strings.Fields(line)
		source := policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: i + 1, Column: 1}
		if words[0] == "default" {
			source, words = policy.Source{Origin: policy.OriginDefault}, words[1:]
		}
		r := policy.PathRule{
			ID: policy.RuleID(fmt.Sprintf("%s.%d", words[0], i)), Source: source,
			Access: policy.Access(words[0]), Path: words[1], Type: policy.Missing,
		}
		if e, err := t.Look(r.Path); err == nil {
			r.Type = e.Type
		}
		switch {
		case len(words) < 4:
		case words[2] == "as":
			r.Name = words[3]
		case words[2] == "but":
			r.Lifted = []policy.Lift{{Path: words[3], Source: source}}
		}
		p.Filesystem = append(p.Filesystem, r)
	}
	return &p
}
