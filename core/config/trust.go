package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// trust is which instruction files must be signed, and by whom.
//
// A file from elsewhere may only make it stricter: it names further files, and what is unsigned is
// never less to a run because of what it says. Whose signatures count, and whether they are looked
// at, is the user's own word.
var trust = block{
	name: "trust", kind: policy.KindTrust,
	grammar: &language.Block{
		Help: "which instruction files must be signed, and by whom",
		Attributes: map[string]language.Attribute{
			"files": {
				Shape: language.StringList, Of: "name or pattern",
				Help: "further files that are looked at; a name is looked for in the current directory, " +
					"and in each above it up to the root of the repository",
			},
			"unsigned": {
				Shape: language.String,
				OneOf: []string{
					string(policy.UnsignedAllow), string(policy.UnsignedWarn), string(policy.UnsignedRefuse),
				},
				Help: "what becomes of a run where one of them was never signed: nothing is said, " +
					"it is told, or there is no run",
			},
			"signers": {
				Shape: language.StringList, Of: "key or identity", OwnOnly: true,
				Help: "whose signatures count, where not each key that you trust does: a key's id or name, " +
					`or who a certificate names, "ada@example.com by https://accounts.example.com"`,
			},
			"revoked": {
				Shape: language.StringList, Of: "key or digest", OwnOnly: true,
				Help: "keys by their ids, and files by their SHA-256, that count no more",
			},
			"roots": {
				Shape: language.StringList, Of: "path", OwnOnly: true,
				Help: "files with the authorities whose certificates you trust (trusted_root.json)",
			},
		},
	},
	example: `
trust {
  files    = ["NOTES.md", "docs/**/*.md"]
  unsigned = "warn"

  # in your own config.hcl alone
  signers = ["default"]
  revoked = ["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
  roots   = ["~/trusted_root.json"]
}
`,
	stranger: "nothing: it can only make this stricter",
	read:     (*reader).trust,
	flags: map[string]func(*reader, Flag){
		"trust-file":     (*reader).trustFileFlag,
		"trust-unsigned": (*reader).trustUnsignedFlag,
		"trust-signer":   (*reader).trustSignerFlag,
	},
}

// trusting is what blocks and flags say of trust.
type trusting struct {
	policy.Trust

	// links are those that were followed to a place that the policy names.
	links []trustLink
	// strangers is the strictest that files from elsewhere say of what is unsigned, and flag what a
	// flag says of it.
	strangers, flag *policy.TrustUnsigned
	// kept is where the layer keeps what was signed or trusted on this account; the zero Source where
	// nothing was.
	kept policy.Source
}

// trustLink is a link on the way to a file, or to a directory in which patterns begin.
type trustLink struct {
	at      policy.Source
	to      hostfile.Route
	decides bool // what stands there says whom to trust
}

func (r *reader) trust(s *source, t *language.Tree) {
	for _, it := range t.List("files") {
		if text, bad := r.expandWith(it.Text, wildcards.Replace); bad != nil {
			r.add(bad.at(it.Source, it.Text))
		} else {
			r.trustFile(s.dir, text, it)
		}
	}
	if it, ok := t.One("unsigned"); ok {
		said := &policy.TrustUnsigned{Source: it.Source, Is: policy.Unsigned(it.Text)}
		to := &r.trusts.Unsigned
		if s.foreign {
			to = &r.trusts.strangers
		}
		if *to == nil || !s.foreign || said.Is.IsStricter((*to).Is) {
			*to = said
		}
	}
	for _, it := range t.List("signers") {
		r.trustSigner(it)
	}
	for _, it := range t.List("revoked") {
		sum, err := policy.ParseSHA256(it.Text)
		if err != nil {
			r.add(problem(it.Source, "%s is neither a key's id nor a digest: %v",
				quote(shortened(it.Text)), err).
				Try("`nono trust keys` shows the ids of keys, and sha256sum digests of files"))
			continue
		}
		r.trusts.Revoked = append(r.trusts.Revoked,
			policy.TrustRevoked{Source: it.Source, SHA256: sum})
	}
	for _, it := range t.List("roots") {
		r.trustRoot(s.dir, it)
	}
}

func (r *reader) trustFileFlag(f Flag) {
	r.trustFlag(f)
	text, bad := r.literal(f.Value)
	if bad != nil {
		r.add(bad.at(f.source(), f.Value))
		return
	}
	r.trustFile(r.Dir, wildcards.Replace(text), f.item())
}

func (r *reader) trustUnsignedFlag(f Flag) {
	r.trustFlag(f)
	said := policy.Unsigned(f.Value)
	if said.IsStricter(policy.UnsignedRefuse) { // nobody knows it
		r.add(problem(f.source(), "%s says nothing about what is unsigned", quote(shortened(f.Value))).
			Try("one of %s, %s, %s", policy.UnsignedAllow, policy.UnsignedWarn, policy.UnsignedRefuse))
		return
	}
	r.trusts.flag = &policy.TrustUnsigned{Source: f.source(), Is: said}
}

func (r *reader) trustSignerFlag(f Flag) {
	r.trustFlag(f)
	r.trustSigner(f.item())
}

// trustFlag notes a flag among the lines that say something of trust.
func (r *reader) trustFlag(f Flag) {
	r.lines[policy.KindTrust] = append(r.lines[policy.KindTrust], f.source())
}

// trustFile adds a pattern, in which * and ? are marked where they are wild. One without a slash is
// a name, and so is one with, where the source belongs to no project: they are looked for from the
// current directory up. Any other begins in dir.
func (r *reader) trustFile(dir, text string, it language.Item) {
	pattern := asMatch(text)
	if strings.Contains(text, "/") && (filepath.IsAbs(text) || dir != "") {
		before, _, _ := strings.Cut(text, wild)
		begins := strings.LastIndexByte(before, '/') + 1
		_, to, ok := r.follow(dir, cmp.Or(text[:begins], "."), it)
		if !ok {
			return
		}
		r.trusts.links = append(r.trusts.links, trustLink{at: it.Source, to: to})
		pattern = strings.TrimSuffix(asMatch(to.Path), "/") + "/" + asMatch(text[begins:])
	}
	if err := policy.CheckTrustPattern(pattern); err != nil {
		r.add(problem(it.Source, "%s names no files: %v", quote(shortened(it.Text)), err).
			Try(`write a name, "AGENTS.md", or a pattern, "docs/**/*.md"`))
		return
	}
	r.trusts.Files = append(r.trusts.Files, policy.TrustFile{Source: it.Source, Pattern: pattern})
}

func (r *reader) trustSigner(it language.Item) {
	signer, err := policy.ParseSigner(it.Text)
	if err != nil {
		r.add(problem(it.Source, "%s names no signer: %v", quote(shortened(it.Text)), err).
			Try("write the id or the name of a key (`nono trust keys`), or for who a certificate names " +
				`"ada@example.com by https://accounts.example.com"`))
		return
	}
	signer.Source = it.Source
	r.trusts.Signers = append(r.trusts.Signers, signer)
}

// trustRoot adds a file with authorities. Who is trusted must not hang on a file that is not there.
func (r *reader) trustRoot(dir string, it language.Item) {
	path, bad := r.expand(it.Text)
	if bad != nil {
		r.add(bad.at(it.Source, it.Text))
		return
	}
	_, to, ok := r.follow(dir, path, it)
	switch {
	case !ok:
	case to.Entry.Type != policy.Regular:
		r.add(problem(it.Source, "%s is no file with authorities that could be trusted",
			r.homely(to.Path)).Try("name a trusted_root.json"))
	default:
		r.trusts.links = append(r.trusts.links, trustLink{at: it.Source, to: to, decides: true})
		r.trusts.Roots = append(r.trusts.Roots, policy.TrustRoot{Source: it.Source, Path: to.Path})
	}
}

// settleTrust says what becomes of what is unsigned. A run that has nothing to look at keeps what
// the user himself wrote of trust, for the plan to show.
func (r *reader) settleTrust() {
	t := &r.trusts
	if r.isOff(policy.KindTrust) {
		*t = trusting{}
		return
	}
	r.settleUnsigned()
	kept, err := r.keptByTrust()
	if err != nil {
		r.add(sourced(err, policy.Source{}))
		return
	}
	at, _ := t.Needed()
	if t.kept = cmp.Or(at, kept); t.kept != (policy.Source{}) {
		return
	}
	var asked []policy.TrustFile
	for _, f := range t.Files {
		if f.Source.Asked() {
			asked = append(asked, f)
		}
	}
	t.Files = asked
	if !t.Unsigned.Source.Asked() {
		t.Unsigned = nil
	}
}

// settleUnsigned decides what is unsigned by: the last of the user's own words, unless a file from
// elsewhere is stricter; a flag has the last word.
func (r *reader) settleUnsigned() {
	t := &r.trusts
	if t.Unsigned == nil {
		t.Unsigned = &policy.TrustUnsigned{
			Source: policy.Source{Origin: policy.OriginDefault}, Is: policy.UnsignedAllow,
		}
	}
	if s := t.strangers; s != nil {
		if t.Unsigned.Is.IsStricter(s.Is) {
			r.notice(s.Source, "unsigned stays %q (%s): a file from elsewhere only makes it stricter",
				string(t.Unsigned.Is), t.Unsigned.Source)
		} else if s.Is.IsStricter(t.Unsigned.Is) {
			t.Unsigned = s
		}
	}
	if f := t.flag; f != nil {
		if t.Unsigned.Is.IsStricter(f.Is) {
			r.notice(f.Source, "what was never signed is less to this run than %s says: %q",
				t.Unsigned.Source, string(t.Unsigned.Is))
		}
		t.Unsigned = f
	}
}

// keptByTrust is where the layer keeps what was signed or trusted on this account; the zero Source
// where nothing was.
func (r *reader) keptByTrust() (policy.Source, error) {
	program := ""
	if kind, ok := kinds.Of(policy.KindTrust); ok {
		program = kind.BuiltIn(runtime.GOOS)
	}
	if l := r.layers[string(policy.KindTrust)]; l != nil && l.Plugin != "" {
		program = l.Plugin
	}
	if program == "" || r.Kept == nil {
		return policy.Source{}, nil
	}
	dir, err := r.Kept(program)
	if err != nil || dir == "" {
		return policy.Source{}, err
	}
	return policy.Source{Origin: policy.OriginConfig, File: r.homely(dir)}, nil
}

// trusted is the draft's trust as a policy has it.
func (d *draft) trusted() policy.Trust {
	t := d.trusts.Trust
	id := func(of string, i int) policy.RuleID {
		return policy.RuleID(fmt.Sprintf("trust.%s.%d", of, i))
	}
	for i := range t.Files {
		t.Files[i].ID = id("files", i)
	}
	if t.Unsigned != nil {
		t.Unsigned.ID = id("unsigned", 0)
	}
	for i := range t.Signers {
		t.Signers[i].ID = id("signers", i)
	}
	for i := range t.Revoked {
		t.Revoked[i].ID = id("revoked", i)
	}
	for i := range t.Roots {
		t.Roots[i].ID = id("roots", i)
	}
	return t
}

// trustHeld refuses what an agent could lead elsewhere: a directory in which a pattern begins, and
// a file with authorities, which it must not be able to write either.
func (r *reader) trustHeld(all *policy.Decider) {
	for _, l := range r.trusts.links {
		links := make([]string, 0, len(l.to.Hops))
		for _, link := range l.to.Links() {
			links = append(links, link.Path)
		}
		if by, ok := r.plantedOn(links, l.decides, all); ok {
			r.add(problem(l.at, "this leads through the link %s, %s", r.homely(by.link), by.why).
				Try("name what it leads to: %s", r.homely(l.to.Path)))
		}
		if d := all.Path(l.to.Path, policy.OpWrite); l.decides && d.Allowed && d.Rule != nil {
			r.add(problem(l.at, "%s says whom to trust, and lies in %s, which the agent may write (%s)",
				r.homely(l.to.Path), r.homely(d.Rule.Path), d.Rule.Source).
				Try("keep it outside of every writable grant"))
		}
	}
}
