package policy

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Trust is which files the agent must find as somebody has signed them, and whose signatures count.
// Its zero value asks for nothing.
//
// What was signed before on this account is looked at whatever a policy says, for as long as the
// layer of the kind trust runs: a policy adds to it and takes nothing away.
type Trust struct {
	// Files are those that are looked at.
	Files []TrustFile `json:"files,omitempty"`
	// Unsigned is what becomes of a run where one of them was never signed; nil where nothing is said.
	Unsigned *TrustUnsigned `json:"unsigned,omitempty"`
	// Signers are those whose signatures count; without any, whoever has a key that the user trusts.
	Signers []TrustSigner `json:"signers,omitempty"`
	// Revoked are keys and contents that do not count, whoever signed.
	Revoked []TrustRevoked `json:"revoked,omitempty"`
	// Roots are files that say which authorities may name a signer by a certificate.
	Roots []TrustRoot `json:"roots,omitempty"`
}

// TrustFile is a pattern of files that are looked at.
type TrustFile struct {
	ID     RuleID `json:"id"` // "trust.files.0"
	Source Source `json:"source"`
	// Pattern is absolute, or is seen from the current directory, and from each above it up to the
	// root of the repository. [CheckTrustPattern] accepts it: its names are as [path.Match] reads
	// them, and ** stands for any number of directories. An absolute one begins with a directory
	// without links.
	Pattern string `json:"pattern"`
}

// Unsigned is what becomes of a run where a file that is looked at was never signed.
type Unsigned string

// From the mildest to the strictest.
const (
	UnsignedAllow  Unsigned = "allow"  // nothing is said
	UnsignedWarn   Unsigned = "warn"   // it is told
	UnsignedRefuse Unsigned = "refuse" // there is no run
)

// IsStricter reports whether u asks for more than other; what nobody knows is the strictest.
func (u Unsigned) IsStricter(other Unsigned) bool { return u.rank() > other.rank() }

func (u Unsigned) rank() int {
	order := []Unsigned{UnsignedAllow, UnsignedWarn, UnsignedRefuse}
	if i := slices.Index(order, u); i >= 0 {
		return i
	}
	return len(order)
}

// TrustUnsigned is the line that says so.
type TrustUnsigned struct {
	ID     RuleID   `json:"id"` // "trust.unsigned.0"
	Source Source   `json:"source"`
	Is     Unsigned `json:"is"`
}

// TrustSigner is whose signatures count: a key, or somebody whom a certificate names.
type TrustSigner struct {
	ID     RuleID `json:"id"` // "trust.signers.0"
	Source Source `json:"source"`
	// Key is a key's id, or the name by which the user knows a key.
	Key string `json:"key,omitempty"`
	// Identity is who a certificate names, and Issuer who had him prove it.
	Identity string `json:"identity,omitempty"`
	Issuer   string `json:"issuer,omitempty"`
}

// TrustRevoked is a key, or a content, that does not count any more.
type TrustRevoked struct {
	ID     RuleID `json:"id"` // "trust.revoked.0"
	Source Source `json:"source"`
	// SHA256 is a key's id, or the digest of a file, in small hexadecimal digits.
	SHA256 string `json:"sha256"`
}

// TrustRoot is a file with trusted authorities, as Sigstore writes it.
type TrustRoot struct {
	ID     RuleID `json:"id"` // "trust.roots.0"
	Source Source `json:"source"`
	// Path is absolute, with every link resolved.
	Path string `json:"path"`
}

// Signed is whose signature something has, for the decision.
type Signed struct {
	// Key is the key's id, and Name the user's own for it; empty where a certificate says who it was.
	Key, Name        string
	Identity, Issuer string
}

// Needed is the line that asks for more than what was signed on this account before: without one,
// and where nothing was ever signed or trusted, there is nothing to look at.
func (t *Trust) Needed() (Source, bool) {
	switch {
	case t.Unsigned != nil && t.Unsigned.Is != UnsignedAllow:
		return t.Unsigned.Source, true
	case len(t.Signers) > 0:
		return t.Signers[0].Source, true
	case len(t.Revoked) > 0:
		return t.Revoked[0].Source, true
	case len(t.Roots) > 0:
		return t.Roots[0].Source, true
	}
	return Source{}, false
}

// Counts reports whether a signature may count, and the line that says so, or that it does not. It
// is asked of one that was verified. Where no line names signers, it counts if its key is one that
// the user trusts, which whoever asks has to know; what a certificate names never does by itself,
// for an authority names everybody.
func (t *Trust) Counts(s Signed) (bool, *Source) {
	if r := t.Revokes(s.Key); r != nil {
		return false, &r.Source
	}
	for i := range t.Signers {
		if is := &t.Signers[i]; is.names(s) {
			return true, &is.Source
		}
	}
	if len(t.Signers) > 0 {
		return false, &t.Signers[0].Source
	}
	return s.Key != "", nil
}

func (s *TrustSigner) names(who Signed) bool {
	if s.Key != "" {
		return who.Key != "" && (s.Key == who.Key || s.Key == who.Name)
	}
	return s.Identity != "" && s.Issuer != "" && s.Identity == who.Identity &&
		s.Issuer == who.Issuer
}

// Revokes is the line by which a key's id, or the digest of a content, does not count any more; nil
// if there is none.
func (t *Trust) Revokes(sha256 string) *TrustRevoked {
	for i := range t.Revoked {
		if sha256 != "" && t.Revoked[i].SHA256 == sha256 {
			return &t.Revoked[i]
		}
	}
	return nil
}

func (t *Trust) rules() []Rule {
	var rules []Rule
	for _, f := range t.Files {
		rules = append(rules, Rule{f.ID, f.Source, "look at the signature of " + Printable(f.Pattern)})
	}
	if u := t.Unsigned; u != nil {
		rules = append(rules, Rule{u.ID, u.Source, string(u.Is) + " what was never signed"})
	}
	for _, s := range t.Signers {
		who := "key " + s.Key
		if s.Key == "" {
			who = s.Identity + ", by " + s.Issuer
		}
		rules = append(rules, Rule{s.ID, s.Source, "signed by " + Printable(who)})
	}
	for _, r := range t.Revoked {
		rules = append(rules, Rule{r.ID, r.Source, "nothing by or of " + r.SHA256})
	}
	for _, r := range t.Roots {
		rules = append(rules, Rule{r.ID, r.Source, "authorities in " + Printable(r.Path)})
	}
	return rules
}

// The most that a pattern of files may have: names one after the other, and bytes.
const (
	maxTrustParts = 64
	maxTrustBytes = 4096
)

// CheckTrustPattern says what is wrong with a pattern of [TrustFile].
func CheckTrustPattern(pattern string) error {
	rest := strings.TrimPrefix(pattern, "/")
	switch {
	case rest == "":
		return errors.New("it names nothing")
	case len(pattern) > maxTrustBytes:
		return fmt.Errorf("it is longer than %d bytes", maxTrustBytes)
	case strings.ContainsRune(pattern, 0):
		return errors.New("no name has a NUL byte")
	}
	parts := strings.Split(rest, "/")
	if len(parts) > maxTrustParts {
		return fmt.Errorf("it has more than %d names one after the other", maxTrustParts)
	}
	for _, part := range parts {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("%q is no name in it", part)
		}
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Errorf("%q cannot be read: %w", part, err)
		}
	}
	return nil
}

// ParseSigner reads a signer: the id of a key, the name of one, or "IDENTITY by ISSUER".
func ParseSigner(s string) (TrustSigner, error) {
	if identity, issuer, ok := strings.Cut(s, " by "); ok {
		identity, issuer = strings.TrimSpace(identity), strings.TrimSpace(issuer)
		if identity == "" || issuer == "" {
			return TrustSigner{}, errors.New("it names nobody")
		}
		return TrustSigner{Identity: identity, Issuer: issuer}, nil
	}
	if id, err := ParseSHA256(s); err == nil {
		return TrustSigner{Key: id}, nil
	}
	if strings.ContainsAny(s, "@/: ") {
		return TrustSigner{}, errors.New("an identity counts only by an issuer")
	}
	if s == "" || strings.HasPrefix(s, ".") || Printable(s) != s {
		return TrustSigner{}, errors.New("it is no name of a key")
	}
	return TrustSigner{Key: s}, nil
}

// ParseSHA256 reads a key's id, or a digest, in hexadecimal digits; "key:" or "sha256:" may stand
// before it.
func ParseSHA256(s string) (string, error) {
	const digits = 64
	s = strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(s, "key:"), "sha256:"))
	if len(s) != digits || strings.Trim(s, "0123456789abcdef") != "" {
		return "", fmt.Errorf("it has not %d hexadecimal digits", digits)
	}
	return s, nil
}
