package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/sdk/policy"
)

// Both names of a linked policy file are told: who replaces the link decides what the next run
// loads.
func TestPolicyFilesAreTheNamesThatWereFollowed(t *testing.T) {
	w := newWorld(t)
	w.file("home/dotfiles/config.hcl", "")
	w.links("home/.config/nono/config.hcl -> /T/home/dotfiles/config.hcl")
	w.file("shared/agent.hcl", "")
	w.links("proj/agent.hcl -> /T/shared/agent.hcl")
	w.flags("-c agent.hcl")
	var got []string
	for _, name := range load(t, w).Files {
		got = append(got, strings.TrimPrefix(name, w.root))
	}
	if diff := cmp.Diff([]string{"/home/.config/nono/config.hcl", "/proj/agent.hcl"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A name need not be UTF-8, wherever it comes from: a rule keeps its bytes. An agent could else
// stop a later run, or get a denial dropped, by leaving such a name.
func TestNamesThatAreNotUTF8(t *testing.T) {
	for _, tt := range []struct {
		name   string
		place  func(*world)
		flags  string
		access policy.Access
		path   string
	}{
		{"where a link leads", func(w *world) {
			w.file("home/bad\xff/", "")
			w.links("home/link -> bad\xff")
		}, "--deny ~/link", policy.Deny, "/home/bad\xff"},
		{"a flag", func(w *world) { w.file("home/bad\xff/", "") }, "--allow ~/bad\xff", policy.Allow, "/home/bad\xff"},
		{"what a default denial matches", func(w *world) {
			w.env["XDG_RUNTIME_DIR"] = w.root + "/run"
			w.file("run/ssh-agent\xff", "")
		}, "--allow /T/run", policy.Deny, "/run/ssh-agent\xff"},
		{"the same, where nothing but that is granted", func(w *world) {
			w.env["XDG_RUNTIME_DIR"] = w.root + "/run"
			w.file("run/ssh-agent\xff", "")
		}, "--read /T/run/ssh-agent\xff", policy.Deny, "/run/ssh-agent\xff"},
		{"the current directory", func(w *world) {
			w.file("bad\xff/", "")
			w.options.Dir = w.root + "/bad\xff"
		}, "--allow-cwd", policy.Allow, "/bad\xff"},
		{"a protected name in it", func(w *world) {
			w.file("bad\xff/.git/hooks/", "")
			w.options.Dir = w.root + "/bad\xff"
		}, "--allow-cwd", policy.Protect, "/bad\xff/.git/hooks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.place(w)
			w.flags(tt.flags)
			rules := load(t, w).Policy.Filesystem
			if !slices.ContainsFunc(rules, func(r policy.PathRule) bool { return r.Access == tt.access && r.Path == w.root+tt.path }) {
				t.Errorf("nothing says %s %q:\n%q", tt.access, tt.path, rules)
			}
		})
	}
}

func TestPathsLongerThanAnyFiles(t *testing.T) {
	w := newWorld(t)
	w.file("proj/agent.hcl", "filesystem {\n  deny = [\""+strings.Repeat("a/", 3000)+"\"]\n}\n")
	w.flags("-c agent.hcl")
	if _, err := config.Load(w.options); err == nil || !strings.Contains(err.Error(), "no file has a path of more than") {
		t.Errorf("got %v", err)
	}
}

// A stranger's pipes, sockets and directories without rights, where nono looks by itself, neither
// hold it up nor stop it.
func TestOddFilesWhereGitAndTheProjectAreLookedAt(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{".git", ".env", ".mcp.json", ".claude"} {
		pipe(t, filepath.Join(w.root, "proj", name))
	}
	w.flags("--allow-cwd")
	load(t, w)

	w = newWorld(t)
	w.file("proj/.git/HEAD", "ref: refs/heads/main\n")
	w.file("proj/.git/objects/", "")
	for _, name := range []string{"config", "hooks", "commondir"} {
		pipe(t, filepath.Join(w.root, "proj/.git", name))
	}
	w.flags("--allow-cwd")
	load(t, w)
}

// An agent takes its own right to search a directory away, so that the next start sees nothing
// there to protect or deny, and would give it back to itself inside. (Root searches everything, and
// sees it.)
func TestDirectoriesThatWereMadeUnsearchable(t *testing.T) {
	for _, tt := range []struct {
		name  string
		make  string // exists, and would be protected or denied
		chmod string
		mode  os.FileMode
		flags string
		want  string
	}{
		{"the git directory", "proj/.git/config", "proj/.git", 0o600, "--allow-cwd", "~/../proj/.git cannot be searched"},
		{"the project", "proj/.mcp.json", "proj", 0o600, "--allow-cwd", "~/../proj cannot be searched"},
		{"above a default denial", "home/.m2/settings.xml", "home/.m2", 0o600, "--allow ~", "~/.m2 cannot be searched"},
		{"where the user's pattern is looked for", "proj/shut/.env", "proj/shut", 0o000, "-c agent.hcl", "~/../proj/shut cannot be searched"},
		{"where a pattern is looked for", "run/ssh-agent.sock", "run", 0o300, "--allow /T/run", "cannot be searched"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.env["XDG_RUNTIME_DIR"] = w.root + "/run"
			w.file(tt.make, "")
			w.file("proj/agent.hcl", "filesystem {\n  allow = [\".\"]\n  deny = [\"**/.env\"]\n}\n")
			w.flags(tt.flags)
			before := restrictions(load(t, w))
			if len(before) == 0 {
				t.Fatal("the control failed: nothing is denied or protected")
			}
			dir := filepath.Join(w.root, tt.chmod)
			if err := os.Chmod(dir, tt.mode); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
			want := strings.ReplaceAll(tt.want, "~/../", w.root+"/")
			after, err := config.Load(w.options)
			switch {
			case err == nil && slices.Equal(restrictions(after.Config), before):
				// It was seen all the same: this is root.
			case err == nil:
				t.Errorf("what was %q is now %q", before, restrictions(after.Config))
			case !strings.Contains(err.Error(), want):
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// restrictions are the denials and protections beneath the test's own root.
func restrictions(cfg *config.Config) []string {
	var all []string
	for _, r := range cfg.Policy.Filesystem {
		if !r.Access.Grants() && strings.Contains(r.Path, "TestDirectories") {
			all = append(all, string(r.Access)+" "+r.Path)
		}
	}
	return all
}

func pipe(t *testing.T, path string) {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A grant of the whole disk does not mean the kernel's controls; who means them says so.
func TestTheKernelsControlsAreProtected(t *testing.T) {
	for flags, want := range map[string]bool{
		"--allow /": false, "--read /": false, "--allow-cwd": false, "--allow /sys": false, "--allow /\n--write /sys": true, "--write /sys": true,
	} {
		w := newWorld(t)
		w.flags(flags)
		if got := decide(load(t, w)).Path("/sys/power/state", policy.OpWrite).Allowed; got != want {
			t.Errorf("%q: /sys may be written: %v", flags, got)
		}
	}
}

// A plugin that is a script is run by what its first line names, and that must be out of the
// agent's reach as well.
func TestInterpreterOfAPluginInAGrant(t *testing.T) {
	for line, refused := range map[string]bool{
		"#!/bin/sh":               false,
		"#!/T/proj/bin/python -u": true,
		"#! /usr/bin/env -S /T/proj/bin/python -u": true,
		"#!/T/link/bin/python":                     true,
		"#!/T/proj-elsewhere/python":               false,
		"\x7fELF":                                  false,
	} {
		w := newWorld(t)
		w.file("tools/layer", line+"\nexit\n")
		w.file("proj/bin/python", "")
		w.links("link -> /T/proj")
		w.file("home/.config/nono/config.hcl", "plugin \"acme/egress\" {\n  path = \"/T/tools/layer\"\n}\n")
		w.flags("--allow-cwd")
		_, err := config.Load(w.options)
		if got := err != nil && strings.Contains(err.Error(), "the interpreter of the plugin acme/egress lies in"); got != refused || !refused && err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}
