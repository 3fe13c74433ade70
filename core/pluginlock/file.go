package pluginlock

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

const (
	// version is of the file's form. A later one is refused, and never rewritten.
	version  = 1
	fileName = "plugins.lock.hcl"
	maxFile  = 1 << 20
)

const heading = `# The programs of other vendors that nono runs as layers: these digests,
# and no others. nono plugin lock and nono plugin remove write this file.
`

var grammar = &language.Block{
	Attributes: map[string]language.Attribute{"version": {Shape: language.Number}},
	Blocks: map[string]*language.Block{"plugin": {
		Label: "NAME", Attributes: map[string]language.Attribute{
			"path":   {Shape: language.String},
			"sha256": {Shape: language.String},
			"script": {Shape: language.Bool},
		},
	}},
}

// Read reads the list. Where there is no file, nothing is locked; one that cannot be believed is an
// error.
func Read(own dirs.Dirs) (*Lock, error) {
	l := &Lock{File: shown(own), own: own}
	dir, err := openDir(own)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return l, l.read(dir)
}

// Change reads the list, lets it be changed, and replaces the file with what has become of it:
// after a crash it is the old one or the new one. Two changes at one time come one after the other;
// one that comes to no end is not waited for.
func Change(own dirs.Dirs, change func(*Lock) error) error {
	if err := os.MkdirAll(own.Config, 0o700); err != nil {
		return fmt.Errorf("making nono's configuration directory: %w", err)
	}
	dir, err := openDir(own)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	held, err := dir.Open(".")
	if err != nil {
		return fmt.Errorf("opening %s: %w", own.Config, err)
	}
	defer func() { _ = held.Close() }()
	if err := ownfile.Lock(context.Background(), held); err != nil {
		return fmt.Errorf("changing %s: %w", shown(own), err)
	}
	l := &Lock{File: shown(own), own: own}
	if err := l.read(dir); err != nil {
		return err
	}
	if err := change(l); err != nil {
		return err
	}
	text, err := l.text()
	if err == nil {
		err = ownfile.ReplaceSynced(dir, fileName, text)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", l.File, err)
	}
	_ = l.prune() // a copy that is left over does no harm: only one that the list has is run
	return nil
}

func shown(own dirs.Dirs) string {
	return diag.Homely(filepath.Join(own.Config, fileName), own.Home)
}

// openDir opens the directory of the list, which must be the user's alone to write: who can rename
// in it can put another list there.
func openDir(own dirs.Dirs) (*os.Root, error) {
	dir, err := os.OpenRoot(own.Config)
	if err != nil {
		return nil, err
	}
	info, err := dir.Stat(".")
	if err == nil {
		err = believe(info, diag.Homely(own.Config, own.Home))
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// believe refuses what another user may have written.
func believe(info fs.FileInfo, shown string) error {
	owner := os.Geteuid()
	if ownfile.BelongsTo(info, 0) {
		owner = 0 // whose it is already, whatever he writes
	}
	var fault *ownfile.Fault
	switch err := ownfile.CheckWriters(shown, info, owner); {
	case !errors.As(err, &fault):
		return err
	case fault.Foreign:
		return diag.Errorf("reading which programs you have locked: %v", err).
			Try("no program of another vendor is run before it is yours: chown it")
	}
	return diag.Errorf("reading which programs you have locked: %v", fault).
		Try("no program of another vendor is run before that is mended: chmod go-w %s",
			diag.Word(shown))
}

// read reads the file, if there is one.
func (l *Lock) read(dir *os.Root) error {
	there, err := dir.Lstat(fileName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return l.unreadable(err)
	case there.Mode()&fs.ModeSymlink != 0:
		// Who may write the list would be decided elsewhere, and the next change would replace the link.
		return l.unreadable(errors.New("it is a link"))
	}
	f, err := dir.OpenFile(fileName, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return l.unreadable(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return l.unreadable(err)
	case !os.SameFile(there, info):
		return l.unreadable(errors.New("it was replaced meanwhile"))
	case !info.Mode().IsRegular():
		return l.unreadable(errors.New("it is not a regular file"))
	}
	if err := believe(info, l.File); err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errors.New("it is larger than 1 MiB")
	}
	if err != nil {
		return l.unreadable(err)
	}
	return l.parse(content)
}

func (l *Lock) unreadable(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return diag.Errorf("reading which programs you have locked: %s: %v", l.File, err).
		Try("no program of another vendor is run without that list; " +
			"mend it, or remove it and lock them anew")
}

func (l *Lock) parse(content []byte) error {
	text := diag.Text{Origin: policy.OriginConfig, File: l.File, Content: content}
	if v, ok := language.Version(text); ok && v != version {
		return diag.Errorf("%s has version %d, and this nono knows version %d", l.File, v, version).
			Try("use the nono that wrote it, or a later one; nothing in the file was changed")
	}
	tree, problems := language.Parse(text, grammar)
	if problems.Failed() {
		return problems
	}
	if _, ok := tree.Attributes["version"]; !ok {
		return l.unreadable(errors.New("it does not say version = 1"))
	}
	for _, block := range tree.Blocks {
		p, problem := program(block)
		if problem.Severity != "" {
			problems = append(problems, problem)
			continue
		}
		l.Put(p)
	}
	return problems.Err()
}

// program is the entry of a block, or what is wrong with it.
func program(block *language.Tree) (Program, diag.Problem) {
	p := Program{Name: block.Label, Line: block.Source.Line}
	if path, ok := block.One("path"); ok {
		p.Path = path.Text
	}
	if script, ok := block.Attributes["script"]; ok {
		p.Script = script.Yes
	}
	digest, _ := block.One("sha256")
	p.SHA256 = digest.Text
	if wire.LayerName(p.Name) != nil || !strings.Contains(p.Name, "/") {
		return p, diag.Errorf("%q cannot be the name of a plugin", p.Name).At(block.Source)
	}
	const digits = 64
	if raw, err := hex.DecodeString(p.SHA256); err != nil || len(p.SHA256) != digits ||
		hex.EncodeToString(raw) != p.SHA256 {
		return p, diag.Errorf("%s has no sha256 of %d small hexadecimal digits",
			block.Title(), digits).At(block.Source).Try("lock it anew: nono plugin lock %s", p.Name)
	}
	return p, diag.Problem{}
}

// text is the list as a file.
func (l *Lock) text() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nversion = %d\n", heading, version)
	for _, p := range l.Programs {
		if !utf8.ValidString(p.Path) {
			return nil, fmt.Errorf("the path of %s is not UTF-8: %q", p.Name, p.Path)
		}
		fmt.Fprintf(&b, "\nplugin %q {\n  path   = %s\n  sha256 = %q\n",
			p.Name, language.Quote(p.Path), p.SHA256)
		if p.Script {
			b.WriteString("  script = true # what runs it, and what it loads, is not covered\n")
		}
		b.WriteString("}\n")
	}
	return b.Bytes(), nil
}
