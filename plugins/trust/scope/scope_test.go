package scope_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/trust/scope"
	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// plant makes a tree in a directory of its own: names with a slash at the end are directories, and
// "a -> b" is a link.
func plant(t *testing.T, names ...string) string {
	t.Helper()
	root, err := hostfile.Resolve(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		name, target, isLink := strings.Cut(name, " -> ")
		at := filepath.Join(root, name)
		dir := filepath.Dir(at)
		if strings.HasSuffix(name, "/") {
			dir = at
		}
		err := os.MkdirAll(dir, 0o700)
		switch {
		case err != nil || dir == at:
		case isLink:
			err = os.Symlink(target, at)
		default:
			err = os.WriteFile(at, []byte(name), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func patterns(texts ...string) []scope.Pattern {
	all := make([]scope.Pattern, 0, len(texts))
	for i, text := range texts {
		all = append(all, scope.Pattern{Rule: policy.RuleID(fmt.Sprintf("trust.files.%d", i)), Text: text})
	}
	return all
}

// paths are those of what is found, as they are seen from a directory.
func paths(root string, files []scope.File) string {
	var all []string
	for _, f := range files {
		all = append(all, strings.TrimPrefix(f.Path, root+"/"))
	}
	return strings.Join(all, " ")
}

func TestFind(t *testing.T) {
	tree := []string{
		"CLAUDE.md", "repo/.git/", "repo/CLAUDE.md", "repo/.claude/a.json", "repo/.claude/skills/x/SKILL.md",
		"repo/.git/CLAUDE.md", "repo/web/CLAUDE.md", "repo/web/AGENTS.md -> CLAUDE.md", "repo/web/deep/CLAUDE.md",
		"repo/dir/CLAUDE.md/", "repo/linked/.claude -> ../.claude", "plain/sub/CLAUDE.md", "plain/CLAUDE.md",
		"tree/.git -> nowhere", "tree/a/CLAUDE.md",
	}
	for name, tt := range map[string]struct {
		dir      string
		patterns string
		want     string
	}{
		"a name, here and above":     {"repo/web", "CLAUDE.md", "repo/CLAUDE.md repo/web/CLAUDE.md"},
		"not above the repository":   {"repo", "CLAUDE.md", "repo/CLAUDE.md"},
		"no repository: here alone":  {"plain/sub", "CLAUDE.md", "plain/sub/CLAUDE.md"},
		"a link is found":            {"repo/web", "AGENTS.md", "repo/web/AGENTS.md"},
		"a directory is no file":     {"repo/dir", "CLAUDE.md", "repo/CLAUDE.md"},
		"all beneath a directory":    {"repo", ".claude/**", "repo/.claude/a.json repo/.claude/skills/x/SKILL.md"},
		"at one depth":               {"repo/web", ".claude/*", "repo/.claude/a.json"},
		"a linked directory":         {"repo/linked", ".claude/**", "repo/.claude/a.json repo/.claude/skills/x/SKILL.md repo/linked/.claude"},
		"at any depth, not in .git":  {"repo", "**/CLAUDE.md", "repo/CLAUDE.md repo/web/CLAUDE.md repo/web/deep/CLAUDE.md"},
		"in .git where it says so":   {"repo", ".git/*.md", "repo/.git/CLAUDE.md"},
		"a link makes a root, too":   {"tree/a", "CLAUDE.md", "tree/a/CLAUDE.md"},
		"a directory may be wild":    {"repo", "w?b/[A-C]*.md", "repo/web/AGENTS.md repo/web/CLAUDE.md"},
		"an absolute pattern":        {"plain", "ROOT/repo/web/*.md", "repo/web/AGENTS.md repo/web/CLAUDE.md"},
		"an absolute one, all of it": {"plain", "ROOT/repo/**/SKILL.md", "repo/.claude/skills/x/SKILL.md"},
		"several, each once":         {"repo", "CLAUDE.md *.md **/CLAUDE.md", "repo/CLAUDE.md repo/web/CLAUDE.md repo/web/deep/CLAUDE.md"},
	} {
		t.Run(name, func(t *testing.T) {
			root := plant(t, tree...)
			found, err := scope.Find(t.Context(), scope.Request{
				Dir: filepath.Join(root, tt.dir), Patterns: patterns(strings.Fields(strings.ReplaceAll(tt.patterns, "ROOT", root))...),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := paths(root, found.Files); got != tt.want {
				t.Errorf("found %s\nwant  %s", got, tt.want)
			}
			for _, f := range found.Files {
				if f.Rule == "" || f.Remembered || f.Document {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func TestWhatIsFoundWithoutAPattern(t *testing.T) {
	root := plant(t, "CLAUDE.md")
	found, err := scope.Find(t.Context(), scope.Request{
		Dir: root, Patterns: patterns("CLAUDE.md"), Remembered: []string{root + "/CLAUDE.md", root + "/gone.md"},
		Documents: []string{root + "/agent.hcl"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []scope.File{
		{Path: root + "/CLAUDE.md", Rule: "trust.files.0", Remembered: true},
		{Path: root + "/agent.hcl", Document: true},
		{Path: root + "/gone.md", Remembered: true},
	}
	if !slices.Equal(found.Files, want) {
		t.Errorf("%+v", found.Files)
	}
}

// TestADirectoryThatCannotBeListed is found itself, for nobody knows what lies in it.
func TestADirectoryThatCannotBeListed(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root lists every directory")
	}
	root := plant(t, ".claude/sub/a.md")
	if err := os.Chmod(root+"/.claude/sub", 0o100); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(root+"/.claude/sub", 0o700) })
	found, err := scope.Find(t.Context(), scope.Request{Dir: root, Patterns: patterns(".claude/**", ".claude/*/a.md")})
	if err != nil {
		t.Fatal(err)
	}
	if got := paths(root, found.Files); got != ".claude/sub .claude/sub/a.md" {
		t.Errorf("found %s", got)
	}
}

// TestAPatternOfManyStars is found in time that does not explode.
func TestAPatternOfManyStars(t *testing.T) {
	root := plant(t, strings.Repeat("a/", 60)+"b")
	done := make(chan error, 1)
	go func() {
		_, err := scope.Find(t.Context(), scope.Request{
			Dir: root, Patterns: patterns(strings.Repeat("**/a/", 30) + "x"),
		})
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
}

func TestBadPatterns(t *testing.T) {
	for _, text := range []string{"", "/", "../CLAUDE.md", "a//b", "["} {
		if _, err := scope.Find(t.Context(), scope.Request{Dir: t.TempDir(), Patterns: patterns(text)}); err == nil {
			t.Errorf("%q is one", text)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scope.Find(ended, scope.Request{Dir: t.TempDir(), Patterns: patterns("**")}); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits for it any more, and it says %v", err)
	}
}

func TestBeneath(t *testing.T) {
	root := plant(t, "CLAUDE.md", "a/CLAUDE.md", "a/x.md", ".claude/y", "b/.claude/z")
	var globs []glob.Pattern
	for _, text := range []string{"**/CLAUDE.md", ".claude/**", "CLAUDE.md"} {
		p, err := glob.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		globs = append(globs, p)
	}
	found, err := scope.Beneath(t.Context(), root, globs)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{root + "/.claude/y", root + "/CLAUDE.md", root + "/a/CLAUDE.md"}
	if !slices.Equal(found, want) {
		t.Errorf("found %q", found)
	}
}

// TestWhatNobodyCanLookInto is an error where all has to be known; a link that leads nowhere else is
// none.
func TestWhatNobodyCanLookInto(t *testing.T) {
	for text, hidden := range map[string]string{
		"a/b.md": "", "**/c.md": "", "in/**/c.md": "", "*.md": "", "to/*": "to", "*/c.md": "to", "in/t*/*": "in/to",
		"far/**/c.md": "far/to", "o*/**/c.md": "",
	} {
		root := plant(t, "a/b.md", "in/d/", "in/to -> d", "to -> in/d", "far/to -> ../a", "file -> a/b.md", "gone -> x")
		p, err := glob.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = scope.Beneath(t.Context(), root, []glob.Pattern{p})
		var got *scope.HiddenError
		if errors.As(err, &got) != (hidden != "") || got != nil && got.Path != root+"/"+hidden {
			t.Errorf("%s: %v, want %s", text, err, hidden)
		}
	}
}

func TestRead(t *testing.T) {
	root := plant(t, "file", "empty", "sub/file", "link -> file", "up -> ../file", "dir -> sub", "loop -> loop")
	if err := errors.Join(
		unix.Mkfifo(root+"/pipe", 0o600), os.Truncate(root+"/empty", 0), os.WriteFile(root+"/big", nil, 0o600),
		os.Truncate(root+"/big", 100<<20),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "file", "empty": "", "sub/file": "sub/file"} {
		if got, err := scope.Read(root+"/"+name, 8); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]error{
		"missing": fs.ErrNotExist, "file/x": fs.ErrNotExist, "pipe": hostfile.ErrNotRegular, "sub": hostfile.ErrNotRegular,
	} {
		if got, err := scope.Read(root+"/"+name, 8); !errors.Is(err, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, most := range map[string]int64{"big": 1 << 20, "file": 3} {
		var tooBig *scope.TooBigError
		if got, err := scope.Read(root+"/"+name, most); !errors.As(err, &tooBig) || tooBig.Most != most {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for name, want := range map[string]struct{ link, target, beside string }{
		"link":     {"link", "file", "file"},
		"up":       {"up", "../file", ""},
		"dir/file": {"dir", "sub", "sub"},
		"loop":     {"loop", "loop", "loop"},
	} {
		_, err := scope.Read(root+"/"+name, 8)
		var linked *scope.LinkedError
		if !errors.As(err, &linked) || linked.Link != root+"/"+want.link || linked.Target != want.target {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if beside, ok := linked.Beside(); ok != (want.beside != "") || ok && beside != want.beside {
			t.Errorf("%s leads beside itself to %q, %v", name, beside, ok)
		}
	}
}

// TestReadOfAFileThatIsSwapped exchanges a file with a link to a secret, again and again.
func TestReadOfAFileThatIsSwapped(t *testing.T) {
	root := plant(t, "file", "secret", "link -> secret")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = exchange(root+"/file", root+"/link")
			}
		}
	}()
	fooled, read := 0, 0
	for i := 0; i < 100_000 && (fooled < 20 || read < 20); i++ {
		if text, _ := os.ReadFile(root + "/file"); string(text) == "secret" {
			fooled++
		}
		switch text, _ := scope.Read(root+"/file", 100); string(text) {
		case "secret":
			t.Fatal("the secret was read")
		case "file":
			read++
		}
	}
	close(stop)
	<-stopped
	if fooled == 0 || read == 0 {
		t.Errorf("by its path the secret was read %d times, and the file %d times", fooled, read)
	}
}

func TestFold(t *testing.T) {
	for _, name := range []string{
		"claude.md", "CLAUDE.MD", "Claude.Md", "\uff23\uff2c\uff21\uff35\uff24\uff25.md", "CLAUDE\u200b.md", "CLAUDE.md\ufe0f",
		"\u2060CLAUDE.md", "C\u00adLAUDE.md", "CLAUDE\u202e.md", "CLAUDE.\U0001d426\U0001d41d", "\u24b8LAUDE.md", "CLAUDE.md\x7f",
		"CLAUDE\u180e.md", "CL\u034fAUDE.md", "CLAUDE\u3164.md",
	} {
		if got := scope.Fold(name); got != "claude.md" {
			t.Errorf("%q is %q", name, got)
		}
	}
	for _, same := range [][]string{
		{"r\u00e9sum\u00e9", "re\u0301sume\u0301", "R\u00c9SUM\u00c9"},
		{"stra\u00dfe", "STRASSE"},
		{"\u03c3", "\u03a3", "\u03c2"},
		{"\ufb01le", "file"},
		{"\u212a", "k"},
		{"\u01c6", "\u01c4"},
	} {
		for _, name := range same {
			if scope.Fold(name) != scope.Fold(same[0]) {
				t.Errorf("%q and %q are different", name, same[0])
			}
		}
	}
	for _, name := range []string{"CLAUDE", "CLAUDE.mdx", "CLAUDE md", "GEMINI.md", "CLAUDE.m\xff", "r\u00e9sum\u00e9", "resume"} {
		if scope.Fold(name) == "claude.md" {
			t.Errorf("%q is taken for it", name)
		}
	}
	if scope.Fold("r\u00e9sum\u00e9") == scope.Fold("resume") {
		t.Error("an accent makes no difference")
	}
}

func TestLookalikes(t *testing.T) {
	got := scope.Lookalikes(
		[]string{"CLAUDE.md", "claude.md", "AGENTS.md", "agents.md", "README.md", "GEMINI\u200d.md"},
		[]string{"CLAUDE.md", "AGENTS.md", "agents.md", "GEMINI.md"})
	want := map[string]string{"claude.md": "CLAUDE.md", "GEMINI\u200d.md": "GEMINI.md"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q", got)
	}
}
