package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/config"
)

// What profiles say, each thing once and of single values the last, is not what is common to all
// runs, nor what exists here.
func TestStatements(t *testing.T) {
	w := newWorld(t)
	w.file("home/.config/nono/config.hcl", "command = [\"own\"]\n")
	w.file("home/.config/nono/profiles/first.hcl", `command = ["a", "b"]
best_effort = true
filesystem {
  read = ["~/x", "~/y"]
}
environment {
  set = { A = "1", B = "2" }
}
network {
  loopback = [1, 2]
  upstream = { url = "u", bypass = ["b"] }
}
credential "s" {
  env = { key = "K" }
  fallback {
    filesystem {
      read = ["~/k"]
    }
  }
}
layer "echo" {
  plugin = "a/b"
  mode   = "secret"
}
snapshot {}
`)
	w.file("home/.config/nono/profiles/second.hcl", `command = ["c"]
best_effort = false
filesystem {
  read = ["~/y", "~/z"]
}
environment {
  set = { B = "3" }
}
`)
	w.options.Profiles = []string{"first", "second"}
	said, _, err := config.Statements(w.options)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range said {
		got = append(got, s.Source.String()[len("~/.config/nono/profiles/"):]+" "+s.Says)
	}
	want := []string{
		`second.hcl:2:1 best_effort = false`,
		`second.hcl:1:1 command = ["c"]`,
		`first.hcl:4:11 filesystem { read = ["~/x"] }`,
		`first.hcl:4:18 filesystem { read = ["~/y"] }`,
		`first.hcl:7:11 environment { set = { A = "1" } }`,
		`second.hcl:7:11 environment { set = { B = "3" } }`,
		`first.hcl:10:3 network { loopback = [1, 2] }`,
		`first.hcl:11:3 network { upstream = { bypass = ["b"], url = "u" } }`,
		`first.hcl:14:3 credential "s" { env = { key = "K" } }`,
		`first.hcl:17:15 credential "s" { fallback { filesystem { read = ["~/k"] } } }`,
		`first.hcl:22:3 layer "echo" { plugin = "a/b" }`,
		`first.hcl:23:12 layer "echo" { mode = ... } in ~/.config/nono/profiles/first.hcl:23:12`,
		`first.hcl:25:1 snapshot { }`,
		`second.hcl:4:18 filesystem { read = ["~/z"] }`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStatementsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.options.Profiles = []string{"nothing"}
	if said, _, err := config.Statements(w.options); said != nil || err == nil ||
		!strings.Contains(err.Error(), `there is no profile "nothing"`) {
		t.Errorf("%v, %v", said, err)
	}
}
