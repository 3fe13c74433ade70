package gitdir

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// What a file may have for Add: more than git ever writes into one of its kind. An agent makes any
// file of any size, of holes that take no room, and would fill the memory of who reads it.
const (
	maxFile = 512 << 20 // an index of a million files is smaller
	maxRef  = 8 << 10   // an object or the path of another ref
	maxLog  = 16 << 20  // what it says is only told
	maxLogs = 64 << 20  // of all of a state
)

// Most is how large a file may be to be handed to Add. Of a larger one AddLarge takes note.
func Most(path string) int64 {
	switch Of(path).Kind {
	case Ref, Head:
		return maxRef
	case Log:
		return maxLog
	case Other, Object, PackedRefs, Index, Lock:
	}
	return maxFile
}

// State is what a git directory says, its submodules and work trees included.
type State struct {
	refs   map[string]string   // by Repository and name; loose ones win over packed ones
	packed map[string]string   // the same, as packed
	heads  map[string]string   // by Repository
	index  map[string]string   // by Repository: a digest of what the entries say
	opaque map[string]string   // what is understood by nobody here: a digest of the bytes
	logs   map[string][]string // by Repository and name of the ref: its lines
	logged int                 // how many bytes they are
}

// NewState is the state of an empty directory.
func NewState() *State {
	return &State{
		refs: map[string]string{}, packed: map[string]string{}, heads: map[string]string{},
		index: map[string]string{}, opaque: map[string]string{}, logs: map[string][]string{},
	}
}

// Add takes in one file, in any order.
func (s *State) Add(path string, content []byte) {
	f := Of(path)
	switch f.Kind {
	case Ref:
		s.refs[f.Repository+f.Name] = strings.TrimSpace(string(content))
	case Head:
		s.heads[f.Repository] = strings.TrimSpace(string(content))
	case PackedRefs:
		for name, value := range packedRefs(content) {
			s.packed[f.Repository+name] = value
		}
	case Index:
		if digest, ok := indexDigest(content); ok {
			s.index[f.Repository] = digest
		} else {
			s.index[f.Repository] = digestOf(content)
		}
	case Log:
		text := strings.TrimSuffix(string(content), "\n")
		if s.logged += len(text); text != "" && s.logged <= maxLogs {
			s.logs[f.Repository+strings.TrimPrefix(f.Name, "logs/")] = strings.Split(text, "\n")
		}
	case Other:
		s.opaque[path] = digestOf(content)
	case Object, Lock:
	}
}

// AddLarge takes in a file that is larger than Most, by what can be told without reading it.
func (s *State) AddLarge(path string, size, written int64) {
	if Of(path).Kind != Log {
		s.opaque[path] = strconv.FormatInt(size, 10) + " " + strconv.FormatInt(written, 10)
	}
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return string(sum[:])
}

func packedRefs(content []byte) map[string]string {
	refs := map[string]string{}
	for line := range bytes.Lines(content) {
		value, name, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		if ok && isHex(value) {
			refs[name] = value
		}
	}
	return refs
}

// all are the refs as git sees them.
func (s *State) all() map[string]string {
	refs := maps.Clone(s.packed)
	maps.Copy(refs, s.refs)
	return refs
}

// Ref is what a ref of the directory itself points at, with HEAD followed to its branch.
func (s *State) Ref(name string) string {
	if name == "HEAD" {
		branch, ok := strings.CutPrefix(s.heads[""], "ref: ")
		if !ok {
			return s.heads[""]
		}
		name = branch
	}
	return s.all()[name]
}

// Change is one thing that differs between two states.
type Change struct {
	// What is the kind of thing: Ref, Head, Index, or Other where it is not known what it says.
	What Kind
	// Repository is the submodule or the work tree whose it is, empty for the directory itself.
	Repository string
	// Name is that of the ref, as refs/heads/main, or of the file.
	Name string
	// Left and Now are what it was and is: the object of a ref, the text of HEAD; empty where there is
	// none.
	Left, Now string
	// Commits are the first lines of the messages of the commits that were made on top, the oldest
	// first, as the log of the ref tells them.
	Commits []string
}

// Branch is the short name of a branch, or the name as it is.
func (c Change) Branch() string {
	return c.Repository + strings.TrimPrefix(c.Name, "refs/heads/")
}

// Compare lists in what the state of now differs from the one that was left, in order of names.
func Compare(left, now *State) []Change {
	var all []Change
	add := func(what Kind, was, is map[string]string) {
		for key := range union(was, is) {
			if was[key] == is[key] {
				continue
			}
			c := Change{What: what, Left: was[key], Now: is[key]}
			switch what {
			case Ref:
				f := Of(key)
				c.Repository, c.Name = f.Repository, f.Name
				c.Commits = commitsSince(left.logs[key], now.logs[key])
			case Head:
				c.Repository, c.Name = key, "HEAD"
			case Index:
				c.Repository, c.Name, c.Left, c.Now = key, "index", "", ""
			case Other:
				c.Name, c.Left, c.Now = key, "", ""
			case Object, PackedRefs, Log, Lock:
			}
			all = append(all, c)
		}
	}
	add(Ref, left.all(), now.all())
	add(Head, left.heads, now.heads)
	add(Index, left.index, now.index)
	add(Other, left.opaque, now.opaque)
	slices.SortFunc(all, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Repository, b.Repository),
			cmp.Compare(a.Name, b.Name))
	})
	return all
}

func union(a, b map[string]string) map[string]bool {
	keys := map[string]bool{}
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	return keys
}

// commitsSince are the commits in the lines that a ref's log got since. A line is "OLD NEW NAME
// <MAIL> SECONDS ZONE\tWHAT: MESSAGE".
func commitsSince(left, now []string) []string {
	if len(now) < len(left) || !slices.Equal(left, now[:len(left)]) {
		return nil
	}
	var commits []string
	for _, line := range now[len(left):] {
		_, message, _ := strings.Cut(line, "\t")
		what, subject, ok := strings.Cut(message, ": ")
		if ok && (what == "commit" || strings.HasPrefix(what, "commit (")) {
			commits = append(commits, subject)
		}
	}
	return commits
}

// Explain says in one line what was changed since; say makes a name or a message fit to be shown.
func (c Change) Explain(say func(string) string) string {
	name := say(c.Branch())
	switch c.What {
	case Ref:
		switch {
		case c.Now == "":
			return name + " was deleted"
		case c.Left == "":
			return name + " was made, at " + say(short(c.Now))
		case len(c.Commits) == 1:
			return name + " has one more commit: " + say(c.Commits[0])
		case len(c.Commits) > 1:
			return name + " has " + strconv.Itoa(len(c.Commits)) + " more commits, the last: " +
				say(c.Commits[len(c.Commits)-1])
		}
		return name + " was moved from " + say(short(c.Left)) + " to " + say(short(c.Now))
	case Head:
		return name + " was at " + say(headText(c.Left)) + " and is at " + say(headText(c.Now))
	case Index:
		return name + ": other changes are staged"
	case Other, Object, PackedRefs, Log, Lock:
	}
	return name + " was changed"
}

func headText(head string) string {
	if branch, ok := strings.CutPrefix(head, "ref: "); ok {
		return strings.TrimPrefix(branch, "refs/heads/")
	}
	if head == "" {
		return "nothing"
	}
	return short(head)
}

func short(hash string) string {
	if isHex(hash) && len(hash) > 10 {
		return hash[:10]
	}
	return hash
}
