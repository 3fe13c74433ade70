package layerhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/nono-run/nono/core/diag"
)

// Binary is a layer's program, found and ready to be run.
type Binary struct {
	Name string
	// Path is where it was found, links resolved.
	Path    string
	Builtin bool
	// Digest is the SHA-256 of what will be run, for a layer that is not built in.
	Digest [sha256.Size]byte
	// Script says that the program names an interpreter (#!), which the digest does not cover.
	Script bool

	// sealed is the copy that is run; nil for a built-in layer.
	sealed *os.File
}

// DigestString is the digest in hexadecimal; empty for a built-in layer.
func (b *Binary) DigestString() string {
	if b.Builtin {
		return ""
	}
	return hex.EncodeToString(b.Digest[:])
}

// Close gives up the sealed copy. Processes that run from it are not touched.
func (b *Binary) Close() error {
	if b.sealed == nil {
		return nil
	}
	return b.sealed.Close()
}

// maxBinary bounds what is copied into memory.
const maxBinary = 1 << 30

// seal copies a foreign program into memory that nobody can change any more, and takes the digest of the copy. What is run later is
// that copy: a file that is overwritten between the check and the exec, even through the descriptor that was checked, changes nothing.
func seal(name, path string) (*Binary, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("looking for layer %s: %w", name, err)
	}
	f, err := os.Open(resolved)
	if err != nil {
		return nil, fmt.Errorf("opening layer %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	if err := sealable(f); err != nil {
		return nil, diag.Errorf("%s cannot be run as layer %s: %v", resolved, name, err)
	}
	b := &Binary{Name: name, Path: resolved}
	sum := sha256.New()
	start := &prefix{}
	b.sealed, err = sealedCopy(name, io.TeeReader(io.LimitReader(f, maxBinary+1), io.MultiWriter(sum, start)))
	if err != nil {
		return nil, fmt.Errorf("copying layer %s from %s: %w", name, resolved, err)
	}
	b.Digest = digestOf(sum)
	b.Script = string(start.bytes) == "#!"
	return b, nil
}

func digestOf(h hash.Hash) (d [sha256.Size]byte) {
	copy(d[:], h.Sum(nil))
	return d
}

func sealable(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return errors.New("it is not a program")
	case info.Size() > maxBinary:
		return fmt.Errorf("it has %d bytes, at most %d are taken", info.Size(), maxBinary)
	}
	if reason := distrust(owner(info), info.Mode(), owners(), id(os.Getegid())); reason != "" {
		return errors.New(reason)
	}
	return nil
}

// prefix keeps the first two bytes of what is written to it.
type prefix struct{ bytes []byte }

func (p *prefix) Write(b []byte) (int, error) {
	if missing := 2 - len(p.bytes); missing > 0 {
		p.bytes = append(p.bytes, b[:min(missing, len(b))]...)
	}
	return len(b), nil
}
