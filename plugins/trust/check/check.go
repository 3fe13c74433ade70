// Package check decides about one file that is looked at: is it what somebody signed?
//
// It is pure. What was read from the disk, and what the signatures are worth, is found out before
// and handed in as a [File]:
//
//	v := rules.Decide(&check.File{
//		Path: "/home/ada/proj/CLAUDE.md", State: check.Present, SHA256: digest,
//		Own:        []*check.Bundle{beside},       // CLAUDE.md.sigstore.json
//		Sets:       []*check.Bundle{ofTheProject}, // .nono-trust.sigstore.json, the nearest first
//		Remembered: &entry,                        // who signed it when it was first seen
//	})
//	switch v.Status { case check.Verified: ... }
//
// A file is verified by one good signature over its very bytes, under its name, by somebody who is
// trusted; and, where it is remembered, by the same one as before. It is refused
//
//   - where a bundle for it is broken, or by a key that was revoked: nobody knows what that said;
//   - where what was signed is another content, or another file;
//   - where it is remembered as signed, and is not, or by somebody else;
//   - where a set is closed ([Bundle].Closed) and does not have it;
//   - where what stands there cannot be read as a file, and something says that it was signed.
//
// Everything else counts as never signed, and is up to the policy. So does a signature of somebody
// whom the user does not trust: it says no more than none, and whoever could put it there could
// have left it out; only it is not passed over in silence.
//
// A file that is gone while its own signature lies there is refused: it may be back a moment later,
// and another one. A remembered file that is gone with its signature is no danger: what is not
// there instructs nobody, and projects drop files. If it comes back it has to be signed. A closed
// set says more, that these files together are what was meant, and misses it.
package check

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/policy"
)

// Status is what becomes of a run because of a file.
type Status string

// The statuses.
const (
	Verified Status = "verified" // it is what was signed
	Allowed  Status = "allowed"  // never signed, or not there: nothing is said
	Warned   Status = "warned"   // it is told, and the run goes on
	Refused  Status = "refused"  // there is no run
)

// Worth is what a bundle is worth.
type Worth string

// The worths.
const (
	Good     Worth = "good"     // somebody who is trusted signed what it says
	Stranger Worth = "stranger" // it is by somebody who is not trusted here
	Revoked  Worth = "revoked"  // it is by a key that was revoked
	Broken   Worth = "broken"   // it cannot be read, or does not fit what it signs
)

// Bundle is a signature that was found, and what it says.
type Bundle struct {
	Path string
	// SHA256 is the digest of the bundle itself.
	SHA256 [32]byte
	Worth  Worth
	// Why is why it is not good, in words that follow a colon; and Rule the line of the policy by
	// which its key does not count, if it is one.
	Why  string
	Rule policy.RuleID
	// Signer is who signed, where it is good.
	Signer memory.Signer
	// Files are the digests of what was signed, by names seen from the bundle's directory.
	Files map[string][32]byte
	// Closed are patterns, seen from there too: what they mean, and is none of Files, is not to be.
	Closed []glob.Pattern
	// Message is the digest of the one content that was signed without any name; nil if names were.
	Message *[32]byte
}

// rel is a path as it is seen from the bundle's directory; "" where it does not lie beneath.
func (b *Bundle) rel(name string) string {
	dir := strings.TrimSuffix(path.Dir(b.Path), "/")
	rel, ok := strings.CutPrefix(name, dir+"/")
	if !ok {
		return ""
	}
	return rel
}

// closes is the pattern by which the bundle says that a file is not to be there; "" if it does not.
func (b *Bundle) closes(rel string) string {
	for _, p := range b.Closed {
		if p.Match(rel) {
			return strings.Join(p, "/")
		}
	}
	return ""
}

// State is what stands at a file's path.
type State string

// The states.
const (
	Absent  State = "absent"
	Present State = "present" // a regular file, or a link to one beside it
	Unfit   State = "unfit"   // what cannot be read as a file, or leads elsewhere
)

// File is one that is looked at, with all that is known of it.
type File struct {
	Path string
	// Rule is the pattern of the policy that means it; empty where none does.
	Rule  policy.RuleID
	State State
	// SHA256 is the digest of its content, where it is present.
	SHA256 [32]byte
	// Link is the name beside it that it leads to, where it is such a link, and Target is what was
	// decided about that.
	Link   string
	Target *Verdict
	// Why is what is wrong with one that is unfit, in words that follow a colon.
	Why string
	// Own are the bundles beside it that have its name; Sets those of many files, in its directory and
	// above it, the nearest first.
	Own, Sets []*Bundle
	// Remembered is what is known of it; nil if it was never signed.
	Remembered *memory.Entry
}

// Claimed reports whether something says that the file was signed.
func (f *File) Claimed() bool {
	if f.Remembered != nil || len(f.Own) > 0 {
		return true
	}
	for _, b := range f.Sets {
		if _, ok := b.Files[b.rel(f.Path)]; ok {
			return true
		}
	}
	return false
}

// Rules are what is the same for all files of a run.
type Rules struct {
	// Unsigned is what becomes of a file that a pattern means, and that was never signed.
	Unsigned policy.Unsigned
	// Says is the rule that says so.
	Says policy.RuleID
	// Revoked reports whether a content was revoked, and the rule that says so, if one does.
	Revoked func(sha256 [32]byte) (policy.RuleID, bool)
	// Who is a signer as the user knows it, and Show a path.
	Who  func(memory.Signer) string
	Show func(path string) string
}

// Verdict is the decision about a file.
type Verdict struct {
	Path   string
	Status Status
	// Reason is why, for all but Verified and a file of which nothing is known.
	Reason Reason
	// Signer and Bundle say who signed it, and where that is written, where it is verified.
	Signer memory.Signer
	Bundle string
	// SHA256 is the digest of the content that was decided about.
	SHA256 [32]byte
	// Link is the name beside it that it leads to.
	Link string
	// Rule is the line of the policy that it is told at, if any.
	Rule policy.RuleID
	// Says is what is wrong, and Try what to do about it, for what is warned of or refused.
	Says, Try string
	// Cause is the path of what else is refused, where that is all that is wrong.
	Cause string
}

// Decide decides about a file.
func (r *Rules) Decide(f *File) Verdict {
	v := Verdict{Path: f.Path, SHA256: f.SHA256, Link: f.Link}
	c := &decision{Rules: r, File: f, v: &v}
	c.decide()
	return v
}

// DecideSet decides about a bundle of many files: it is told once, and not for each of them.
// Nothing is to be said of a good one, and its status is the zero one.
func (r *Rules) DecideSet(b *Bundle) Verdict {
	v := Verdict{Path: b.Path, Rule: b.Rule}
	c := &decision{Rules: r, File: &File{Path: b.Path}, v: &v}
	switch b.Worth {
	case Good:
	case Stranger:
		c.say(Warned, SetOfStranger, b)
	case Revoked:
		c.refuse(RevokedSet, b)
	case Broken:
		c.refuse(BrokenSet, b)
	default:
		c.refuse(BrokenSet, b)
	}
	return v
}

// DecideLookalike is about a file whose name may be taken for that of one that is signed.
func (r *Rules) DecideLookalike(name, of string) Verdict {
	v := Verdict{Path: name}
	c := &decision{Rules: r, File: &File{Path: name}, v: &v}
	c.refuse(Lookalike, &Bundle{Path: of})
	return v
}

// decision is about one file.
type decision struct {
	*Rules
	*File

	v *Verdict
}

func (c *decision) decide() {
	switch c.State {
	case Absent:
		if b := c.missing(); b != nil {
			c.refuse(Missing, b)
			return
		}
		if len(c.Own) > 0 {
			c.refuse(Lost, c.Own[0])
			return
		}
		c.v.Status, c.v.Reason = Allowed, Gone
		return
	case Unfit:
		c.unfit()
		return
	case Present:
	default:
		c.Why = "nobody has looked at it"
		c.unfit()
		return
	}
	if rule, ok := c.Rules.Revoked(c.SHA256); ok {
		c.v.Rule = rule
		c.refuse(RevokedContent, nil)
		return
	}
	if c.uninvited() {
		return
	}
	if c.Target != nil && c.Target.Status == Refused {
		c.v.Status, c.v.Reason = Refused, BadTarget
		c.v.Cause = cmp.Or(c.Target.Cause, c.Target.Path)
		return
	}
	good := c.evidence()
	if c.v.Status != "" {
		return
	}
	if c.Remembered != nil {
		c.remembered(good)
		return
	}
	if len(good) > 0 {
		c.verified(good[0])
		return
	}
	c.unsigned()
}

// missing is the closed set that has a file which is not there.
func (c *decision) missing() *Bundle {
	for _, b := range c.Sets {
		if _, ok := b.Files[b.rel(c.Path)]; ok && b.Worth == Good && len(b.Closed) > 0 {
			return b
		}
	}
	return nil
}

// uninvited refuses what a closed set does not have.
func (c *decision) uninvited() bool {
	for _, b := range c.Sets {
		rel := b.rel(c.Path)
		if _, ok := b.Files[rel]; b.Worth == Good && !ok && b.closes(rel) != "" {
			c.refuse(Uninvited, b)
			return true
		}
	}
	return false
}

// unfit is about what cannot be read as a file.
func (c *decision) unfit() {
	if c.uninvited() {
		return
	}
	switch {
	case c.Claimed():
		c.refuse(UnfitFile, nil)
	case c.Rule == "":
		c.v.Status, c.v.Reason = Allowed, UnfitFile
	default:
		c.byPolicy(UnfitFile, nil)
	}
}

// found is a good signature over the file's bytes.
type found struct {
	signer memory.Signer
	bundle string
}

// evidence are the good signatures over the file's bytes. Where there is none, and one that speaks
// against the file, it is refused; and so it is where a bundle that has its name is broken.
func (c *decision) evidence() []found {
	var good []found
	var objection Reason
	var by *Bundle
	object := func(reason Reason, b *Bundle) {
		if objection == "" {
			objection, by = reason, b
		}
	}
	for _, b := range c.Own {
		switch b.Worth {
		case Good:
			if reason := c.own(b); reason != "" {
				object(reason, b)
			} else {
				good = append(good, found{b.Signer, b.Path})
			}
		case Stranger:
		case Revoked:
			c.refuse(RevokedKey, b)
		case Broken:
			c.refuse(BrokenBundle, b)
		default:
			c.refuse(BrokenBundle, b)
		}
	}
	for _, b := range c.Sets {
		switch b.Worth {
		case Good:
			switch sum, ok := b.Files[b.rel(c.Path)]; {
			case ok && sum == c.SHA256:
				good = append(good, found{b.Signer, b.Path})
			case ok:
				object(Changed, b)
			}
		case Stranger:
		case Revoked, Broken:
			c.cause(b)
		default:
			c.cause(b)
		}
	}
	if t := c.Target; t != nil && t.Status == Verified && t.SHA256 == c.SHA256 {
		good = append(good, found{t.Signer, t.Bundle})
	}
	if len(good) == 0 && objection != "" {
		c.refuse(objection, by)
	}
	return good
}

// cause refuses a file for a set that is refused itself.
func (c *decision) cause(b *Bundle) {
	if c.v.Status == "" {
		c.v.Status, c.v.Reason, c.v.Cause = Refused, BrokenSet, b.Path
	}
}

// own is what speaks against a file in a good bundle that has its name.
func (c *decision) own(b *Bundle) Reason {
	if b.Message != nil {
		if *b.Message != c.SHA256 {
			return Changed
		}
		return ""
	}
	sum, ok := b.Files[path.Base(c.Path)]
	switch {
	case !ok:
		return OtherFile
	case sum != c.SHA256:
		return Changed
	}
	return ""
}

// remembered decides about a file that somebody has signed before.
func (c *decision) remembered(good []found) {
	if c.Link != c.Remembered.Link && c.Link != "" {
		c.refuse(Relinked, nil)
		return
	}
	for _, g := range good {
		if g.signer == c.Remembered.Signer {
			c.verified(g)
			return
		}
	}
	if len(good) > 0 {
		c.refuse(OtherSigner, &Bundle{Path: good[0].bundle, Signer: good[0].signer})
		return
	}
	if b := stranger(slices.Concat(c.Own, c.Sets)); b != nil {
		c.refuse(StrangerNow, b)
		return
	}
	c.refuse(SignatureGone, nil)
}

func (c *decision) verified(g found) {
	c.v.Status, c.v.Signer, c.v.Bundle = Verified, g.signer, g.bundle
}

// stranger is the first signature of somebody who is not trusted.
func stranger(all []*Bundle) *Bundle {
	for _, b := range all {
		if b.Worth == Stranger {
			return b
		}
	}
	return nil
}

// unsigned decides about a file that nobody who is trusted has signed.
func (c *decision) unsigned() {
	switch b := stranger(c.Own); {
	case b != nil:
		c.byPolicy(OfStranger, b)
	case c.Rule == "":
		c.v.Status = Allowed // it is looked at only because somebody named it, or signed it once
	default:
		c.byPolicy(Unsigned, nil)
	}
}

// byPolicy does what the policy says of what was never signed. What it does not know is refused.
func (c *decision) byPolicy(reason Reason, b *Bundle) {
	switch c.Rules.Unsigned {
	case policy.UnsignedAllow:
		if reason == OfStranger {
			c.say(Warned, reason, b)
			return
		}
		c.v.Status, c.v.Reason = Allowed, reason
	case policy.UnsignedWarn:
		c.v.Rule = c.Says
		c.say(Warned, reason, b)
	case policy.UnsignedRefuse:
		c.v.Rule = c.Says
		c.say(Refused, reason, b)
	default:
		c.v.Rule = c.Says
		c.say(Refused, reason, b)
	}
}

// refuse says the first thing for which the file is refused.
func (c *decision) refuse(reason Reason, b *Bundle) {
	if c.v.Status != "" {
		return
	}
	if b != nil {
		c.v.Rule = cmp.Or(c.v.Rule, b.Rule)
	}
	c.say(Refused, reason, b)
}
