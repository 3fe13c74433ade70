package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/policy"
)

func TestPathSet(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "ab", "b"})
	paths := rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(names, 0, 4).Draw(t, "names"), "/")
	})
	rapid.Check(t, func(t *rapid.T) {
		in, asked := rapid.SliceOfN(paths, 0, 6).Draw(t, "in"), paths.Draw(t, "asked")
		var set pathSet
		meets := false
		for _, p := range in {
			set.add(p)
			meets = meets || policy.Within(asked, p) || policy.Within(p, asked)
		}
		if got := set.meets(asked); got != meets {
			t.Fatalf("%q meets %s: %v", in, asked, got)
		}
	})
}

// What leads nowhere has no path, and meets nothing; least of all for ever.
func TestPathSetOfNoPath(t *testing.T) {
	var set pathSet
	set.add("/a")
	for _, name := range []string{"", ".", "a"} {
		if set.meets(name) {
			t.Errorf("%q meets /a", name)
		}
	}
}
