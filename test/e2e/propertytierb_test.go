//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/test/hosts"
)

// tierBCases is how many policies are tried there.
const tierBCases = 6

// TestTheKernelDoesWhatWhySaysInTierB is the same on a host without user namespaces. What is denied
// inside a grant is held there by giving what lies beside it, name by name, so less is given of the
// directories on the way than was granted; `nono why` says so, and the decision alone does not. What
// nono protects by itself is not held. Nothing else may be given that the decision does not give.
func TestTheKernelDoesWhatWhySaysInTierB(t *testing.T) {
	tried, asked := 0, 0
	for seed := uint64(1); tried < tierBCases || asked < *questions/5; seed++ {
		if tried == 0 && seed > 6*tierBCases {
			t.Fatalf("all of %d policies were refused", seed-1)
		}
		c := newPropertyCase(t, landlock, seed)
		c.Host = &hosts.Host{NoNamespaces: true}
		if c.one(2) { // else most policies with a denial in a grant for writing are refused
			c.hcl += "best_effort = true\n"
			c.write("~/policy.hcl", c.hcl)
		}
		if c.tryTierB() {
			tried++
			asked += c.asked
		}
		c.remove()
	}
	t.Logf("%d policies, %d questions", tried, asked)
}

func (c *propertyCase) tryTierB() bool {
	c.t.Helper()
	decide, ok := c.planTierB()
	if !ok {
		return false
	}
	c.ask()
	c.openingTierB(decide)
	switch {
	case c.t.Failed():
	case c.one(2):
		c.deleting()
	default:
		c.removingTierB(decide)
	}
	if c.t.Failed() {
		c.t.Logf("seed %d: flags %q, policy\n%s", c.seed, c.flags, c.hcl)
		c.t.FailNow()
	}
	return true
}

// planTierB is the decision about the rules that are held there.
func (c *propertyCase) planTierB() (*policy.Decider, bool) {
	c.t.Helper()
	p, ok := c.planned()
	writable := func(dir string) bool {
		return slices.ContainsFunc(p.Filesystem, func(g policy.PathRule) bool {
			return g.Access.Writable() && policy.Within(dir, g.Path)
		})
	}
	held := slices.Clone(p.Filesystem)
	p.Filesystem = slices.DeleteFunc(held, func(r policy.PathRule) bool {
		return r.Access == policy.Protect && r.Source.BuiltIn() && writable(filepath.Dir(r.Path))
	})
	return policy.NewDecider(&p), ok
}

func (c *propertyCase) openingTierB(decide *policy.Decider) {
	c.t.Helper()
	real := slices.Concat(c.dirs, c.files)
	r := c.run(opener, slices.Concat(real, c.links))
	c.succeeds(r)
	if !strings.Contains(r.Stderr, "tier B") {
		c.t.Fatalf("it ran in another tier\n%s", r)
	}
	told := map[string]struct{ Read, Execute bool }{}
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil {
		c.t.Fatalf("%v\n%s", err, r)
	}
	for _, path := range real {
		for op, did := range map[policy.Op]bool{
			policy.OpRead: told[path].Read, policy.OpWrite: c.written(path), policy.OpExecute: told[path].Execute,
		} {
			if d := decide.Path(path, op); did && !d.Allowed {
				c.t.Errorf("%s %q: the kernel lets it, and the decision is %s", op, path, d.Why)
			}
		}
		c.agree(path, "read", told[path].Read)
		c.agree(path, "write", c.written(path))
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			c.agree(path, "list", told[path].Read)
			c.agree(created(path), "create", c.exists(created(path)))
		} else {
			c.agree(path, "execute", told[path].Execute)
		}
	}
	for _, link := range c.links {
		c.agree(link, "read", told[link].Read)
	}
}

// removingTierB is removing with what is held there.
func (c *propertyCase) removingTierB(decide *policy.Decider) {
	c.t.Helper()
	all := slices.Concat(c.dirs, c.files, []string{c.path("~/policy.hcl")})
	kept := map[string]string{}
	for _, path := range all {
		if !decide.Path(path, policy.OpWrite).Allowed {
			kept[path] = state(c.t, path)
		}
	}
	c.succeeds(c.run(remover, slices.Concat(all, c.links)))
	for path, before := range kept {
		if after := state(c.t, path); after != before {
			c.t.Errorf("%q may not be written (%s), and was %s, and is %s", path, decide.Path(path, policy.OpWrite).Why, before, after)
		}
	}
}
