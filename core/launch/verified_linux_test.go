package launch_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/sdk/fragment"
)

// ofContent is a bind of a file that is shown with one content alone.
func ofContent(t *testing.T, from, at, content string) fragment.Bind {
	b := bind(t, from, at, false)
	sum := sha256.Sum256([]byte(content))
	b.SHA256 = hex.EncodeToString(sum[:])
	return b
}

// hostFile makes a file of the host's in a directory that the agent may write.
func hostFile(t *testing.T, content string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "CLAUDE.md")
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, file
}

// A verified file is read as it was verified, whatever becomes of the host's meanwhile, and nobody
// inside writes, replaces or removes it. Without that, who changes the file outside changes what is
// read inside.
func TestVerifiedFile(t *testing.T) {
	content := "be kind\n" + strings.Repeat("x", 1<<20)
	read := func(t *testing.T, shown func(file string) fragment.Bind) result {
		dir, file := hostFile(t, content)
		b := newBox(t, "read=/granted/CLAUDE.md", "write=/granted/CLAUDE.md", "write=/granted/new", "chmod=/granted/CLAUDE.md",
			"rename=/granted/CLAUDE.md,/granted/x", "rename=/granted/new,/granted/CLAUDE.md", "rename=/granted/new,/granted/y")
		b.mount(bind(t, dir, "/granted", true), shown(file))
		out, err := os.Create(filepath.Join(t.TempDir(), "output"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		b.stdout, b.stderr = out, out
		init, _, err := b.prepare(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("be evil"), 0o644); err != nil { // the same file, changed at the gate
			t.Fatal(err)
		}
		if err := init.Go(deadline(t), false); err != nil {
			t.Fatal(err)
		}
		if _, err := init.Wait(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return result{out: string(text)}
	}
	r := read(t, func(file string) fragment.Bind { return ofContent(t, file, "/granted/CLAUDE.md", content) })
	if got := r.of("read=/granted/CLAUDE.md"); !strings.HasPrefix(got, "be kind") {
		t.Errorf("what is read: %.40q", got)
	}
	for try, want := range map[string]string{
		"write=/granted/CLAUDE.md": "EROFS", "chmod=/granted/CLAUDE.md": "EROFS", "rename=/granted/CLAUDE.md,/granted/x": "EBUSY",
		"rename=/granted/new,/granted/CLAUDE.md": "EBUSY", "write=/granted/new": "ok", "rename=/granted/new,/granted/y": "ok",
	} {
		if got := r.of(try); got != want {
			t.Errorf("%s: got %q, want %q", try, got, want)
		}
	}
	r = read(t, func(file string) fragment.Bind { return bind(t, file, "/granted/CLAUDE.md", false) })
	if got := r.of("read=/granted/CLAUDE.md"); got != "be evil" {
		t.Errorf("the control: a read-only bind shows %.40q", got)
	}
}

// What was changed between its verification and the start ends the start. A nono-init that does not
// look would have shown it.
func TestVerifiedFileChangedBeforeTheStart(t *testing.T) {
	prepare := func(t *testing.T, init string) error {
		dir, file := hostFile(t, "be evil")
		b := newBox(t)
		if init != "" {
			b.options.Path = init
		}
		b.mount(bind(t, dir, "/granted", true), ofContent(t, file, "/granted/CLAUDE.md", "be kind"))
		_, _, err := b.prepare(t)
		return err
	}
	var step *launch.StepError
	if err := prepare(t, ""); !errors.As(err, &step) || step.Path != "/granted/CLAUDE.md" || !strings.Contains(step.Text, "it was changed since") {
		t.Errorf("got %v", err)
	}
	if err := prepare(t, without(t, "verified")); err != nil {
		t.Errorf("the control: %v", err)
	}
}
