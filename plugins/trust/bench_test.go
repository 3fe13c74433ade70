package trust_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// names is as many as the default policy has, for the looks that they cost.
func (p *place) names() {
	p.policy.Files = nil
	for i, pattern := range []string{
		"CLAUDE.md", "CLAUDE.local.md", "AGENTS.md", "AGENTS.override.md", "GEMINI.md", ".cursorrules", ".windsurfrules",
		".clinerules", ".github/copilot-instructions.md", ".github/instructions/**", ".claude/**", ".codex/**", ".gemini/**",
		".cursor/**", ".opencode/**", ".agents/**", "opencode.json", "opencode.jsonc", "SKILL.md", "skills/**/SKILL.md",
		".mcp.json", "mcp.json", ".vscode/mcp.json",
	} {
		p.policy.Files = append(p.policy.Files, policy.TrustFile{
			ID: policy.RuleID(fmt.Sprintf("trust.files.%d", i)), Pattern: pattern,
			Source: policy.Source{Origin: policy.OriginDefault},
		})
	}
}

// loop measures Plan, its processor time besides: a machine may have other work.
func (p *place) loop(b *testing.B, req *sdk.PlanRequest) {
	b.Helper()
	used := func() time.Duration {
		var u unix.Rusage
		p.must(unix.Getrusage(unix.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	for b.Loop() {
		p.kit.Plan(req)
	}
	b.ReportMetric(float64(used()-before)/float64(b.N)/1e6, "cpu-ms/op")
}

// BenchmarkPlan is what the layer's Plan takes where so many files are signed, each by itself or all
// together, and all of them are remembered. Processes are not in it.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{0, 1, 100, 5000} {
		for _, how := range []string{"each", "together"} {
			b.Run(fmt.Sprintf("%s/%d", how, n), func(b *testing.B) {
				p := newPlace(b)
				p.names()
				p.write("README.md", "x")
				var all []string
				for i := range n {
					name := fmt.Sprintf(".claude/skills/%02d/%02d.md", i/100, i%100)
					p.write(name, fmt.Sprintf("%02000d", i))
					all = append(all, name)
				}
				switch {
				case n == 0:
				case how == "each":
					p.sign(p.key, all...)
				default:
					p.signSet(p.key, "", nil, all...)
				}
				req := p.request()
				if got := len(p.kit.Plan(req).Facts); got != n {
					b.Fatalf("%d are verified", got)
				}
				p.loop(b, req)
			})
		}
	}
}

// BenchmarkPlanInALargeRepository is the same where one file is signed among a hundred thousand that
// are none of anybody's business: beside it, and in other directories.
func BenchmarkPlanInALargeRepository(b *testing.B) {
	for _, beside := range []bool{false, true} {
		b.Run(fmt.Sprintf("beside=%v", beside), func(b *testing.B) {
			p := newPlace(b)
			p.names()
			p.write("CLAUDE.md", "be kind")
			for i := range 100_000 {
				dir := p.dir
				if !beside {
					dir = p.path(fmt.Sprintf("src/%03d", i/100))
				}
				if i%100 == 0 {
					p.must(os.MkdirAll(dir, 0o700))
				}
				p.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.c", i)), nil, 0o600))
			}
			p.sign(p.key, "CLAUDE.md")
			req := p.request()
			if got := len(p.kit.Plan(req).Facts); got != 1 {
				b.Fatalf("%d are verified", got)
			}
			p.loop(b, req)
		})
	}
	b.Run("closed", func(b *testing.B) { // every name in it is looked at
		p := newPlace(b)
		p.names()
		p.write("CLAUDE.md", "be kind")
		for i := range 100_000 {
			dir := p.path(fmt.Sprintf("src/%03d", i/100))
			if i%100 == 0 {
				p.must(os.MkdirAll(dir, 0o700))
			}
			p.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.c", i)), nil, 0o600))
		}
		p.signSet(p.key, "", []string{"**/CLAUDE.md", "**/AGENTS.md"}, "CLAUDE.md")
		req := p.request()
		if got := len(p.kit.Plan(req).Facts); got != 1 {
			b.Fatalf("%d are verified", got)
		}
		p.loop(b, req)
	})
}
