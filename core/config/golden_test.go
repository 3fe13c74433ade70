package config_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

var update = flag.Bool("update", false, "write what was got into testdata")

// TestGolden reads each archive in testdata as a small file system and a command line, and compares
// what Load makes of it.
//
// The files of an archive lie beneath a root that is shown as /T. Three names mean something else:
// "flags" holds the command line, one flag a line; "links" holds links, "name -> target"; "want" is
// what must come out. Directories are made for the files in them; a name that ends in / is an empty
// directory. The current directory is /T/proj, HOME is /T/home. The system's own rules are left out
// of what is compared, for they depend on the machine.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t)
			want := -1
			for i, f := range a.Files {
				switch f.Name {
				case "flags":
					w.flags(string(f.Data))
				case "links":
					w.links(string(f.Data))
				case "want":
					want = i
				default:
					w.file(f.Name, string(f.Data))
				}
			}
			loaded, err := config.Load(w.options)
			got := w.show(loaded, err)
			if *update {
				if want < 0 {
					a.Files = append(a.Files, txtar.File{Name: "want"})
					want = len(a.Files) - 1
				}
				a.Files[want].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want < 0 {
				t.Fatal("the archive says nothing about what must come out")
			}
			if diff := cmp.Diff(string(a.Files[want].Data), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// showFallback writes what holds in the place of a key, a rule a line.
func (w *world) showFallback(b *strings.Builder, f *policy.Fallback) {
	if f == nil {
		return
	}
	for _, r := range f.Filesystem {
		fmt.Fprintf(b, "  or %s %s %s <- %s\n", r.Access, r.Type, r.Path, r.Source)
	}
	for _, l := range f.Lifts {
		fmt.Fprintf(b, "  or lift %s <- %s\n", l.Path, l.Source)
	}
	for _, h := range f.Hosts {
		fmt.Fprintf(b, "  or %s %s <- %s\n", h.Action, h.String(), h.Source)
	}
	for _, e := range f.Environment {
		fmt.Fprintf(b, "  or %s %s %q <- %s\n", e.Action, e.Name, e.Value, e.Source)
	}
}

// world is a file system with a project and a home directory.
type world struct {
	tb      testing.TB
	root    string
	env     map[string]string
	options config.Options
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	root, err := filepath.EvalSymlinks(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{tb: tb, root: root, env: map[string]string{}}
	w.options = config.Options{
		Dir: root + "/proj", Home: root + "/home", ConfigDir: root + "/home/.config/nono", TempDir: root + "/tmp", UID: os.Getuid(),
		Lookup: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		Kept: func(layer string) (string, error) {
			dir := root + "/home/.config/nono/" + layer
			if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
				return "", nil
			}
			return dir, nil
		},
	}
	for _, dir := range []string{"proj", "home", "tmp"} {
		w.file(dir+"/", "")
	}
	return w
}

func (w *world) file(name, content string) {
	w.tb.Helper()
	path := filepath.Join(w.root, name)
	content = strings.ReplaceAll(content, "/T/", w.root+"/")
	if strings.HasSuffix(name, "/") {
		if err := os.MkdirAll(path, 0o755); err != nil {
			w.tb.Fatal(err)
		}
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.tb.Fatal(err)
	}
}

func (w *world) links(lines string) {
	w.tb.Helper()
	for line := range strings.Lines(lines) {
		name, target, ok := strings.Cut(strings.TrimSpace(line), " -> ")
		if !ok {
			w.tb.Fatalf("not a link: %q", line)
		}
		path := filepath.Join(w.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.tb.Fatal(err)
		}
		if err := os.Symlink(strings.ReplaceAll(target, "/T/", w.root+"/"), path); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// flags sets the options as the command line would.
func (w *world) flags(lines string) {
	w.tb.Helper()
	for line := range strings.Lines(strings.ReplaceAll(lines, "/T/", w.root+"/")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if q, err := strconv.Unquote(value); err == nil {
			value = q
		}
		switch name {
		case "":
		case "-c":
			w.options.File = value
		case "--profile":
			w.options.Profiles = append(w.options.Profiles, value)
		case "--approve":
			w.options.Approve = true
		case "--called":
			w.options.Called = value
		case "--cwd":
			w.options.Dir = value
		case "--host":
			k, v, _ := strings.Cut(value, "=")
			w.env[k] = v
		default:
			w.options.Flags = append(w.options.Flags, config.Flag{Name: strings.TrimPrefix(name, "--"), Value: value})
		}
	}
}

var defaultLine = regexp.MustCompile(`default\.hcl:\d+:\d+`)

// show is what Load made, as text, with the root as /T and without the default profile's line
// numbers, which move.
func (w *world) show(loaded config.Loaded, err error) string {
	s := strings.ReplaceAll(w.all(loaded, err), w.root, "/T")
	return defaultLine.ReplaceAllString(s, "default.hcl")
}

func (w *world) all(loaded config.Loaded, err error) string {
	var b strings.Builder
	var problems diag.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			b.WriteString(p.Show(loaded.Texts))
		}
		return b.String()
	}
	if err != nil {
		return "not a problem: " + err.Error()
	}
	cfg := loaded.Config
	if cfg.Command != nil {
		fmt.Fprintf(&b, "command %q <- %s\n", cfg.Command, cfg.CommandSource)
	}
	if cfg.Arguments != nil {
		fmt.Fprintf(&b, "arguments %q\n", cfg.Arguments)
	}
	if cfg.BestEffort {
		fmt.Fprintf(&b, "best effort <- %s\n", cfg.BestEffortSource)
	}
	if k := cfg.Keep; k != (config.Keep{}) {
		fmt.Fprintf(&b, "keep %d sessions, %s, %d bytes\n", *k.Sessions, *k.Age, *k.Size)
	}
	if l := cfg.Limits; l != (config.Limits{}) {
		fmt.Fprintf(&b, "limits time=%s <- %s open_files=%d <- %s processes=%d <- %s\n",
			l.Time, l.TimeAt, l.OpenFiles, l.OpenFilesAt, l.Processes, l.ProcessesAt)
	}
	for _, r := range cfg.Policy.Filesystem {
		if r.Source.Origin == policy.OriginDefault && !policy.Within(r.Path, w.root) {
			continue
		}
		fmt.Fprintf(&b, "%s %s %s", r.Access, r.Type, r.Path)
		if r.Name != "" {
			fmt.Fprintf(&b, " (%s)", r.Name)
		}
		for _, l := range r.Lifted {
			fmt.Fprintf(&b, " but %s by %s", l.Path, l.Source)
		}
		fmt.Fprintf(&b, " <- %s\n", r.Source)
	}
	for _, r := range cfg.Policy.Environment {
		if r.Source.Origin == policy.OriginDefault {
			continue
		}
		fmt.Fprintf(&b, "%s %s", r.Action, r.Name)
		if r.Action == policy.EnvSet {
			fmt.Fprintf(&b, " value=%q secret=%q", r.Value, r.Secret)
		}
		if r.Action == policy.EnvSecret {
			fmt.Fprintf(&b, " from %s as %s", r.From, r.ID)
		}
		fmt.Fprintf(&b, " <- %s\n", r.Source)
	}
	network := cfg.Policy.Network
	for _, h := range network.Hosts {
		fmt.Fprintf(&b, "%s: %s", h.ID, h.String())
		if h.Group != "" {
			fmt.Fprintf(&b, " of %s", h.Group)
		}
		fmt.Fprintf(&b, " <- %s\n", h.Source)
	}
	for _, p := range network.Ports {
		fmt.Fprintf(&b, "%s: %d <- %s\n", p.ID, p.Port, p.Source)
	}
	if u := network.Upstream; u != nil {
		fmt.Fprintf(&b, "%s: %s but not %q, with a password of %d bytes <- %s\n",
			u.ID, u.URL, u.Bypass, len(cfg.UpstreamAuth.Reveal()), u.Source)
	}
	for _, c := range cfg.Policy.Credentials {
		fmt.Fprintf(&b, "%s: %s from %s, in %s %q %q, as %q %s %s", c.ID, c.Upstream, c.Keys,
			c.Place.Type, c.Place.Name, c.Place.Format, c.Prefix, c.KeyVariable, c.URLVariable)
		if len(c.Methods)+len(c.Paths) > 0 {
			fmt.Fprintf(&b, ", only %s %s", c.Methods, c.Paths)
		}
		if c.Optional {
			b.WriteString(", optional")
		}
		if c.Arguments != nil {
			fmt.Fprintf(&b, ", arguments %q", c.Arguments)
		}
		if strings.Contains(c.Test.Path, "?") {
			fmt.Fprintf(&b, ", test %s with %s", c.Test.Path, c.Test.Header)
		}
		if len(c.Git) > 0 {
			fmt.Fprintf(&b, ", git %s as %s", c.Git, c.GitUser)
		}
		if c.LoginVariable != "" {
			fmt.Fprintf(&b, ", login %s %s", c.LoginVariable, c.LoginPath)
		}
		fmt.Fprintf(&b, " <- %s\n", c.Source)
		w.showFallback(&b, c.Fallback)
	}
	for _, p := range cfg.Policy.Snapshot.Paths {
		fmt.Fprintf(&b, "%s: %s", p.ID, p.Path)
		if p.Name != "" {
			fmt.Fprintf(&b, " (%s)", p.Name)
		}
		fmt.Fprintf(&b, " <- %s\n", p.Source)
	}
	for _, e := range cfg.Policy.Snapshot.Exclude {
		if e.Source.Origin != policy.OriginDefault {
			fmt.Fprintf(&b, "%s: %s <- %s\n", regexp.MustCompile(`\d+`).ReplaceAllString(string(e.ID), "N"), e.Pattern, e.Source)
		}
	}
	if k := cfg.Policy.Snapshot.Keep; k != nil {
		rule, _ := cfg.Policy.Find(k.ID)
		fmt.Fprintf(&b, "%s: %s <- %s\n", k.ID, rule.Says, k.Source)
	}
	for _, r := range cfg.Policy.Rules() {
		if r.ID.Kind() == policy.KindTrust && r.Source.Origin != policy.OriginDefault {
			fmt.Fprintf(&b, "%s: %s <- %s\n", regexp.MustCompile(`files\.\d+`).ReplaceAllString(string(r.ID), "files.N"), r.Says, r.Source)
		}
	}
	if at := cfg.Needs(policy.KindTrust); at != (policy.Source{}) {
		fmt.Fprintf(&b, "signatures are looked at <- %s\n", at)
	}
	for _, l := range cfg.Layers {
		fmt.Fprintf(&b, "layer %s kind=%s plugin=%q", l.Name, l.Kind, l.Plugin)
		if l.Off != nil {
			fmt.Fprintf(&b, " off by %s", l.Off.Source)
		}
		b.WriteString("\n")
	}
	for _, p := range cfg.Plugins() {
		fmt.Fprintf(&b, "plugin %s %s %q <- %s\n", p.Name, p.Path, p.Version, p.Source)
	}
	for _, d := range cfg.Documents {
		fmt.Fprintf(&b, "document %s\n", d.Path)
	}
	for _, a := range cfg.Asks {
		fmt.Fprintf(&b, "ask %s <- %s\n", a.Says, a.Source)
	}
	for _, n := range cfg.Notices {
		fmt.Fprintf(&b, "notice %s\n", policy.Printable(n.Error()))
	}
	around := cfg.Around()
	for _, r := range around.Rules {
		fmt.Fprintf(&b, "around %s %s %s <- %s\n", r.Access, r.Type, r.Path, r.Source)
	}
	for _, link := range around.Links {
		fmt.Fprintf(&b, "hold %s\n", link)
	}
	return b.String()
}
