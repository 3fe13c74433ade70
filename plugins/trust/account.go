package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/check"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/plugins/trust/roots"
	"github.com/nono-run/nono/sdk/policy"
)

// account is what counts for this user: his keys, what was ever signed, and what his policy says.
type account struct {
	ring      *keys.Ring
	memory    *memory.Memory
	policy    *policy.Trust
	authority bundle.Authority

	// dir is the current directory and home the user's: they are how paths are shown.
	dir, home string
}

// rules are the decision's, for this account.
func (a *account) rules() *check.Rules {
	r := &check.Rules{
		Unsigned: policy.UnsignedAllow, Revoked: a.revokes, Who: a.who, Show: a.show,
	}
	if u := a.policy.Unsigned; u != nil {
		r.Unsigned, r.Says = u.Is, u.ID
	}
	return r
}

// revokes reports whether a content was revoked, and the line of the policy that says so, if one
// does.
func (a *account) revokes(sum [32]byte) (policy.RuleID, bool) {
	if r := a.policy.Revokes(hex.EncodeToString(sum[:])); r != nil {
		return r.ID, true
	}
	_, revoked := a.ring.Revoked().Digests[sum]
	return "", revoked
}

// revokesContents reports whether any content was revoked.
func (a *account) revokesContents() bool {
	return len(a.policy.Revoked) > 0 || len(a.ring.Revoked().Digests) > 0
}

// verifier is who is trusted.
func (a *account) verifier() bundle.Verifier {
	v := bundle.Verifier{
		Keys: a.ring.Keys(), Revoked: a.ring.Revoked().IDs(), Authority: a.authority,
	}
	for _, r := range a.policy.Revoked {
		v.Revoked[keys.ID(r.SHA256)] = true
	}
	for _, s := range a.policy.Signers {
		if s.Key == "" {
			v.Identities = append(v.Identities, bundle.Identity{Name: s.Identity, Issuer: s.Issuer})
		}
	}
	return v
}

// judge says what the content of a bundle is worth, and what it says.
func (a *account) judge(name string, text []byte, v bundle.Verifier) *check.Bundle {
	b := &check.Bundle{Path: name, SHA256: sha256.Sum256(text), Worth: check.Broken}
	if len(text) == 0 {
		b.Why = "it is empty"
		return b
	}
	parsed, err := bundle.Parse(text)
	if err != nil {
		b.Why = reason(err)
		return b
	}
	signed, err := parsed.Verify(v)
	switch {
	case errors.Is(err, bundle.ErrRevokedKey):
		b.Worth = check.Revoked
	case errors.Is(err, bundle.ErrUnknownKey), errors.Is(err, bundle.ErrNoRoot),
		errors.Is(err, bundle.ErrIdentity), errors.Is(err, roots.ErrChain):
		b.Worth = check.Stranger
	}
	if err != nil {
		b.Why = reason(err)
		return b
	}
	b.Signer = memory.Signer{
		Key: string(signed.Signer.Key), Identity: signed.Signer.Identity, Issuer: signed.Signer.Issuer,
	}
	counts, _ := a.policy.Counts(policy.Signed{
		Key: b.Signer.Key, Name: a.ring.NameOf(signed.Signer.Key),
		Identity: b.Signer.Identity, Issuer: b.Signer.Issuer,
	})
	if !counts {
		b.Worth, b.Why = check.Stranger, a.who(b.Signer)+" is none of the signers that your policy names"
		return b
	}
	b.Worth = check.Good
	if len(signed.Statement.Subjects) == 0 {
		b.Message = &signed.Digest
		return b
	}
	b.Files = make(map[string][32]byte, len(signed.Statement.Subjects))
	for _, s := range signed.Statement.Subjects {
		b.Files[s.Name] = s.SHA256
	}
	if b.Closed, err = patterns(signed.Statement.Closed); err != nil {
		b.Worth, b.Why = check.Broken, err.Error()
	}
	return b
}

// reason is what is wrong with a bundle, without what was being done: the sentence says that.
func reason(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	return policy.Printable(err.Error())
}

// who is a signer as the user knows it.
func (a *account) who(s memory.Signer) string {
	if s.Key == "" {
		return fmt.Sprintf("%s (as %s says)", policy.Printable(s.Identity), policy.Printable(s.Issuer))
	}
	if name := a.ring.NameOf(keys.ID(s.Key)); name != "" {
		return fmt.Sprintf("key %q", name)
	}
	return "key " + short(s.Key)
}

// short is as much of a key's id as tells it from others.
func short(id string) string {
	const digits = 16
	if len(id) > digits {
		id = id[:digits] + "..."
	}
	return policy.Printable(id)
}

// show is a path as the user reads and types it.
func (a *account) show(name string) string {
	if rel, ok := strings.CutPrefix(name, strings.TrimSuffix(a.dir, "/")+"/"); ok {
		return policy.Printable(rel)
	}
	if rel, ok := strings.CutPrefix(name, a.home+"/"); ok && path.IsAbs(a.home) {
		return policy.Printable("~/" + rel)
	}
	return policy.Printable(name)
}

// open reads what the account has.
func open(
	ctx context.Context, p *policy.Trust, configDir, stateDir string, o keys.Options,
) (*account, error) {
	a := &account{policy: p}
	var err error
	if a.ring, err = keys.Open(configDir, o); err != nil {
		return nil, err
	}
	if a.memory, err = memory.Load(stateDir); err != nil {
		return nil, err
	}
	a.authority, err = authorityOf(ctx, p.Roots, o.UID)
	return a, err
}

// authorityOf checks certificates against the roots that the policy names. What does that is looked
// for only where a signature has one.
func authorityOf(ctx context.Context, named []policy.TrustRoot, uid int) (
	bundle.Authority, error,
) {
	if len(named) == 0 {
		return nil, nil
	}
	var texts [][]byte
	for _, r := range named {
		text, err := roots.Read(r.Path, uid)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities in %s (%s): %s", policy.Printable(r.Path),
				r.Source, plainly(err))
		}
		texts = append(texts, text)
	}
	program := sync.OnceValues(roots.Beside)
	return func(text []byte) (bundle.Certified, error) {
		path, err := program()
		if err != nil {
			return bundle.Certified{}, err
		}
		asker := roots.Asker{Program: path, Roots: texts}
		return asker.Verify(ctx, text)
	}, nil
}
