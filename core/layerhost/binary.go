package layerhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
)

// Binary is a layer's program, found and ready to be run.
type Binary struct {
	Name string
	// Nameless says that Name is the file's, for the layer is yet to say who it is.
	Nameless bool
	// Asked is the path that it was looked for at, and Path where it was found, links resolved.
	Asked, Path string
	Builtin     bool
	// Script says that the program names an interpreter (#!), which the digest does not cover.
	Script bool

	// copied is what is run; nil for a built-in layer.
	copied *os.File
	// kept says that it is a file that an earlier run has kept, and not sealed memory.
	kept bool
	// stamp is what the program's file was when this run made the copy; empty where one was kept.
	stamp  string
	digest func() (string, error)
	permit Permit
}

// Permit is asked before anything of a foreign program is run, with the digest of the copy that
// would be; its error is why not. One that is nil permits nothing.
type Permit func(b *Binary, digest string) error

// Kept is asked for the copy of a foreign program that was kept from an earlier run, by the layer's
// name and by what its program is now ([Stamp]). With it comes its digest; there may be none.
type Kept func(layer, stamp string) (*os.File, string)

// Permitted is why nothing of the program may be run, or nil. The digest is waited for.
func (b *Binary) Permitted() error {
	if b.Builtin {
		return nil
	}
	digest, err := b.Digest()
	if err != nil {
		return fmt.Errorf("reading the copy of layer %s: %w", b.Name, err)
	}
	if b.permit == nil {
		return diag.Errorf("layer %s is not run: nobody has permitted it", b.Name)
	}
	return b.permit(b, digest)
}

// Digest is the SHA-256 of what is run, in hexadecimal; empty for a built-in layer. It is worked
// out while the layer starts, and waited for here.
func (b *Binary) Digest() (string, error) {
	if b.Builtin {
		return "", nil
	}
	return b.digest()
}

// NewCopy is the copy that was made of a foreign program for this run, and what that was then; nil
// where there was one already. It is closed with the binary.
func (b *Binary) NewCopy() (copied *os.File, stamp string) {
	if b.stamp == "" {
		return nil, ""
	}
	return b.copied, b.stamp
}

// Close gives up the copy. Processes that run from it are not touched.
func (b *Binary) Close() error {
	if b.copied == nil {
		return nil
	}
	return b.copied.Close()
}

// Stamp is what a file is without a look into it: one that was changed or replaced has another.
func Stamp(f *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return fmt.Sprintf("device %d inode %d size %d modified %d changed %d",
		st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()), nil
}

// maxBinary bounds what is copied into memory.
const maxBinary = 1 << 30

// findForeign finds the copy of a foreign program that is to be permitted and run: the one that was
// kept, if there is one, or else a new one in memory, which nobody can change any more and of which
// it takes the digest. So a program's file that is overwritten between the check and the exec, even
// through the descriptor that was checked, changes nothing.
func findForeign(name, path string, in Places) (*Binary, error) {
	resolved, err := hostfile.Resolve(path)
	if err != nil {
		return nil, fmt.Errorf("looking for layer %s: %w", name, err)
	}
	f, err := hostfile.Open(resolved)
	if err != nil {
		return nil, fmt.Errorf("opening layer %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	if err := sealable(f); err != nil {
		return nil, diag.Errorf("%s cannot be run as layer %s: %v", resolved, name, err)
	}
	b := &Binary{Name: name, Asked: path, Path: resolved, permit: in.Permit}
	if err := b.take(f, in.Kept); err != nil {
		return nil, fmt.Errorf("copying layer %s from %s: %w", name, resolved, err)
	}
	if b.Script, err = isScript(b.copied); err == nil && b.digest == nil {
		b.digest, err = digestOf(b.copied)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the copy of layer %s: %w", name, err), b.Close())
	}
	return b, nil
}

// take takes the copy of a program that was kept, or else makes one.
func (b *Binary) take(program *os.File, kept Kept) error {
	stamp, err := Stamp(program)
	if err != nil {
		return err
	}
	if kept != nil {
		if f, digest := kept(b.Name, stamp); f != nil {
			b.copied, b.kept = f, true
			b.digest = func() (string, error) { return digest, nil }
			return nil
		}
	}
	b.copied, err = sealedCopy(b.Name, program)
	b.stamp = stamp
	return err
}

func isScript(f *os.File) (bool, error) {
	start := make([]byte, len("#!"))
	n, err := f.ReadAt(start, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return string(start[:n]) == "#!", err
}

// digestOf begins to work out a digest and returns what waits for it. The file may be closed
// meanwhile.
func digestOf(f *os.File) (func() (string, error), error) {
	again, err := reopen(f)
	if err != nil {
		return nil, err
	}
	var digest string
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = again.Close() }()
		sum := sha256.New()
		if _, err = io.Copy(sum, again); err == nil {
			digest = hex.EncodeToString(sum.Sum(nil))
		}
	}()
	return func() (string, error) {
		<-done
		return digest, err
	}, nil
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
