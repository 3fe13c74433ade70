package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/plan"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// The sample's policies, by their names in its directory: all of it, and what is left where nothing
// can be reached on this host, which ends the start.
const (
	SampleWhole = "agent.hcl"
	SampleFiles = "files.hcl"
)

// sampleFiles and sampleNetwork ask for one thing of each kind that a tier may hold or not. With
// best_effort nothing that is not held ends the start, and so all of it is answered for.
const sampleFiles = `best_effort = true

filesystem {
  allow   = ["project"]
  deny    = ["project/denied"]
  protect = ["project/protected"]
}
`

const sampleNetwork = `
network {
  allow    = ["host.example"]
  loopback = [5432]
  listen   = [3000]
}

credential "sample" {
  upstream = "https://service.example"
  source   = "file://$WORKDIR/key"
  header   = "Authorization"
  format   = "Bearer {}"
  env      = { key = "SAMPLE_KEY" }
}
`

// MakeSample makes the sample's policy and the files that it is about, beneath a directory of the
// caller's. Nothing is ever run in it.
func MakeSample(dir string) error {
	for _, name := range []string{"project/.git/hooks", "project/.git/objects", "project/.git/refs"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return fmt.Errorf("making a sample: %w", err)
		}
	}
	for name, content := range map[string]string{
		SampleWhole: sampleFiles + sampleNetwork, SampleFiles: sampleFiles,
		"key": "no key at all", "project/denied": "", "project/protected": "",
		"project/.git/HEAD": "ref: refs/heads/main\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("making a sample: %w", err)
		}
	}
	return nil
}

// meanings say what the sample's rules stand for, by the beginning of their ids and the last names
// of their paths.
var meanings = []struct {
	id, path, says string
}{
	{"filesystem.allow.", "project", "a directory that you grant, of which you deny something"},
	{"filesystem.deny.", "project/denied", "a file that you deny in it"},
	{"filesystem.protect.", "project/protected", "a file that you protect in it"},
	{"filesystem.protect.", "project/.git/hooks", "what is protected in it by default, as .git/hooks"},
	{"network.allow.", "", "a host that you allow, and no other"},
	{"network.loopback.", "", "a port of this machine that you open"},
	{"network.listen.", "", "a port of this machine at which the agent may serve"},
	{"credentials.", "", "a key that the agent uses and does not have"},
}

// Judge is what a plan of the sample's says of the host, or why there is none. dir is the sample's,
// without links.
func Judge(p *plan.Plan, err error, dir string) Sandbox {
	if err != nil {
		return refused(err)
	}
	s := Sandbox{Tier: p.Host.Tier}
	if p.Fallback != nil {
		s.Why, s.Try, s.Refused = p.Fallback.Reason, p.Fallback.Try, true
	}
	for _, m := range meanings {
		at := slices.IndexFunc(p.Rules, func(r plan.Rule) bool {
			return strings.HasPrefix(string(r.ID), m.id) &&
				(m.path == "" && r.Path == "" || r.Path == filepath.Join(dir, m.path))
		})
		if at >= 0 {
			r := restriction(p.Rules[at], m.says)
			// Where the sample lies is nothing to anybody.
			r.By, r.Why = strings.ReplaceAll(r.By, dir+"/", ""), strings.ReplaceAll(r.Why, dir+"/", "")
			s.Restrictions = append(s.Restrictions, r)
		}
	}
	for _, r := range p.Rules {
		if r.ID.Kind() == policy.KindBase && r.Source.Origin == policy.OriginBase {
			s.Restrictions = append(s.Restrictions, restriction(r, r.Says))
		}
	}
	return s
}

// Without adds what this host has not, and the sample about files does not ask for: why is what the
// whole sample was refused for.
func (s *Sandbox) Without(why error) {
	reason := refused(why).Why
	for _, m := range meanings {
		if m.path == "" {
			s.Restrictions = append(s.Restrictions, Restriction{
				ID: strings.TrimSuffix(m.id, "."), Says: m.says, Held: sdk.Unavailable, Why: reason,
			})
		}
	}
}

func restriction(r plan.Rule, says string) Restriction {
	return Restriction{ID: string(r.ID), Says: says, Held: r.Held, By: r.By, Why: r.Why}
}

// refused is a host on which no run starts.
func refused(err error) Sandbox {
	if p, ok := session.RefusedByHost(err); ok {
		return Sandbox{Why: p.Summary, Try: p.Detail, Refused: true}
	}
	var several diag.Problems
	var one diag.Problem
	switch {
	case errors.As(err, &one):
	case errors.As(err, &several) && len(several) > 0:
		one = several[0]
	default:
		one.Summary = err.Error()
	}
	return Sandbox{Why: one.Summary, Try: one.Detail}
}
