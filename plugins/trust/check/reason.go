package check

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Reason is why a file is not simply verified or passed over.
type Reason string

// The reasons. Those of a refusal each have a sentence of their own.
const (
	Changed        Reason = "changed"          // signed with another content
	OtherFile      Reason = "other file"       // what lies beside it is another file's signature
	BrokenBundle   Reason = "broken signature" // it cannot be read or does not verify
	BrokenSet      Reason = "broken set"       // the same, of a signature of many files
	RevokedKey     Reason = "revoked key"      // signed with a key that was revoked
	RevokedSet     Reason = "set of a revoked key"
	SetOfStranger  Reason = "set of an untrusted signer"
	RevokedContent Reason = "revoked content"  // this very content was revoked
	SignatureGone  Reason = "signature gone"   // it was signed, and is not any more
	OtherSigner    Reason = "other signer"     // it was signed by somebody else
	StrangerNow    Reason = "stranger now"     // the same, by somebody who is not trusted
	Uninvited      Reason = "not in the set"   // a closed set does not have it
	Missing        Reason = "missing"          // a closed set has it, and it is not there
	Lookalike      Reason = "lookalike"        // its name may be taken for that of a signed one
	UnfitFile      Reason = "unfit"            // it cannot be read as a file
	Relinked       Reason = "linked"           // it was a file, or led elsewhere, when it was signed
	BadTarget      Reason = "target"           // what it leads to is refused
	OfStranger     Reason = "untrusted signer" // signed by somebody who is not trusted; never else
	Unsigned       Reason = "unsigned"         // never signed
	Lost           Reason = "lost"             // nothing is there, and its own signature is
	Gone           Reason = "gone"             // nothing is there
)

// say puts the decision and its sentences down.
func (c *decision) say(status Status, reason Reason, b *Bundle) {
	c.v.Status, c.v.Reason = status, reason
	c.v.Says, c.v.Try = c.sentences(reason, b)
}

// sentences are what is wrong, and what to do about it.
func (c *decision) sentences(reason Reason, b *Bundle) (says, try string) {
	file := c.Show(c.Path)
	bundle, by := "", ""
	if b != nil {
		bundle, by = c.Show(b.Path), c.Who(b.Signer)
	}
	before, since := "", ""
	if m := c.Remembered; m != nil {
		before, since = c.Who(m.Signer), m.Since.Format("Jan 2 2006")
	}
	sign := "nono trust sign " + word(file)
	forget := "nono trust forget " + word(file)
	switch reason {
	case Changed:
		return fmt.Sprintf("%s is not what was signed: it was changed after %s signed it (%s)",
				file, by, bundle),
			"put back what was signed; or, where the change is right, sign it again: " + sign
	case OtherFile:
		return fmt.Sprintf("%s is the signature of another file (%s), and lies beside %s",
				bundle, names(b), file),
			"put its own signature there; or sign it: " + sign
	case BrokenBundle:
		return fmt.Sprintf("the signature of %s is broken (%s): %s", file, bundle, b.Why),
			"put the signature back; or, where the file is right, sign it again: " + sign
	case BrokenSet:
		return fmt.Sprintf("a signature of many files is broken (%s): %s", bundle, b.Why),
			"put it back; or, where the files are right, sign them again: nono trust sign --all"
	case RevokedKey:
		return fmt.Sprintf("%s is signed with a key that was revoked (%s): %s", file, bundle, b.Why),
			"look at the file, and sign it with a key that counts: " + sign
	case RevokedSet:
		return fmt.Sprintf("a signature of many files is by a key that was revoked (%s): %s", bundle,
				b.Why),
			"look at the files, and sign them with a key that counts: nono trust sign --all"
	case SetOfStranger:
		return fmt.Sprintf("what %s signs counts as not signed, for you do not trust who did: %s",
				bundle, b.Why),
			"trust the key, if you know whose it is: nono trust add FILE"
	case RevokedContent:
		return fmt.Sprintf("%s has a content that was revoked: sha256:%x", file, c.SHA256),
			"replace it by a content that counts"
	case SignatureGone:
		return fmt.Sprintf("%s is not signed any more: %s signed it (%s, first seen on %s)",
				file, before, c.Show(c.Remembered.Bundle), since),
			"put the signature back; or sign the file again: " + sign +
				"; or have it forgotten that it was signed: " + forget
	case OtherSigner:
		return fmt.Sprintf("%s is signed by somebody else: by %s (%s), and by %s since %s",
				file, by, bundle, before, since),
			"put back what was signed; or, where the new signer is right, have the old one " +
				"forgotten: " + forget
	case StrangerNow:
		return fmt.Sprintf("%s is signed by somebody whom you do not trust (%s), and was by %s since "+
				"%s: %s", file, bundle, before, since, b.Why),
			"put back what was signed; or sign the file again: " + sign
	case Uninvited:
		return fmt.Sprintf("%s is none of the files that %s signed, and nothing else may lie there "+
				"(%s says so of %s)", file, by, bundle, c.Show(b.closes(b.rel(c.Path)))),
			"remove it; or, where it is right, sign all of them again: nono trust sign --all"
	case Missing:
		return fmt.Sprintf("%s is missing, and one of the files that %s signed together (%s)",
				file, by, bundle),
			"put it back; or, where it is meant to be gone, sign the others again: " +
				"nono trust sign --all"
	case Lost:
		return fmt.Sprintf("%s is missing, and its signature is there (%s)", file, bundle),
			"put it back; or, where it is meant to be gone, remove its signature as well"
	case Lookalike:
		return fmt.Sprintf("%s may be taken for %s, which is signed, and is another file", file, bundle),
			"remove it, or give it another name"
	case UnfitFile:
		return fmt.Sprintf("%s cannot be verified: %s", file, c.Why),
			"put the file itself there; or, where it was signed, have that forgotten: " + forget
	case Relinked:
		was := "a file of its own"
		if to := c.Remembered.Link; to != "" {
			was = "a link to " + c.Show(to)
		}
		return fmt.Sprintf("%s is a link to %s, and was %s when %s signed it", file, c.Show(c.Link), was,
				before),
			"put back what was signed; or, where the link is right, sign it again: " + sign
	case OfStranger:
		return fmt.Sprintf("%s counts as not signed, for you do not trust who signed it (%s): %s",
				file, bundle, b.Why),
			"trust the key, if you know whose it is: nono trust add FILE; or sign it yourself: " + sign
	case Unsigned:
		return fmt.Sprintf("%s is not signed", file), "sign it: " + sign
	case BadTarget, Gone:
	}
	return "", ""
}

// word is a path as it is typed into a shell.
func word(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./~+-@%,:="
	if strings.Trim(name, plain) == "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// names are some of those of a bundle's files.
func names(b *Bundle) string {
	const most = 3
	all := slices.Sorted(maps.Keys(b.Files))
	for i, name := range all {
		all[i] = path.Base(name)
	}
	if len(all) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}
