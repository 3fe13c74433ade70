package config

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// maxFile is far beyond any policy that a person can read, and keeps what a stranger's file can make the parser do small.
const maxFile = 64 << 10

// name is how hcl knows the text. The path will not do: a file may well be called default.hcl.
func (t *text) name() string { return string(t.origin) }

// ownConfig is the user's own config.hcl, if there is one.
func (l *loader) ownConfig() *text {
	path := filepath.Join(l.ConfigDir, "config.hcl")
	t := &text{origin: policy.OriginConfig, shown: l.homely(path)}
	if err := l.load(t, path); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.unreadable(t.shown, err)
		}
		return nil
	}
	return t
}

// namedFile is the file of -c.
func (l *loader) namedFile() *text {
	if l.File == "" {
		return nil
	}
	// ".." is taken as it is written, for the file as for its directory: ../agent.hcl depends on no name in the current directory.
	path := filepath.Clean(l.File)
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.Dir, path)
	}
	t := &text{origin: policy.OriginFile, shown: l.File}
	if err := l.load(t, path); err != nil {
		l.unreadable(l.File, err)
		return nil
	}
	for _, other := range l.texts {
		if other.path == t.path {
			return nil // it is the user's config.hcl, which has been read
		}
	}
	// The directory is that of the name that was given, and not of what a link there leads to: that is where the project is.
	dir, err := l.paths.resolve(filepath.Dir(path))
	if err != nil {
		l.unreadable(l.File, err)
		return nil
	}
	t.dir = dir.path
	own, err := l.paths.resolve(l.ConfigDir)
	t.foreign = err != nil || own.typ != policy.Directory || !policy.Within(t.path, own.path) || !policy.Within(t.dir, own.path)
	return t
}

// load reads the file and keeps what was read: layers are shown these bytes, and not what the file may hold later.
func (l *loader) load(t *text, path string) error {
	// Not to hang on a pipe that somebody put there.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	if t.src, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err != nil {
		return err
	}
	if len(t.src) > maxFile {
		return errors.New("it is larger than 64 KiB")
	}
	at, err := l.paths.resolve(path)
	if err != nil {
		return err
	}
	t.named, t.path = path, at.path
	return nil
}

// document is the file as layers are shown it.
func (t *text) document() sdk.Document {
	return sdk.Document{Path: t.path, SHA256: sha256.Sum256(t.src), Content: t.src}
}

func (l *loader) unreadable(shown string, err error) {
	reason := err
	var pe *fs.PathError
	if errors.As(err, &pe) {
		reason = pe.Err
	}
	p := diag.Errorf("cannot read %s: %v", shown, reason)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(shown, "/") {
		p = p.Try("looked for it in %s", l.Dir)
	}
	l.problems = append(l.problems, p)
}
