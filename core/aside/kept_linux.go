package aside

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"github.com/nono-run/nono/sdk/bytejson"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/ownfile"
)

// Kept is what was kept of a session.
type Kept struct {
	dir    string
	stored stored
}

// stored is the content of kept.json, beside which lie the contents, each by its digest.
type stored struct {
	Version int `json:"version"`
	// Roots are the paths that were kept, with all beneath them.
	Roots   []string `json:"roots"`
	Entries []entry  `json:"entries"`
	// Changes are what was another when the session ended; Ended says that it did.
	Changes []Change `json:"changes,omitempty"`
	Ended   bool     `json:"ended,omitempty"`
	// Beyond are files that were not read and directories that were not looked through, because that
	// would have been too much.
	Beyond []string `json:"beyond,omitempty"`
}

// entry is what stood at a path.
type entry struct {
	Path string `json:"path"`
	State
}

const (
	version = 1
	// index is the file that says what was kept, and mostIndex how large it may be.
	index     = "kept.json"
	mostIndex = 64 << 20
)

// Keep copies what stands at some paths into a directory, which it makes.
func Keep(dir string, wants []Want) (*Kept, error) {
	k := &Kept{dir: dir, stored: stored{Version: version}}
	if err := k.take(wants); err != nil {
		return nil, fmt.Errorf("keeping aside what the session may change: %w", err)
	}
	return k, nil
}

func (k *Kept) take(wants []Want) error {
	if err := os.Mkdir(k.dir, 0o700); err != nil {
		return err
	}
	left := int64(MostBytes)
	var failed error
	l := looker{read: func(p string, is *State, content func() ([]byte, error)) {
		bytes := []byte(nil)
		err := errTooLarge
		if is.Size <= min(left, mostFile) {
			bytes, err = content()
		}
		if err != nil {
			k.stored.Beyond = append(k.stored.Beyond, p)
			return
		}
		left -= int64(len(bytes))
		failed = errors.Join(failed, k.keep(is, bytes))
	}}
	for _, w := range wants {
		k.stored.Roots = append(k.stored.Roots, w.Path)
		given := looker{read: func(_ string, is *State, _ func() ([]byte, error)) {
			failed = errors.Join(failed, k.keep(is, w.Content))
		}}
		if w.Content == nil {
			l.walk(w.Path)
			continue
		}
		given.walk(w.Path)
		l.entries = append(l.entries, given.entries...)
	}
	k.stored.Entries = sorted(l.entries)
	k.stored.Beyond = append(k.stored.Beyond, l.unseen...)
	return errors.Join(failed, k.store())
}

// Open opens what was kept.
func Open(dir string) (*Kept, error) {
	text, err := hostfile.Read(path.Join(dir, index), mostIndex)
	if err != nil {
		return nil, err
	}
	k := &Kept{dir: dir}
	if err := bytejson.Unmarshal(text, &k.stored); err != nil {
		return nil, fmt.Errorf("reading what was kept aside: %w", err)
	}
	if k.stored.Version != version {
		return nil, fmt.Errorf("what was kept aside has version %d, and this nono knows %d",
			k.stored.Version, version)
	}
	return k, nil
}

// Changes are what was another when the session ended.
func (k *Kept) Changes() []Change { return k.stored.Changes }

// Beyond are files that were not kept and directories that were not looked through, because that
// would have been too much.
func (k *Kept) Beyond() []string { return k.stored.Beyond }

// End looks at all paths again, when the session is over, and stores what it finds.
func (k *Kept) End() ([]Change, error) {
	k.stored.Changes, k.stored.Ended = k.compare(), true
	return k.stored.Changes, k.store()
}

// Ended reports whether that was done.
func (k *Kept) Ended() bool { return k.stored.Ended }

// compare finds where something else stands now. A file is read only if it is as long as it was, so
// that no more is read than was kept; any other has changed.
func (k *Kept) compare() []Change {
	before := map[string]State{}
	for _, e := range k.stored.Entries {
		before[e.Path] = e.State
	}
	l := looker{read: func(p string, is *State, content func() ([]byte, error)) {
		if was := before[p]; was.SHA256 != "" && was.Size == is.Size {
			read(is, content)
		}
	}}
	for _, root := range k.stored.Roots {
		l.walk(root)
	}
	var changes []Change
	for _, e := range sorted(l.entries) {
		was, known := before[e.Path]
		delete(before, e.Path)
		if !known {
			was = State{Kind: Missing}
		}
		if was != e.State {
			changes = append(changes, Change{Path: e.Path, Was: was, Is: e.State})
		}
	}
	for p, was := range before {
		is := State{Kind: Missing}
		if l.skipped(p) {
			is = l.alone(p, was) // too much lies beside it now, and it is known by its name
		}
		if was != is {
			changes = append(changes, Change{Path: p, Was: was, Is: is})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Path, b.Path) })
	return changes
}

func (k *Kept) store() error {
	text, err := bytejson.Marshal(k.stored)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(k.dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return ownfile.Replace(root, index, text)
}

// keep stores a content by its digest, and notes that.
func (k *Kept) keep(is *State, content []byte) error {
	is.hasContent(content)
	name := path.Join(k.dir, is.SHA256)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil // another file has the same
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// content is what was stored by a digest.
func (k *Kept) content(sum string) ([]byte, error) {
	content, err := hostfile.Read(path.Join(k.dir, sum), mostIndex)
	if err == nil && digest(content) != sum {
		err = errors.New("the copy is damaged")
	}
	return content, err
}

// hasContent notes a content that was read, which says more than the stamp.
func (s *State) hasContent(content []byte) {
	s.SHA256, s.Size, s.Stamp = digest(content), int64(len(content)), ""
}

// read reads a content and notes it. What cannot be read keeps its stamp.
func read(is *State, content func() ([]byte, error)) {
	if bytes, err := content(); err == nil {
		is.hasContent(bytes)
	}
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func sorted(entries []entry) []entry {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.Path, b.Path) })
	return slices.CompactFunc(entries, func(a, b entry) bool { return a.Path == b.Path })
}
