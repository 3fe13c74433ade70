package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/policy"
)

func TestSnapshotIsRules(t *testing.T) {
	age, size, none := int64(3600), int64(7), policy.Snapshot{}
	p := policy.Policy{Snapshot: policy.Snapshot{
		Paths:   []policy.SnapshotPath{{ID: "snapshot.path.0", Path: "/proj\n"}},
		Exclude: []policy.SnapshotExclude{{ID: "snapshot.exclude.0", Pattern: "*.log"}},
		Keep:    &policy.SnapshotKeep{ID: "snapshot.keep.0", Age: &age, Size: &size},
	}}
	var says []string
	for _, r := range p.Rules() {
		says = append(says, r.Says)
		if r.ID.Kind() != policy.KindSnapshot {
			t.Errorf("%s is of kind %s", r.ID, r.ID.Kind())
		}
	}
	want := []string{`record /proj\x0a`, "store nothing of *.log", "keep snapshots for 3600 seconds up to 7 bytes"}
	if !slices.Equal(says, want) {
		t.Errorf("got %q, want %q", says, want)
	}
	if !p.Snapshot.IsOn() || none.IsOn() {
		t.Error("a snapshot is on if something is recorded")
	}
	for name, covered := range map[string]bool{"/proj\n": true, "/proj\n/a": true, "/proj": false, "/": false} {
		if p.Snapshot.Covers(name) != covered {
			t.Errorf("%q is covered: %v", name, !covered)
		}
	}
}

func TestCheckExclude(t *testing.T) {
	for _, good := range []string{
		"a", "a/", "/a", "!a", "!/a/", "**/a", "a/**", "a/**/b", "*.log", "[a-z]?", `\*`, "a b", "..a", "~",
		"target/ beside Cargo.toml", "!a/b beside c d", `a\ beside /b`, "beside", "a beside",
	} {
		if err := policy.CheckExclude(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/", "!", "!/", "//", "a//b", "..", "../a", "a/..", "./a", "a/.", "[", `a\`, "a\x00b",
		"a beside ", "a beside b/c", "a beside ..", "a beside *", " beside b", "! beside b",
		"a beside b\x00",
		strings.Repeat("a", 5000), strings.Repeat("a/", 100) + "a",
	} {
		if policy.CheckExclude(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestCutBeside(t *testing.T) {
	for pattern, want := range map[string][2]string{
		"target/":                   {"target/", ""},
		"target/ beside Cargo.toml": {"target/", "Cargo.toml"},
		`a\ beside b`:               {`a\ beside b`, ""},
		"a beside b beside c":       {"a beside b", "c"},
		"a beside b c":              {"a", "b c"},
	} {
		if rest, name := policy.CutBeside(pattern); [2]string{rest, name} != want {
			t.Errorf("%q is %q beside %q", pattern, rest, name)
		}
	}
}
