package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/trust"
	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/plugins/trust/statement"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/policy"
)

// place is an account with a project.
type place struct {
	t    testing.TB
	kit  *layertest.Kit
	root string // of everything
	dir  string // the project, a repository
	ring *keys.Ring
	key  *ecdsa.PrivateKey // trusted, as "default"

	policy    policy.Trust
	more      []policy.PathRule
	documents []sdk.Document
	dry       bool
	at        string // the current directory; dir if empty
}

var ownConfig = policy.Source{
	Origin: policy.OriginConfig, File: "config.hcl", Line: 1, Column: 1, EndLine: 1, EndColumn: 2,
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newPlace is one whose user trusts one key and has signed nothing.
func newPlace(t testing.TB) *place {
	t.Helper()
	root, err := hostfile.Resolve(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, kit: layertest.New(t, trust.New()), root: root, dir: root + "/home/proj"}
	for _, dir := range []string{p.dir + "/.git", p.state(), filepath.Dir(p.config())} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.ring, err = keys.Open(p.config(), keys.Options{UID: os.Geteuid()})
	if err != nil {
		t.Fatal(err)
	}
	p.key = p.trust("default")
	for i, pattern := range []string{"CLAUDE.md", "AGENTS.md", ".claude/**"} {
		p.policy.Files = append(p.policy.Files, policy.TrustFile{
			ID: policy.RuleID(fmt.Sprintf("trust.files.%d", i)), Pattern: pattern,
			Source: policy.Source{Origin: policy.OriginDefault},
		})
	}
	p.unsigned(policy.UnsignedAllow)
	return p
}

func (p *place) config() string { return p.root + "/config/trust" }
func (p *place) state() string  { return p.root + "/state" }

// trust makes a key that is trusted.
func (p *place) trust(name string) *ecdsa.PrivateKey {
	p.t.Helper()
	key := newKey(p.t)
	if _, err := p.ring.Add(p.t.Context(), name, &key.PublicKey); err != nil {
		p.t.Fatal(err)
	}
	return key
}

func (p *place) unsigned(is policy.Unsigned) {
	p.policy.Unsigned = &policy.TrustUnsigned{
		ID: "trust.unsigned.0", Is: is, Source: ownConfig,
	}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) write(name, text string) {
	p.t.Helper()
	p.must(os.MkdirAll(filepath.Dir(p.path(name)), 0o700))
	p.must(os.WriteFile(p.path(name), []byte(text), 0o600))
}

func (p *place) remove(names ...string) {
	p.t.Helper()
	for _, name := range names {
		p.must(os.Remove(p.path(name)))
	}
}

func (p *place) link(target, name string) {
	p.t.Helper()
	p.must(os.Symlink(target, p.path(name)))
}

// subjects are files as they are now, by names seen from a directory.
func (p *place) subjects(dir string, names ...string) []statement.Subject {
	p.t.Helper()
	var all []statement.Subject
	for _, name := range names {
		text, err := os.ReadFile(p.path(filepath.Join(dir, name)))
		p.must(err)
		all = append(all, statement.Subject{Name: name, SHA256: sha256.Sum256(text)})
	}
	return all
}

func (p *place) bundle(name string, by *ecdsa.PrivateKey, s statement.Statement) {
	p.t.Helper()
	text, err := bundle.Sign(s, by)
	p.must(err)
	p.write(name, string(text))
}

// sign signs files, each by itself.
func (p *place) sign(by *ecdsa.PrivateKey, names ...string) {
	p.t.Helper()
	for _, name := range names {
		dir, base := filepath.Split(name)
		p.bundle(name+".sigstore.json", by, statement.Statement{Subjects: p.subjects(dir, base)})
	}
}

// signSet signs files together.
func (p *place) signSet(by *ecdsa.PrivateKey, dir string, closed []string, names ...string) {
	p.t.Helper()
	p.bundle(filepath.Join(dir, ".nono-trust.sigstore.json"), by,
		statement.Statement{Subjects: p.subjects(dir, names...), Closed: closed})
}

func (p *place) request() *sdk.PlanRequest {
	req := layertest.Request(nil)
	req.Host.UID = os.Geteuid()
	req.Host.Home = p.root + "/home"
	req.Command.Dir = p.dir
	if p.at != "" {
		req.Command.Dir = p.at
	}
	req.ConfigDir, req.StateDir = p.config(), p.state()
	req.Policy.Trust = p.policy
	req.Policy.Filesystem = append([]policy.PathRule{{
		ID: "filesystem.allow.0", Access: policy.Allow, Path: req.Command.Dir, Type: policy.Directory,
		Source: policy.Source{Origin: policy.OriginFlag, Flag: "--allow-cwd"},
	}}, p.more...)
	req.Documents = p.documents
	req.DryRun = p.dry
	return req
}

// plan asks the layer, and returns what it says of problems: a line each, a mark before it.
func (p *place) plan() (*sdk.PlanResponse, string) {
	p.t.Helper()
	resp := p.kit.Plan(p.request())
	var said []string
	for _, d := range resp.Diagnostics {
		mark := "E "
		if d.Severity == sdk.SeverityWarning {
			mark = "W "
		}
		said = append(said, mark+d.Summary)
	}
	return resp, strings.Join(said, "\n")
}

// verified are the paths of the facts, as they are seen from the project.
func (p *place) verified(resp *sdk.PlanResponse) string {
	var all []string
	for _, f := range resp.Facts {
		v, ok := f.(fact.VerifiedFile)
		if !ok {
			p.t.Fatalf("%T", f)
		}
		all = append(all, strings.TrimPrefix(v.Path, p.dir+"/"))
	}
	return strings.Join(all, " ")
}

// starts expects a run with these files verified.
func (p *place) starts(verified string) *sdk.PlanResponse {
	p.t.Helper()
	resp, said := p.plan()
	if said != "" {
		p.t.Errorf("it says\n%s", said)
	}
	if got := p.verified(resp); got != verified {
		p.t.Errorf("verified: %s\n    want: %s", got, verified)
	}
	return resp
}

// refuses expects no run, and exactly one line that says why.
func (p *place) refuses(why string) {
	p.t.Helper()
	resp, said := p.plan()
	if !strings.HasPrefix(said, "E ") || !strings.Contains(said, why) || strings.Contains(said, "\n") {
		p.t.Errorf("it says\n%s\nwant: %s", said, why)
	}
	if len(resp.Facts)+len(resp.Fragment.Steps) > 0 {
		p.t.Errorf("it answers nevertheless: %+v", resp)
	}
}

func (p *place) remembered() string {
	p.t.Helper()
	m, err := memory.Load(p.state())
	p.must(err)
	var all []string
	for _, e := range m.All() {
		all = append(all, strings.TrimPrefix(e.Path, p.dir+"/"))
	}
	return strings.Join(all, " ")
}

func TestNeverSigned(t *testing.T) {
	p := newPlace(t)
	p.write("CLAUDE.md", "be kind")
	p.starts("")
	p.unsigned(policy.UnsignedWarn)
	resp, said := p.plan()
	if said != "W CLAUDE.md is not signed" || resp.Diagnostics[0].Rule != "trust.unsigned.0" ||
		!strings.Contains(resp.Diagnostics[0].Detail, "nono trust sign CLAUDE.md") {
		t.Errorf("%+v", resp.Diagnostics)
	}
	p.unsigned(policy.UnsignedRefuse)
	p.refuses("CLAUDE.md is not signed")
	if p.remembered() != "" {
		t.Errorf("%s", p.remembered())
	}
}

func TestSigned(t *testing.T) {
	p := newPlace(t)
	p.write("CLAUDE.md", "be kind")
	p.write(".claude/settings.json", "{}")
	p.sign(p.key, "CLAUDE.md", ".claude/settings.json")
	p.dry = true
	p.starts(".claude/settings.json CLAUDE.md")
	if got := p.remembered(); got != "" {
		t.Errorf("nono plan has remembered %s", got)
	}
	p.dry = false
	resp := p.starts(".claude/settings.json CLAUDE.md")
	if got := p.remembered(); got != ".claude/settings.json CLAUDE.md" {
		t.Errorf("remembered: %s", got)
	}
	// Core shows what has the digest: no content is in the answer.
	kind := fact.VerifiedFile{Path: p.path("CLAUDE.md"), SHA256: sha256.Sum256([]byte("be kind"))}
	if len(resp.Facts) != 2 || resp.Facts[1] != fact.Fact(kind) || len(resp.Fragment.Steps) != 0 {
		t.Errorf("%+v, %+v", resp.Facts, resp.Fragment.Steps)
	}
	for _, c := range resp.Coverage {
		if c.Held != sdk.Enforced {
			t.Errorf("%+v", c)
		}
	}
	if len(resp.Coverage) != 4 {
		t.Errorf("%+v", resp.Coverage)
	}
	for _, is := range []policy.Unsigned{policy.UnsignedWarn, policy.UnsignedRefuse} {
		p.unsigned(is)
		p.starts(".claude/settings.json CLAUDE.md")
	}
}

// TestTampered has what is done to a signed file that was seen once, and the one line that says it.
func TestTampered(t *testing.T) {
	edit := func(from, to string) func(*place) {
		return func(p *place) {
			text, err := os.ReadFile(p.path("CLAUDE.md.sigstore.json"))
			p.must(err)
			if !strings.Contains(string(text), from) {
				p.t.Fatalf("nothing to edit in %s", text)
			}
			p.write("CLAUDE.md.sigstore.json", strings.Replace(string(text), from, to, 1))
		}
	}
	for name, tt := range map[string]struct {
		do   func(*place)
		says string
	}{
		"a byte of the file": {
			func(p *place) { p.write("CLAUDE.md", "be kinD") },
			`CLAUDE.md is not what was signed: it was changed after key "default" signed it (CLAUDE.md.sigstore.json)`,
		},
		"the file is empty": {
			func(p *place) { p.write("CLAUDE.md", "") }, "CLAUDE.md is not what was signed",
		},
		"the signature is gone": {
			func(p *place) { p.remove("CLAUDE.md.sigstore.json") },
			`CLAUDE.md is not signed any more: key "default" signed it`,
		},
		"the signature is empty": {
			func(p *place) { p.write("CLAUDE.md.sigstore.json", "") },
			"the signature of CLAUDE.md is broken (CLAUDE.md.sigstore.json): it is empty",
		},
		"the signature is a link": {
			func(p *place) {
				p.must(os.Rename(p.path("CLAUDE.md.sigstore.json"), p.path("x")))
				p.link("x", "CLAUDE.md.sigstore.json")
			},
			"CLAUDE.md.sigstore.json is a link to x, and a signature has to lie beside the file itself",
		},
		"the signature is a pipe": {
			func(p *place) {
				p.remove("CLAUDE.md.sigstore.json")
				p.must(unix.Mkfifo(p.path("CLAUDE.md.sigstore.json"), 0o600))
			},
			"is broken (CLAUDE.md.sigstore.json): it is not a regular file",
		},
		"the signature is a directory": {
			func(p *place) {
				p.remove("CLAUDE.md.sigstore.json")
				p.must(os.Mkdir(p.path("CLAUDE.md.sigstore.json"), 0o700))
			},
			"is broken (CLAUDE.md.sigstore.json): it is not a regular file",
		},
		"the signature has 100 MB": {
			func(p *place) { p.must(os.Truncate(p.path("CLAUDE.md.sigstore.json"), 100<<20)) },
			"is broken (CLAUDE.md.sigstore.json): it has more than 4194304 bytes",
		},
		"the signature is nested deep": {
			func(p *place) { p.write("CLAUDE.md.sigstore.json", strings.Repeat(`{"a":`, 100_000)) },
			"is broken (CLAUDE.md.sigstore.json): ",
		},
		"the payload has another type": {
			edit("application/vnd.in-toto+json", "application/vnd.in-toto+jsoN"),
			"what it signs is not an in-toto statement",
		},
		"the payload is another one": {
			edit(`"payload": "ey`, `"payload": "ez`), "its signature does not fit what it signs",
		},
		"the signature of another file": {
			func(p *place) {
				p.write("OTHER.md", "be evil")
				p.sign(p.key, "OTHER.md")
				p.must(os.Rename(p.path("OTHER.md.sigstore.json"), p.path("CLAUDE.md.sigstore.json")))
				p.write("CLAUDE.md", "be evil")
			},
			"CLAUDE.md.sigstore.json is the signature of another file (OTHER.md), and lies beside CLAUDE.md",
		},
		"a second signature": {
			edit(`"signatures": [`, `"signatures": [{"sig": "AAAA"},`), "it has to have one signature",
		},
		"signed by somebody else who is trusted": {
			func(p *place) {
				p.write("CLAUDE.md", "be evil")
				p.sign(p.trust("work"), "CLAUDE.md")
			},
			`CLAUDE.md is signed by somebody else: by key "work" (CLAUDE.md.sigstore.json), and by key "default" since`,
		},
		"signed by somebody who is not": {
			func(p *place) {
				p.write("CLAUDE.md", "be evil")
				p.sign(newKey(p.t), "CLAUDE.md")
			},
			`CLAUDE.md is signed by somebody whom you do not trust (CLAUDE.md.sigstore.json), and was by key "default" since`,
		},
		"the key is revoked": {
			func(p *place) {
				id, err := keys.IDOf(&p.key.PublicKey)
				p.must(err)
				p.must(p.ring.RevokeKey(p.t.Context(), id))
			},
			"CLAUDE.md is signed with a key that was revoked (CLAUDE.md.sigstore.json)",
		},
		"the policy revokes the key": {
			func(p *place) {
				id, err := keys.IDOf(&p.key.PublicKey)
				p.must(err)
				p.policy.Revoked = []policy.TrustRevoked{{ID: "trust.revoked.0", Source: ownConfig, SHA256: string(id)}}
			},
			"CLAUDE.md is signed with a key that was revoked (CLAUDE.md.sigstore.json)",
		},
		"the content is revoked": {
			func(p *place) { p.must(p.ring.RevokeDigest(p.t.Context(), sha256.Sum256([]byte("be kind")))) },
			fmt.Sprintf("CLAUDE.md has a content that was revoked: sha256:%x", sha256.Sum256([]byte("be kind"))),
		},
		"the policy names other signers": {
			func(p *place) {
				p.policy.Signers = []policy.TrustSigner{{ID: "trust.signers.0", Source: ownConfig, Key: "work"}}
			},
			`key "default" is none of the signers that your policy names`,
		},
		"a link to another file": {
			func(p *place) {
				p.write("OTHER.md", "be kind")
				p.remove("CLAUDE.md")
				p.link("OTHER.md", "CLAUDE.md")
			},
			`CLAUDE.md is a link to OTHER.md, and was a file of its own when key "default" signed it`,
		},
		"a link to a file elsewhere": {
			func(p *place) {
				p.write("sub/OTHER.md", "be kind")
				p.remove("CLAUDE.md")
				p.link("sub/OTHER.md", "CLAUDE.md")
			},
			"CLAUDE.md cannot be verified: CLAUDE.md is a link to sub/OTHER.md",
		},
		"a link to nothing": {
			func(p *place) {
				p.remove("CLAUDE.md")
				p.link("nothing", "CLAUDE.md")
			},
			"CLAUDE.md cannot be verified: it is a link to nothing, which is not there",
		},
		"a link to itself": {
			func(p *place) {
				p.remove("CLAUDE.md")
				p.link("CLAUDE.md", "CLAUDE.md")
			},
			"CLAUDE.md cannot be verified: CLAUDE.md is a link to CLAUDE.md",
		},
		"a pipe": {
			func(p *place) {
				p.remove("CLAUDE.md")
				p.must(unix.Mkfifo(p.path("CLAUDE.md"), 0o600))
			},
			"CLAUDE.md cannot be verified: it is not a regular file",
		},
		"a directory": {
			func(p *place) {
				p.remove("CLAUDE.md")
				p.must(os.Mkdir(p.path("CLAUDE.md"), 0o700))
			},
			"CLAUDE.md cannot be verified: it is not a regular file",
		},
		"a file of 100 MB": {
			func(p *place) { p.must(os.Truncate(p.path("CLAUDE.md"), 100<<20)) },
			"CLAUDE.md cannot be verified: it has more than 8388608 bytes",
		},
		"another case beside it": {
			func(p *place) { p.write("claude.md", "be evil") }, "claude.md may be taken for CLAUDE.md, which is signed",
		},
		"letters in full width beside it": {
			func(p *place) { p.write("\uff23LAUDE.md", "be evil") }, "\uff23LAUDE.md may be taken for CLAUDE.md",
		},
		"a character that is not seen in a name beside it": {
			func(p *place) { p.write("CLAUDE\u200b.md", "be evil") }, `CLAUDE\u200b.md may be taken for CLAUDE.md`,
		},
		"the memory is damaged": {
			func(p *place) { p.must(os.WriteFile(p.state()+"/memory", []byte("x"), 0o600)) },
			"what was ever signed here cannot be read from",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.write("CLAUDE.md", "be kind")
			p.sign(p.key, "CLAUDE.md")
			p.starts("CLAUDE.md")
			tt.do(p)
			p.refuses(tt.says)
		})
	}
}

func TestForgotten(t *testing.T) {
	p := newPlace(t)
	p.write("CLAUDE.md", "be kind")
	p.sign(p.key, "CLAUDE.md")
	p.starts("CLAUDE.md")
	p.remove("CLAUDE.md.sigstore.json")
	p.refuses("not signed any more")
	p.must(memory.Update(t.Context(), p.state(), func(m *memory.Memory) error {
		m.Forget(p.path("CLAUDE.md"))
		return nil
	}))
	p.starts("")
}

func TestAFileThatIsGone(t *testing.T) {
	p := newPlace(t)
	p.write("CLAUDE.md", "be kind")
	p.sign(p.key, "CLAUDE.md")
	p.starts("CLAUDE.md")
	p.remove("CLAUDE.md")
	p.refuses("CLAUDE.md is missing, and its signature is there (CLAUDE.md.sigstore.json)")
	p.remove("CLAUDE.md.sigstore.json")
	p.starts("")
	p.write("CLAUDE.md", "be evil")
	p.refuses("is not signed any more")
}

// TestAnotherBranch has an older content, with the signature of then.
func TestAnotherBranch(t *testing.T) {
	p := newPlace(t)
	for _, text := range []string{"new", "old"} {
		p.write("CLAUDE.md", text)
		p.sign(p.key, "CLAUDE.md")
		p.starts("CLAUDE.md")
	}
}

// TestSignedTogether is about a bundle of many files.
func TestSignedTogether(t *testing.T) {
	signed := func(t *testing.T, closed ...string) *place {
		p := newPlace(t)
		p.write("CLAUDE.md", "be kind")
		p.write(".claude/skills/x/SKILL.md", "do x")
		p.write("web/AGENTS.md", "be neat")
		p.signSet(p.key, "", closed, "CLAUDE.md", ".claude/skills/x/SKILL.md", "web/AGENTS.md")
		return p
	}
	t.Run("as it is", func(t *testing.T) {
		p := signed(t)
		p.starts(".claude/skills/x/SKILL.md CLAUDE.md")
		p.at = p.path("web") // the root's are looked at from there, too
		p.starts(".claude/skills/x/SKILL.md CLAUDE.md web/AGENTS.md")
		p.at = ""
		p.starts(".claude/skills/x/SKILL.md CLAUDE.md web/AGENTS.md") // for it is remembered by now
	})
	t.Run("one is changed", func(t *testing.T) {
		p := signed(t)
		p.write("CLAUDE.md", "be evil")
		p.refuses(`CLAUDE.md is not what was signed: it was changed after key "default" signed it (.nono-trust.sigstore.json)`)
	})
	t.Run("it is broken", func(t *testing.T) {
		p := signed(t)
		p.write(".nono-trust.sigstore.json", "{}")
		p.refuses("a signature of many files is broken (.nono-trust.sigstore.json)")
	})
	t.Run("it is gone", func(t *testing.T) {
		p := signed(t)
		p.starts(".claude/skills/x/SKILL.md CLAUDE.md")
		p.remove(".nono-trust.sigstore.json")
		if _, said := p.plan(); strings.Count(said, "is not signed any more") != 2 {
			t.Errorf("it says\n%s", said)
		}
	})
	t.Run("a new file, and it is open", func(t *testing.T) {
		p := signed(t)
		p.write(".claude/evil.md", "be evil")
		p.starts(".claude/skills/x/SKILL.md CLAUDE.md")
	})
	t.Run("a new file, and it is closed", func(t *testing.T) {
		p := signed(t, ".claude/**")
		p.write(".claude/evil.md", "be evil")
		p.refuses(`.claude/evil.md is none of the files that key "default" signed, and nothing else may lie there ` +
			"(.nono-trust.sigstore.json says so of .claude/**)")
	})
	t.Run("a new file where no pattern of the policy looks", func(t *testing.T) {
		p := signed(t, "prompts/**")
		p.starts(".nono-trust.sigstore.json .claude/skills/x/SKILL.md CLAUDE.md web/AGENTS.md")
		p.write("prompts/evil.md", "be evil")
		p.refuses("prompts/evil.md is none of the files")
	})
	t.Run("a new link in a closed set", func(t *testing.T) {
		p := signed(t, ".claude/**")
		p.link("../CLAUDE.md", ".claude/evil.md")
		p.refuses(".claude/evil.md is none of the files")
	})
	t.Run("a file of a closed set is missing", func(t *testing.T) {
		p := signed(t, ".claude/**")
		p.remove("web/AGENTS.md")
		p.refuses("web/AGENTS.md is missing, and one of the files that key \"default\" signed together")
	})
	t.Run("a repository within hides nothing", func(t *testing.T) {
		p := signed(t, "**/AGENTS.md")
		p.starts(".nono-trust.sigstore.json .claude/skills/x/SKILL.md CLAUDE.md web/AGENTS.md")
		p.must(os.MkdirAll(p.path("web/.git"), 0o700))
		p.at = p.path("web")
		p.write("web/AGENTS.md", "be evil")
		p.refuses("is not what was signed")
	})
	t.Run("a link in the place of a closed directory", func(t *testing.T) {
		for _, closed := range []string{"notes/**", "notes/*.md", "pro*/*.md", "**/EVIL.md", "prompts/**/*.md"} {
			p := signed(t, closed)
			p.write("../elsewhere/EVIL.md", "be evil")
			p.write("prompts/.keep", "")
			p.write("docs/x/y", "")
			p.link("x", "docs/link") // this leads nowhere else, and is no danger
			p.starts(".nono-trust.sigstore.json .claude/skills/x/SKILL.md CLAUDE.md web/AGENTS.md")
			p.remove("prompts/.keep", "prompts")
			name := "notes"
			switch closed {
			case "pro*/*.md":
				name = "prompts"
			case "prompts/**/*.md":
				name = "prompts/more"
				p.must(os.Mkdir(p.path("prompts"), 0o700))
			}
			p.link(p.root+"/home/elsewhere", name)
			p.refuses("nobody can tell what else lies there: " + name + " is a link")
		}
	})
	t.Run("a closed directory that cannot be listed", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root lists every directory")
		}
		p := signed(t, "notes/**")
		p.must(os.Mkdir(p.path("notes"), 0o700))
		p.starts(".nono-trust.sigstore.json .claude/skills/x/SKILL.md CLAUDE.md web/AGENTS.md")
		p.write("notes/evil.md", "be evil")
		p.must(os.Chmod(p.path("notes"), 0o300))
		t.Cleanup(func() { _ = os.Chmod(p.path("notes"), 0o700) })
		p.refuses("nobody can tell what else lies there: notes cannot be looked into")
	})
	t.Run("the set of a stranger", func(t *testing.T) {
		p := signed(t)
		p.signSet(newKey(t), "", []string{"**"}, "CLAUDE.md")
		if _, said := p.plan(); !strings.HasPrefix(said, "W what .nono-trust.sigstore.json signs counts as not signed") ||
			strings.Contains(said, "\n") {
			t.Errorf("it says\n%s", said)
		}
	})
	t.Run("signatures in a closed set are no files of it", func(t *testing.T) {
		p := signed(t, "**/*")
		p.sign(p.key, "CLAUDE.md")
		p.starts(".nono-trust.sigstore.json .claude/skills/x/SKILL.md CLAUDE.md web/AGENTS.md")
	})
}

// TestLinks is about names that lead to a file beside them.
func TestLinks(t *testing.T) {
	linked := func(t *testing.T) *place {
		p := newPlace(t)
		p.write("AGENTS.md", "be kind")
		p.link("AGENTS.md", "CLAUDE.md")
		return p
	}
	t.Run("never signed", func(t *testing.T) { linked(t).starts("") })
	t.Run("the file is signed", func(t *testing.T) {
		p := linked(t)
		p.sign(p.key, "AGENTS.md")
		p.unsigned(policy.UnsignedRefuse)
		resp := p.starts("AGENTS.md CLAUDE.md")
		for _, f := range resp.Facts {
			if v, ok := f.(fact.VerifiedFile); !ok || v.SHA256 != sha256.Sum256([]byte("be kind")) {
				t.Errorf("%+v", f)
			}
		}
		p.starts("AGENTS.md CLAUDE.md")
		p.write("OTHER.md", "be kind")
		p.sign(p.key, "OTHER.md")
		p.remove("CLAUDE.md")
		p.link("OTHER.md", "CLAUDE.md")
		p.refuses("CLAUDE.md is a link to OTHER.md, and was a link to AGENTS.md")
		p.remove("CLAUDE.md")
		p.write("CLAUDE.md", "be evil")
		p.refuses("CLAUDE.md is not signed any more")
		p.sign(p.key, "CLAUDE.md")
		p.starts("AGENTS.md CLAUDE.md")
	})
	t.Run("what it leads to is changed", func(t *testing.T) {
		p := linked(t)
		p.sign(p.key, "AGENTS.md")
		p.starts("AGENTS.md CLAUDE.md")
		p.write("AGENTS.md", "be evil")
		p.refuses("AGENTS.md is not what was signed") // once, for both
	})
	t.Run("a directory above a signed file", func(t *testing.T) {
		p := newPlace(t)
		p.write(".claude/settings.json", "{}")
		p.sign(p.key, ".claude/settings.json")
		p.starts(".claude/settings.json")
		p.must(os.Rename(p.path(".claude"), p.path("elsewhere")))
		p.link("elsewhere", ".claude")
		p.refuses(".claude/settings.json cannot be verified: .claude is a link to elsewhere")
	})
}

// TestDocuments are the policy files: the bytes that core has read are verified, whatever stands
// there by now.
func TestDocuments(t *testing.T) {
	p := newPlace(t)
	p.write("agent.hcl", "# kind")
	p.unsigned(policy.UnsignedRefuse)
	p.documents = []sdk.Document{{
		Path: p.path("agent.hcl"), Content: []byte("# kind"), SHA256: sha256.Sum256([]byte("# kind")),
	}}
	p.starts("") // no pattern means it, and the user named it
	p.sign(p.key, "agent.hcl")
	p.starts("agent.hcl")
	p.documents[0].Content, p.documents[0].SHA256 = []byte("# evil"), sha256.Sum256([]byte("# evil"))
	p.refuses("agent.hcl is not what was signed")
	p.remove("agent.hcl.sigstore.json")
	p.refuses("agent.hcl is not signed any more")
}

// TestADocumentReachedThroughALink was signed under the link's name, when a file or a directory
// stood there.
func TestADocumentReachedThroughALink(t *testing.T) {
	for _, link := range []string{"../policies/agent.hcl", "../policies"} {
		p := newPlace(t)
		kind, evil := []byte("# kind"), []byte("# evil")
		p.write("../policies/agent.hcl", string(kind))
		p.write("../else/agent.hcl", string(evil))
		p.documents = []sdk.Document{{
			Path: p.path("../policies/agent.hcl"), Content: kind, SHA256: sha256.Sum256(kind),
		}}
		p.sign(p.key, "../policies/agent.hcl")
		p.starts(p.path("../policies/agent.hcl"))

		p.must(os.Rename(p.path(link), p.path("../was")))
		p.link(strings.Replace(link, "policies", "else", 1), "x")
		p.must(os.Rename(p.path("x"), p.path(link)))
		p.documents = []sdk.Document{{
			Path: p.path("../else/agent.hcl"), Content: evil, SHA256: sha256.Sum256(evil), Links: []string{p.path(link)},
		}}
		p.refuses("~/policies/agent.hcl cannot be verified")
		p.must(errors.Join(os.Remove(p.path(link)), os.Rename(p.path("../was"), p.path(link)))) // after core has read it
		p.refuses("a link was in its place when the policy was read")
		p.documents[0].Links = nil
		if resp, said := p.plan(); said != "" {
			t.Errorf("without the links it says\n%s\n%+v", said, resp)
		}
	}
}

// TestARepositoryInTheOther is no end of the way up: whoever can write in a directory can make it a
// repository.
func TestARepositoryInTheOther(t *testing.T) {
	p := newPlace(t)
	p.unsigned(policy.UnsignedRefuse)
	p.write("web/a.txt", "")
	p.at = p.path("web")
	p.starts("")
	p.write("CLAUDE.md", "be evil")
	p.refuses("CLAUDE.md is not signed")
	p.write("web/.git", "")
	p.refuses("CLAUDE.md is not signed")
	p.remove("CLAUDE.md")
	p.write("../CLAUDE.md", "the home's own")
	p.must(os.Mkdir(p.path("../.git"), 0o700))
	p.starts("") // a home is no project
}

func TestWhatIsInSight(t *testing.T) {
	p := newPlace(t)
	p.write("notes/a.md", "a")
	p.write("../elsewhere/b.md", "b")
	now := time.Now()
	p.must(memory.Update(t.Context(), p.state(), func(m *memory.Memory) error {
		var err error
		for _, name := range []string{"notes/a.md", "../elsewhere/b.md", "../../c.md"} {
			p.write(name, "never signed")
			err = errors.Join(err, m.Remember(memory.Entry{
				Path: p.path(name), Signer: memory.Signer{Key: "x"}, Since: now, Bundle: p.path(name) + ".sigstore.json",
			}))
		}
		return err
	}))
	_, said := p.plan()
	if !strings.Contains(said, "notes/a.md is not signed any more") || !strings.Contains(said, "/c.md is not signed any more") ||
		strings.Contains(said, "b.md") {
		t.Errorf("it says\n%s", said)
	}
	p.more = []policy.PathRule{{
		ID: "filesystem.read.0", Access: policy.Read, Path: filepath.Dir(p.path("../elsewhere/b.md")), Type: policy.Directory,
		Source: policy.Source{Origin: policy.OriginFlag, Flag: "--read"},
	}}
	if _, said := p.plan(); !strings.Contains(said, "~/elsewhere/b.md is not signed any more") {
		t.Errorf("it says\n%s", said)
	}
}

// TestManyProblems are listed at once, up to a bound.
func TestManyProblems(t *testing.T) {
	p := newPlace(t)
	for i := range 30 {
		name := fmt.Sprintf(".claude/%02d.md", i)
		p.write(name, "kind")
		p.sign(p.key, name)
		p.write(name, "evil")
	}
	_, said := p.plan()
	if n := strings.Count(said, "is not what was signed"); n != 20 || !strings.HasSuffix(said, "E 10 more files are refused") {
		t.Errorf("it says\n%s", said)
	}
}
