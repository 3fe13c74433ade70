package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nono-run/nono/sdk/ownfile"
)

const (
	revokedFile = "revoked.json"
	// revokedVersion is that of the file's form.
	revokedVersion = 1
	// mostRevoked bounds the file, to some 10,000 entries.
	mostRevoked = 2 << 20
)

// Digest is the SHA-256 of a file.
type Digest [sha256.Size]byte

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Revoked are the keys and files that are not trusted, whoever signed them.
type Revoked struct {
	Keys    map[ID]Revocation
	Digests map[Digest]Revocation
}

// Revocation says since when something is not trusted any more.
type Revocation struct {
	Since time.Time
	// Name is what a key was called here; "" where it was not known.
	Name string
}

// IDs are the revoked keys, as a signature is verified with them.
func (r Revoked) IDs() map[ID]bool {
	ids := make(map[ID]bool, len(r.Keys))
	for id := range r.Keys {
		ids[id] = true
	}
	return ids
}

// SortedKeys are the revoked keys, in an order that is always the same.
func (r Revoked) SortedKeys() []ID { return slices.Sorted(maps.Keys(r.Keys)) }

// SortedDigests are the digests of revoked files, in an order that is always the same.
func (r Revoked) SortedDigests() []Digest {
	return slices.SortedFunc(maps.Keys(r.Digests), func(a, b Digest) int {
		return bytes.Compare(a[:], b[:])
	})
}

// revokedText is the content of the file.
type revokedText struct {
	Version int             `json:"version"`
	Keys    []revokedKey    `json:"keys,omitempty"`
	Digests []revokedDigest `json:"digests,omitempty"`
}

type revokedKey struct {
	ID    ID        `json:"id"`
	Name  string    `json:"name,omitempty"`
	Since time.Time `json:"since"`
}

type revokedDigest struct {
	SHA256 string    `json:"sha256"`
	Since  time.Time `json:"since"`
}

func readRevoked(path string, uid int) (Revoked, error) {
	r := Revoked{Keys: map[ID]Revocation{}, Digests: map[Digest]Revocation{}}
	text, err := ownfile.Read(path, ownfile.Guard{
		UID: uid, Closed: ownfile.Writing, Could: "have a revoked key trusted", Most: mostRevoked,
	})
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if len(text) > mostRevoked {
		return r, fmt.Errorf("it is longer than %d bytes", mostRevoked)
	}
	var t revokedText
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&t); err != nil {
		return r, fmt.Errorf("it cannot be read: %w", err)
	}
	if in.More() {
		return r, errors.New("it holds more than one list")
	}
	if t.Version != revokedVersion {
		return r, fmt.Errorf("it has version %d, and this nono reads %d", t.Version, revokedVersion)
	}
	for _, k := range t.Keys {
		if _, ok := ParseID(string(k.ID)); !ok {
			return r, fmt.Errorf("%.80q is no ID of a key", k.ID)
		}
		r.Keys[k.ID] = Revocation{Since: k.Since, Name: k.Name}
	}
	for _, d := range t.Digests {
		digest, ok := ParseDigest(d.SHA256)
		if !ok {
			return r, fmt.Errorf("%.80q is no digest of a file", d.SHA256)
		}
		r.Digests[digest] = Revocation{Since: d.Since}
	}
	return r, nil
}

// text is the file.
func (r Revoked) text() ([]byte, error) {
	t := revokedText{Version: revokedVersion}
	for _, id := range r.SortedKeys() {
		t.Keys = append(t.Keys, revokedKey{id, r.Keys[id].Name, r.Keys[id].Since})
	}
	for _, digest := range r.SortedDigests() {
		t.Digests = append(t.Digests, revokedDigest{digest.String(), r.Digests[digest].Since})
	}
	text, err := json.MarshalIndent(t, "", "  ")
	if err == nil && len(text) >= mostRevoked {
		err = errors.New("more is revoked than nono reads")
	}
	return append(text, '\n'), err
}

// ParseDigest reads a SHA-256 in hexadecimal, as sha256sum prints it.
func ParseDigest(text string) (d Digest, ok bool) {
	if len(text) != hex.EncodedLen(len(d)) || strings.ToLower(text) != text {
		return d, false
	}
	_, err := hex.Decode(d[:], []byte(text))
	return d, err == nil
}

// ParseID reads the ID of a key.
func ParseID(text string) (ID, bool) {
	_, ok := ParseDigest(text)
	return ID(text), ok
}

// RevokeKey makes a key one that is not trusted, whether it is known here or not. Of one of the
// user's own the private half is removed: it could sign nothing that is trusted, and its name is
// free again. Where that fails, the key is revoked all the same, and the error is a [*KeptError].
func (r *Ring) RevokeKey(ctx context.Context, id ID) error {
	var own *Own
	err := r.change(ctx, func(dir *os.Root) error {
		known := r.NameOf(id)
		if _, already := r.revoked.Keys[id]; !already {
			r.revoked.Keys[id] = Revocation{Since: now(), Name: known}
		}
		if err := r.writeRevoked(dir); err != nil {
			return err
		}
		public, ok := r.Find(known)
		if !ok || public.ID != id {
			return nil
		}
		if place, ok := r.own[known]; ok {
			own = &Own{public, place}
		}
		return errors.Join(dir.Remove(known+publicEnd), ownfile.Sync(dir))
	})
	if err != nil {
		return fmt.Errorf("revoking a key: %w", err)
	}
	if own == nil {
		return nil
	}
	if err := r.removePrivate(ctx, own); err != nil {
		return &KeptError{own.Place, err}
	}
	return nil
}

// RevokeDigest makes a file one that is not trusted.
func (r *Ring) RevokeDigest(ctx context.Context, digest Digest) error {
	err := r.change(ctx, func(dir *os.Root) error {
		if _, already := r.revoked.Digests[digest]; !already {
			r.revoked.Digests[digest] = Revocation{Since: now()}
		}
		return r.writeRevoked(dir)
	})
	if err != nil {
		return fmt.Errorf("revoking a file: %w", err)
	}
	return nil
}

func (r *Ring) writeRevoked(dir *os.Root) error {
	text, err := r.revoked.text()
	if err != nil {
		return err
	}
	return ownfile.ReplaceSynced(dir, revokedFile, text)
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }
