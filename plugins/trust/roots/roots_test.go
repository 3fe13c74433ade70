package roots_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/roots"
)

var alice = bundle.Certified{
	Identity: bundle.Identity{Name: "alice@example.com", Issuer: "https://accounts.example.com"},
	Digest:   sha256.Sum256([]byte("be kind\n")),
}

// TestMain lets the test binary be the program that is asked, by the name of a link to it.
func TestMain(m *testing.M) {
	if act, ok := programs[filepath.Base(os.Args[0])]; ok {
		if err := act(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// programs are what may stand where nono-trust-roots should.
var programs = map[string]func() error{
	"answers": func() error { return roots.Serve(os.Stdin, os.Stdout, certify) },
	"chatty": func() error {
		_, err := os.Stdout.Write(bytes.Repeat([]byte(" "), 1<<20))
		return err
	},
	"mute":    func() error { return nil },
	"babbles": func() error { return says(`{"name":"alice@example.com"} and more`) },
	"nobody":  func() error { return says(`{"digest":"AAAA"}`) },
	"nameless": func() error {
		return says(`{"issuer":"i","digest":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`)
	},
	"both":    func() error { return says(`{"name":"a","issuer":"i","refused":"chain","says":"no"}`) },
	"unheard": func() error { return says(`{"refused":"mood","says":"\u001b[2J"}`) },
	"fails":   func() error { return errors.New("out of \x1b[2J luck") },
	"hangs":   func() error { select {} },
}

func says(s string) error {
	_, err := os.Stdout.WriteString(s)
	return err
}

// certify takes a root for the text of who it vouches for.
func certify(root, text []byte) (bundle.Certified, error) {
	switch {
	case bytes.Equal(root, text):
		return alice, nil
	case bytes.HasPrefix(root, []byte("old")):
		return bundle.Certified{}, fmt.Errorf("%w: yesterday", roots.ErrExpired)
	default:
		return bundle.Certified{}, roots.ErrChain
	}
}

func program(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return link
}

func TestAnswers(t *testing.T) {
	path := program(t, "answers")
	big := bytes.Repeat([]byte("big"), roots.MaxRoot/3)
	for name, c := range map[string]struct {
		roots []string
		text  string
		want  error
	}{
		"the one root":        {[]string{"a"}, "a", nil},
		"the last root":       {[]string{"c", "old", "a"}, "a", nil},
		"a large one":         {[]string{string(big)}, string(big), nil},
		"none":                {[]string{"b", "c"}, "a", roots.ErrChain},
		"none, but it is old": {[]string{"b", "old", "c"}, "a", roots.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			a := roots.Asker{Program: path}
			for _, root := range c.roots {
				a.Roots = append(a.Roots, []byte(root))
			}
			got, err := a.Verify(t.Context(), []byte(c.text))
			if !errors.Is(err, c.want) {
				t.Fatalf("said %+v, %v, want %v", got, err, c.want)
			}
			if err == nil && !cmp.Equal(got, alice) {
				t.Errorf("said %+v", got)
			}
		})
	}
}

// Whatever a program does, nobody is vouched for by it unless it says so in full.
func TestWhatIsNoAnswer(t *testing.T) {
	for name, says := range map[string]string{
		"chatty": "said too much", "mute": "what nono-trust-roots said", "babbles": "what nono-trust-roots said",
		"nobody": "vouched for nobody", "nameless": "vouched for nobody", "both": "no", "unheard": `\x1b[2J`,
		"fails": `out of \x1b[2J luck`,
	} {
		t.Run(name, func(t *testing.T) {
			a := roots.Asker{Program: program(t, name), Roots: [][]byte{[]byte("a")}}
			got, err := a.Verify(t.Context(), []byte("a"))
			if err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 1000 {
				t.Errorf("said %+v, %v, want %q", got, err, says)
			}
		})
	}
	t.Run("hangs", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := roots.Asker{Program: program(t, "hangs"), Roots: [][]byte{[]byte("a")}}
		context.AfterFunc(t.Context(), cancel)
		go cancel()
		if got, err := a.Verify(ctx, []byte("a")); !errors.Is(err, context.Canceled) {
			t.Errorf("said %+v, %v", got, err)
		}
	})
	t.Run("is not there", func(t *testing.T) {
		a := roots.Asker{Program: filepath.Join(t.TempDir(), "no"), Roots: [][]byte{[]byte("a")}}
		if got, err := a.Verify(t.Context(), nil); err == nil {
			t.Errorf("said %+v", got)
		}
	})
}

func TestQuestions(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no roots": `{"bundle":"YQ=="}`, "unknown": `{"roots":["YQ=="],"bundle":"YQ==","offline":false}`,
		"many roots": `{"roots":["YQ=="` + strings.Repeat(`,"YQ=="`, 16) + `],"bundle":"YQ=="}`,
		"too long":   strings.Repeat(" ", 64<<20),
	} {
		var out bytes.Buffer
		if err := roots.Serve(strings.NewReader(text), &out, certify); err == nil {
			t.Errorf("%s: answered %s", name, &out)
		}
	}
}

func TestBeside(t *testing.T) {
	dir := t.TempDir()
	exe := filepath.Join(dir, "nono-layer-trust")
	program := filepath.Join(dir, "nono-trust-roots")
	refused := func(says string) {
		t.Helper()
		if got, err := roots.BesideOf(exe); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("found %q, %v, want %q", got, err, says)
		}
	}
	refused("install all of nono's programs")
	if err := os.Symlink("/bin/sh", program); err != nil {
		t.Fatal(err)
	}
	refused("not a regular file")
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := roots.BesideOf(exe); err != nil || got != program {
		t.Errorf("found %q, %v", got, err)
	}
	if err := os.Chmod(program, 0o777); err != nil {
		t.Fatal(err)
	}
	refused("others may write")
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.json", "{}", 0o644)
	if text, err := roots.Read(good, os.Getuid()); err != nil || string(text) != "{}" {
		t.Errorf("read %q, %v", text, err)
	}
	link := filepath.Join(dir, "link.json")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		file("shared.json", "{}", 0o666): "its mode 0666 lets others vouch for anybody",
		link:                             "it is a link",
		filepath.Join(dir, "no.json"):    "no such file",
		dir:                              "no file",
		file("long.json", strings.Repeat(" ", roots.MaxRoot+1), 0o600): "longer than",
	} {
		if text, err := roots.Read(path, os.Getuid()); !errors.Is(err, roots.ErrRoot) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: read %q, %v, want %q", path, text, err, says)
		}
	}
}
