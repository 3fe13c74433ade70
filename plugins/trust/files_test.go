package trust_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/trust"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// withKeys is a place whose user has keys of these names, that open without a question.
func withKeys(t *testing.T, names ...string) *place {
	t.Helper()
	p := newPlace(t)
	identity, err := age.GenerateX25519Identity()
	p.must(err)
	file := p.root + "/home/identity"
	p.must(os.WriteFile(file, []byte(identity.String()+"\n"), 0o600))
	for _, name := range names {
		_, err := p.ring.Generate(t.Context(), name, keys.Place{Where: keys.Age, Identity: file})
		p.must(err)
	}
	return p
}

// typed has a command typed, and returns all that it prints and its error, without what is
// different each time.
func (p *place) typed(line string) string {
	p.t.Helper()
	out, said, err := p.run(line)
	var exit *sdk.ExitError
	switch {
	case errors.As(err, &exit):
		said += fmt.Sprintf("exit %d\n", exit.Code)
	case err != nil:
		said += "error: " + err.Error() + "\n"
	}
	return p.plain(out + said)
}

func (p *place) plain(text string) string {
	text = strings.ReplaceAll(text, p.root, "ROOT")
	text = regexp.MustCompile(`[0-9a-f]{16}(\.\.\.|[0-9a-f]{48})`).ReplaceAllString(text, "ID")
	text = regexp.MustCompile(`\b[A-Z][a-z]{2} \d{1,2} \d{4}|\b20\d\d-\d\d-\d\d\b`).ReplaceAllString(text, "DAY")
	return text
}

// run runs a command of the layer's.
func (p *place) run(line string) (out, said string, err error) {
	p.t.Helper()
	words := strings.Fields(line)
	req := &sdk.SubcommandRequest{
		Path: "trust " + words[0], Flags: map[string][]string{}, Dir: p.dir, StateDir: p.state(), ConfigDir: p.config(),
		Policy: &policy.Policy{Trust: p.policy}, HostVariables: map[string]string{"HOME": p.root + "/home"},
	}
	if p.at != "" {
		req.Dir = p.at
	}
	for _, word := range words[1:] {
		flag, isFlag := strings.CutPrefix(word, "--")
		name, value, _ := strings.Cut(flag, "=")
		if isFlag {
			req.Flags[name] = append(req.Flags[name], value)
		} else {
			req.Args = append(req.Args, word)
		}
	}
	commander, ok := trust.New().(sdk.Commander)
	if !ok {
		p.t.Fatal("it has no commands")
	}
	stdout, stderr := p.caught(&os.Stdout), p.caught(&os.Stderr)
	err = commander.Run(p.t.Context(), req)
	return stdout(), stderr(), err
}

// caught is what is written to one of the streams until it is called.
func (p *place) caught(stream **os.File) func() string {
	p.t.Helper()
	file, err := os.OpenFile(filepath.Join(p.t.TempDir(), "out"), os.O_RDWR|os.O_CREATE, 0o600)
	p.must(err)
	was := *stream
	*stream = file
	return func() string {
		*stream = was
		text, err := os.ReadFile(file.Name())
		p.must(errors.Join(err, file.Close()))
		return string(text)
	}
}

// expect has a command say exactly this.
func (p *place) expect(line, want string) {
	p.t.Helper()
	want = strings.ReplaceAll(strings.TrimPrefix(want, "\n"), "\t", "")
	if got := p.typed(line); got != want {
		p.t.Errorf("nono trust %s\n%s--- want\n%s", line, got, want)
	}
}

func TestSignAndVerify(t *testing.T) {
	p := withKeys(t, "mine", "work")
	p.write("CLAUDE.md", "be kind")
	p.write("AGENTS.md", "be neat")
	p.expect("verify", `
		not signed: AGENTS.md
		not signed: CLAUDE.md
	`)
	p.expect("verify CLAUDE.md", `
		not signed: CLAUDE.md
		exit 1
	`)
	p.expect("sign --key=mine CLAUDE.md AGENTS.md", `
		signed with key "mine": CLAUDE.md (CLAUDE.md.sigstore.json)
		signed with key "mine": AGENTS.md (AGENTS.md.sigstore.json)
	`)
	if info, err := os.Stat(p.path("CLAUDE.md.sigstore.json")); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if got := p.remembered(); got != "AGENTS.md CLAUDE.md" {
		t.Errorf("remembered: %s", got)
	}
	p.starts("AGENTS.md CLAUDE.md")
	p.expect("verify CLAUDE.md", `
		verified: CLAUDE.md, signed by key "mine" (CLAUDE.md.sigstore.json)
	`)
	p.expect("list", `
		verified  AGENTS.md  key "mine"
		verified  CLAUDE.md  key "mine"
	`)
	p.write("CLAUDE.md", "be evil")
	p.expect("verify", `
		verified: AGENTS.md, signed by key "mine" (AGENTS.md.sigstore.json)
		refused: CLAUDE.md is not what was signed: it was changed after key "mine" signed it (CLAUDE.md.sigstore.json)
		  put back what was signed; or, where the change is right, sign it again: nono trust sign CLAUDE.md
		exit 1
	`)
	p.expect("list", `
		verified          AGENTS.md  key "mine"
		refused: changed  CLAUDE.md  key "mine" signed it
	`)
	// Who signs a file means it, whoever signed it before.
	p.expect("sign --key=work CLAUDE.md", `
		signed with key "work": CLAUDE.md (CLAUDE.md.sigstore.json)
	`)
	p.starts("AGENTS.md CLAUDE.md")
	p.expect("show CLAUDE.md", `
		verified: CLAUDE.md, signed by key "work" (CLAUDE.md.sigstore.json)
		remembered: signed by key "work" since DAY (CLAUDE.md.sigstore.json)

		CLAUDE.md.sigstore.json: good
		  by key "work"
		  sha256:ID  CLAUDE.md
	`)
	p.expect("forget CLAUDE.md", `
		forgotten: CLAUDE.md; CLAUDE.md.sigstore.json is still there, and has to fit until it is removed
	`)
	p.remove("CLAUDE.md.sigstore.json")
	p.starts("AGENTS.md")
	p.expect("forget CLAUDE.md", `
		error: CLAUDE.md was never signed here, and nothing beneath it
	`)
	p.expect("forget --all", `
		forgotten: AGENTS.md; AGENTS.md.sigstore.json is still there, and has to fit until it is removed
		nothing is remembered as signed any more
	`)
}

// TestFromElsewhere names files by paths that lead through links and above.
func TestFromElsewhere(t *testing.T) {
	p := withKeys(t, "mine")
	p.write("CLAUDE.md", "be kind")
	p.write("web/AGENTS.md", "be neat")
	p.must(os.Symlink(p.dir, p.root+"/linked"))
	p.at = p.path("web")
	p.expect("sign --key=mine ../CLAUDE.md", `
		signed with key "mine": ~/proj/CLAUDE.md (~/proj/CLAUDE.md.sigstore.json)
	`)
	p.at = p.root + "/linked/web"
	p.expect("sign --key=mine AGENTS.md", `
		signed with key "mine": AGENTS.md (AGENTS.md.sigstore.json)
	`)
	if got := p.remembered(); got != "CLAUDE.md web/AGENTS.md" {
		t.Errorf("remembered: %s", got)
	}
	p.at = p.root + "/home"
	p.expect("list", `
		verified  proj/CLAUDE.md      key "mine"
		verified  proj/web/AGENTS.md  key "mine"
	`)
	p.at = p.root + "/config"
	p.expect("list", `

		signed elsewhere:
		~/proj/CLAUDE.md      key "mine"  since DAY
		~/proj/web/AGENTS.md  key "mine"  since DAY
	`)
}

func TestSignAll(t *testing.T) {
	p := withKeys(t, "mine")
	p.expect("sign --all --key=mine", `
		error: there is nothing to sign: no file here has a name that is looked at
	`)
	p.write("CLAUDE.md", "be kind")
	p.write(".claude/settings.json", "{}")
	p.write("prompts/a.md", "a")
	p.expect("sign --all --key=mine --closed=.claude/** --closed=prompts/*", `
		signed with key "mine": .claude/settings.json, CLAUDE.md, prompts/a.md (.nono-trust.sigstore.json)
		nothing else may lie beside them that matches .claude/**, prompts/*
	`)
	p.starts(".nono-trust.sigstore.json .claude/settings.json CLAUDE.md prompts/a.md")
	p.write(".claude/hooks/evil.sh", "rm -r ~")
	p.expect("verify", `
		refused: .claude/hooks/evil.sh is none of the files that key "mine" signed, and nothing else may lie there (.nono-trust.sigstore.json says so of .claude/**)
		  remove it; or, where it is right, sign all of them again: nono trust sign --all
		verified: .claude/settings.json, signed by key "mine" (.nono-trust.sigstore.json)
		verified: CLAUDE.md, signed by key "mine" (.nono-trust.sigstore.json)
		verified: prompts/a.md, signed by key "mine" (.nono-trust.sigstore.json)
		exit 1
	`)
	p.refuses("is none of the files that key \"mine\" signed")
	p.remove(".claude/hooks/evil.sh", "prompts/a.md")
	p.refuses("prompts/a.md is missing")
	p.expect("sign --all --key=mine --closed=.claude/**", `
		signed with key "mine": .claude/settings.json, CLAUDE.md (.nono-trust.sigstore.json)
		nothing else may lie beside them that matches .claude/**
	`)
	p.starts(".nono-trust.sigstore.json .claude/settings.json CLAUDE.md")
	// One by itself, where the set does not have it.
	p.write(".claude/new.md", "new")
	p.expect("sign --key=mine .claude/new.md", `
		signed with key "mine": .claude/new.md (.claude/new.md.sigstore.json)
		error: it is signed, and a run would refuse nevertheless: .claude/new.md is none of the files that key "mine" signed, and nothing else may lie there (.nono-trust.sigstore.json says so of .claude/**)
		  remove it; or, where it is right, sign all of them again: nono trust sign --all
	`)
	p.remove(".claude/new.md", ".claude/new.md.sigstore.json")
	p.at = p.path("web")
	p.write("web/AGENTS.md", "be neat")
	p.expect("sign --all --key=mine", `
		~/proj/.claude/settings.json lies above, and is not signed here
		~/proj/CLAUDE.md lies above, and is not signed here
		signed with key "mine": AGENTS.md (.nono-trust.sigstore.json)
	`)
}

// TestSignLinks: the file is signed, and the link is remembered with it.
func TestSignLinks(t *testing.T) {
	for line, verified := range map[string]string{
		"sign --key=mine CLAUDE.md":           "AGENTS.md CLAUDE.md",
		"sign --all --key=mine --closed=*.md": ".nono-trust.sigstore.json AGENTS.md CLAUDE.md",
	} {
		p := withKeys(t, "mine")
		p.write("AGENTS.md", "be kind")
		p.link("AGENTS.md", "CLAUDE.md")
		if said := p.typed(line); strings.Contains(said, "error") {
			t.Errorf("%s: %s", line, said)
		}
		if got := p.remembered(); got != "AGENTS.md CLAUDE.md" {
			t.Errorf("%s: remembered: %s", line, got)
		}
		p.starts(verified)
		p.remove("CLAUDE.md")
		p.write("CLAUDE.md", "be evil")
		if _, said := p.plan(); !strings.HasPrefix(said, "E CLAUDE.md is not ") {
			t.Errorf("%s: it says\n%s", line, said)
		}
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(*place)
		line string
		says string
	}{
		"nothing":         {nil, "sign", "name the files to sign"},
		"files and all":   {nil, "sign --all a", "and not both"},
		"closed, not all": {nil, "sign --closed=* a", "--closed says"},
		"a bad pattern":   {nil, "sign --all --closed=../x", "leads through"},
		"a missing file":  {nil, "sign --key=mine x.md", "x.md is not signed: no such file"},
		"a missing directory": {
			nil, "sign --key=mine no/x.md", "its directory cannot be found",
		},
		"a directory": {
			func(p *place) { p.must(os.Mkdir(p.path("x.md"), 0o700)) }, "sign --key=mine x.md",
			"x.md is not signed: it is not a regular file",
		},
		"a pipe": {
			func(p *place) { p.must(unix.Mkfifo(p.path("x.md"), 0o600)) }, "sign --key=mine x.md",
			"x.md is not signed: it is not a regular file",
		},
		"a file that is too big": {
			func(p *place) {
				p.write("x.md", "")
				p.must(os.Truncate(p.path("x.md"), 1<<30))
			},
			"sign --key=mine x.md", "x.md is not signed: it has more than",
		},
		"a link elsewhere": {
			func(p *place) { p.link("../y", "x.md") }, "sign --key=mine x.md",
			"x.md is not signed: x.md is a link to ../y; only a link to a file beside it can be signed",
		},
		"a key that is not there": {
			func(p *place) { p.write("x.md", "x") }, "sign --key=nobody x.md",
			"nono trust keygen nobody makes it",
		},
		"a key of somebody else": {
			func(p *place) { p.write("x.md", "x") }, "sign --key=default x.md", "only its owner can sign",
		},
		"a key that does not count": {
			func(p *place) {
				p.write("x.md", "x")
				p.policy.Signers = []policy.TrustSigner{{ID: "trust.signers.0", Source: ownConfig, Key: "work"}}
			},
			"sign --key=mine x.md", "the key mine does not count, as config.hcl:1:1 says",
		},
		"one of two": {
			func(p *place) { p.write("x.md", "x") }, "sign --key=mine x.md y.md", "y.md is not signed: no such file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := withKeys(t, "mine")
			if tt.do != nil {
				tt.do(p)
			}
			if got := p.typed(tt.line); !strings.Contains(got, "error: ") || !strings.Contains(got, tt.says) {
				t.Errorf("%s, want %s", got, tt.says)
			}
			if left, err := filepath.Glob(p.path("*.json")); err != nil || len(left) > 0 || p.remembered() != "" {
				t.Errorf("it left %s %s", left, p.remembered())
			}
		})
	}
}

// TestDefaultKeyIsNotMadeWithoutAPlace: there is no keyring, and nobody can be asked.
func TestDefaultKeyIsNotMadeWithoutAPlace(t *testing.T) {
	p := withKeys(t)
	id, err := keys.IDOf(&p.key.PublicKey)
	p.must(err)
	p.must(p.ring.RevokeKey(t.Context(), id)) // so that there is no key of this name
	p.write("CLAUDE.md", "be kind")
	if got := p.typed("sign CLAUDE.md"); !strings.Contains(got, "making the key default: ") {
		t.Errorf("%s", got)
	}
}

func TestJSON(t *testing.T) {
	p := withKeys(t, "mine")
	p.write("CLAUDE.md", "be kind")
	p.write("AGENTS.md", "be neat")
	decode := func(line string) map[string]any {
		t.Helper()
		out, said, err := p.run(line)
		var exit *sdk.ExitError
		if err != nil && !errors.As(err, &exit) || said != "" {
			t.Fatalf("%s: %v, %s", line, err, said)
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		return v
	}
	at := func(v any, steps ...any) any {
		t.Helper()
		for _, step := range steps {
			switch s := step.(type) {
			case string:
				of, ok := v.(map[string]any)
				if !ok {
					t.Fatalf("%v has no %q", v, s)
				}
				v = of[s]
			case int:
				of, ok := v.([]any)
				if !ok || s >= len(of) {
					t.Fatalf("%v has no %d", v, s)
				}
				v = of[s]
			}
		}
		return v
	}
	for _, tt := range []struct {
		line string
		path []any
		want any
	}{
		{"verify --json", []any{"files", 1, "status"}, "allowed"},
		{"sign --key=mine --json CLAUDE.md", []any{"signed", 0, "signer", "name"}, "mine"},
		{"verify --json", []any{"files", 1, "status"}, "verified"},
		{"verify --json CLAUDE.md", []any{"files", 0, "signer", "name"}, "mine"},
		{"list --json", []any{"here", 1, "path"}, p.path("CLAUDE.md")},
		{"list --json", []any{"remembered", 0, "signer", "name"}, "mine"},
		{"show --json CLAUDE.md", []any{"signatures", 0, "worth"}, "good"},
		{"show --json CLAUDE.md", []any{"remembered", "bundle"}, p.path("CLAUDE.md.sigstore.json")},
		{"show --json AGENTS.md", []any{"status"}, "allowed"},
		{"forget --json CLAUDE.md", []any{"forgotten", 0}, p.path("CLAUDE.md")},
	} {
		if got := at(decode(tt.line), tt.path...); got != tt.want {
			t.Errorf("%s: %v is %v", tt.line, tt.path, got)
		}
	}
}

// TestADamagedMemory stops the commands as it stops a run, but for the one that ends it.
func TestADamagedMemory(t *testing.T) {
	p := withKeys(t, "mine")
	p.write("CLAUDE.md", "be kind")
	p.must(os.WriteFile(p.state()+"/memory", []byte("damaged"), 0o600))
	for _, line := range []string{"sign --key=mine CLAUDE.md", "verify", "list", "show CLAUDE.md", "forget CLAUDE.md"} {
		if got := p.typed(line); !strings.Contains(got, "error: what was ever signed here cannot be read from ROOT/state/memory") {
			t.Errorf("%s: %s", line, got)
		} else if strings.Count(got, "or begin anew with `nono trust forget --all`") != 1 {
			t.Errorf("%s does not say what to do: %s", line, got)
		}
	}
	p.expect("forget --all", `
		nothing is remembered as signed any more
	`)
	p.starts("")
}
