package keys

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/agefile"
	"github.com/nono-run/nono/sdk/keyring"
	"github.com/nono-run/nono/sdk/loghead"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// most bounds the files of a ring.
	most = 4096
	// service is what private keys in the keyring are kept under.
	service = "nono-trust"
)

// The ends of the names of a key's files.
const (
	publicEnd   = ".pem"
	keyringEnd  = loghead.InKeyring
	ageEnd      = ".age"
	identityEnd = loghead.ToIdentity
)

// Options are what a ring is opened with. Reading it takes the UID alone.
type Options struct {
	// UID is the user, who owns the files.
	UID int
	// Keyring is the user's, where private keys are in one.
	Keyring keyring.Ring
	// Ask puts a question whose answer is not seen. Where nobody is to be asked it is nil, and a key
	// that has a passphrase does not open.
	Ask func(ctx context.Context, question string) (sdk.Secret, error)
}

// Ring is the keys of an account, as they were when it was opened and as it has changed them since.
type Ring struct {
	dir     string
	options Options
	phrases *agefile.Passphrases // nil where nobody is asked
	keys    []Public             // with a file of their own, by name
	own     map[string]Place
	revoked Revoked
}

// Own is a key of the user's, with the place of its private half.
type Own struct {
	Public
	Place
}

// Open reads a ring. A directory that is not there is an empty one.
func Open(dir string, o Options) (*Ring, error) {
	o.Keyring.Service = service
	r := &Ring{dir: dir, options: o}
	if o.Ask != nil {
		r.phrases = &agefile.Passphrases{Ask: o.Ask}
	}
	if err := r.read(); err != nil {
		return nil, r.doing(err)
	}
	return r, nil
}

func (r *Ring) doing(err error) error {
	return fmt.Errorf("reading your keys in %s: %w", policy.Printable(r.dir), err)
}

// read reads all of it anew.
func (r *Ring) read() error {
	r.keys, r.own, r.revoked = nil, map[string]Place{}, Revoked{}
	if err := r.check(); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	if len(entries) > most {
		return fmt.Errorf("there are %d files, and at most %d are read", len(entries), most)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), publicEnd)
		if !ok || strings.HasPrefix(name, ".") { // a file that is being written begins with a dot
			continue
		}
		if err := r.readKey(name); err != nil {
			return fmt.Errorf("%s: %w", policy.Printable(e.Name()), err)
		}
	}
	slices.SortFunc(r.keys, func(a, b Public) int { return cmp.Compare(a.Name, b.Name) })
	if r.revoked, err = readRevoked(r.path(revokedFile), r.options.UID); err != nil {
		return fmt.Errorf("%s: %w", revokedFile, err)
	}
	return nil
}

// check refuses a directory that others could have written in, or could replace.
func (r *Ring) check() error {
	for _, dir := range []string{r.dir, filepath.Dir(r.dir)} {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is no directory", policy.Printable(dir))
		}
		if err := ownfile.CheckWriters(dir, info, r.options.UID); err != nil {
			return fmt.Errorf("%w, and who can decides what is trusted; look at what is there, and "+
				"then: chmod 700 %s", err, policy.Printable(dir))
		}
	}
	return nil
}

func (r *Ring) readKey(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	text, err := r.readFile(name+publicEnd, "have another key trusted", mostPEM)
	if err != nil {
		return err
	}
	key, err := ParsePublic(text)
	if err != nil {
		return err
	}
	public, err := named(name, key)
	if err != nil {
		return err
	}
	r.keys = append(r.keys, public)
	place, err := r.placeOf(name)
	if err == nil && place.Where != "" {
		r.own[name] = place
	}
	return err
}

// readFile reads one of the ring's files.
func (r *Ring) readFile(name, could string, longest int64) ([]byte, error) {
	text, err := ownfile.Read(r.path(name), ownfile.Guard{
		UID: r.options.UID, Closed: ownfile.Writing, Could: could, Most: longest,
	})
	if err == nil && int64(len(text)) > longest {
		err = fmt.Errorf("it is longer than %d bytes", longest)
	}
	return text, err
}

// placeOf is where the private half of a key is, as the files say; nowhere if they say nothing.
func (r *Ring) placeOf(name string) (Place, error) {
	if r.has(name + keyringEnd) {
		return Place{Where: Keyring}, nil
	}
	if !r.has(name + ageEnd) {
		return Place{}, nil
	}
	identity, err := r.readFile(name+identityEnd, "have another key opened", unix.PathMax)
	if errors.Is(err, fs.ErrNotExist) {
		return Place{Where: Age}, nil
	}
	if err == nil && !filepath.IsAbs(string(identity)) {
		err = errors.New("it names no file by its whole path")
	}
	if err != nil {
		return Place{}, fmt.Errorf("%s: %w", name+identityEnd, err)
	}
	return Place{Where: Age, Identity: string(identity)}, nil
}

func (r *Ring) path(name string) string { return filepath.Join(r.dir, name) }

func (r *Ring) has(name string) bool {
	_, err := os.Lstat(r.path(name))
	return err == nil
}

// Dir is the directory of the ring.
func (r *Ring) Dir() string { return r.dir }

// Trusted are the keys that are trusted, by name.
func (r *Ring) Trusted() []Public {
	return slices.DeleteFunc(slices.Clone(r.keys), func(p Public) bool {
		_, revoked := r.revoked.Keys[p.ID]
		return revoked
	})
}

// Keys are the trusted keys by their IDs, as a signature is verified with them.
func (r *Ring) Keys() map[ID]*ecdsa.PublicKey {
	keys := map[ID]*ecdsa.PublicKey{}
	for _, p := range r.Trusted() {
		keys[p.ID] = p.Key
	}
	return keys
}

// Own are the user's own keys, by name.
func (r *Ring) Own() []Own {
	var own []Own
	for _, p := range r.keys {
		if place, ok := r.own[p.Name]; ok {
			own = append(own, Own{p, place})
		}
	}
	return own
}

// Revoked are the keys and files that are not trusted.
func (r *Ring) Revoked() Revoked { return r.revoked }

// NameOf is what a key is called here, or was when it was revoked; "" for one that was never known.
func (r *Ring) NameOf(id ID) string {
	if i := slices.IndexFunc(r.keys, func(p Public) bool { return p.ID == id }); i >= 0 {
		return r.keys[i].Name
	}
	return r.revoked.Keys[id].Name
}

// Find is the key with this name.
func (r *Ring) Find(name string) (Public, bool) {
	i := slices.IndexFunc(r.keys, func(p Public) bool { return p.Name == name })
	if i < 0 {
		return Public{}, false
	}
	return r.keys[i], true
}

// Reread reads the ring anew, once nobody else changes it.
func (r *Ring) Reread(ctx context.Context) error {
	if err := r.change(ctx, func(*os.Root) error { return nil }); err != nil {
		return r.doing(err)
	}
	return nil
}

// change changes the ring while nobody else does, with what is there now, and reads it again. The
// directory is made if it is missing.
func (r *Ring) change(ctx context.Context, change func(dir *os.Root) error) error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	dir, err := os.OpenRoot(r.dir)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	lock, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }() // and with it the lock is gone
	if err := ownfile.Lock(ctx, lock); err != nil {
		return err
	}
	if err := r.read(); err != nil {
		return err
	}
	if err := change(dir); err != nil {
		return err
	}
	return r.read()
}
