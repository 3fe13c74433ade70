package certify_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/roots"
	"github.com/nono-run/nono/plugins/trust/roots/certify"
	"github.com/nono-run/nono/plugins/trust/roots/rootstest"
	"github.com/nono-run/nono/plugins/trust/statement"
)

var said = statement.Statement{
	Subjects: []statement.Subject{{Name: "CLAUDE.md", SHA256: sha256.Sum256([]byte("be kind\n"))}},
	Closed:   []string{".claude/**"},
}

func payload(t *testing.T) []byte {
	t.Helper()
	text, err := said.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// verify goes the whole way: the strict reader first, then the library, then who was trusted.
func verify(text, root []byte, identities ...bundle.Identity) (bundle.Signed, error) {
	b, err := bundle.Parse(text)
	if err != nil {
		return bundle.Signed{}, err
	}
	return b.Verify(bundle.Verifier{
		Identities: identities,
		Authority:  func(text []byte) (bundle.Certified, error) { return certify.Verify(root, text) },
	})
}

func TestVouchedFor(t *testing.T) {
	world := rootstest.New(t)
	other := rootstest.New(t)
	now, before := time.Now(), time.Now().Add(-5*time.Hour)
	short := world.Certificate(t, rootstest.Alice, rootstest.ValidFrom(before))
	long := world.Certificate(t, rootstest.Alice)
	during := before.Add(time.Minute)
	for name, text := range map[string][]byte{
		"expired, with a timestamp":                 world.Bundle(t, short, payload(t), rootstest.Stamped(during)),
		"expired, in a log":                         world.Bundle(t, short, payload(t), rootstest.Logged(during)),
		"expired, with both":                        world.Bundle(t, short, payload(t), rootstest.Logged(during), rootstest.Stamped(during)),
		"expired, with a timestamp, in another log": world.Bundle(t, short, payload(t), rootstest.Stamped(during), rootstest.By(other, rootstest.Logged(during))),
		"valid, without anything":                   world.Bundle(t, long, payload(t)),
		"valid, with a timestamp":                   world.Bundle(t, long, payload(t), rootstest.Stamped(now)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verify(text, world.Root(t, false), rootstest.Alice)
			if err != nil {
				t.Fatal(err)
			}
			want := bundle.Signed{Signer: bundle.Signer{Identity: rootstest.Alice.Name, Issuer: rootstest.Alice.Issuer}, Statement: said}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("verified (-want +got):\n%s", diff)
			}
		})
	}
	message := world.Message(t, short, []byte("be kind\n"), rootstest.Stamped(during))
	got, err := verify(message, world.Root(t, false), rootstest.Alice)
	if err != nil || got.Digest != sha256.Sum256([]byte("be kind\n")) {
		t.Errorf("a message: %+v, %v", got, err)
	}
}

func TestTampering(t *testing.T) {
	world, other := rootstest.New(t), rootstest.New(t)
	now, before := time.Now(), time.Now().Add(-5*time.Hour)
	during, after := before.Add(time.Minute), before.Add(time.Hour)
	short := world.Certificate(t, rootstest.Alice, rootstest.ValidFrom(before))
	leaf := world.Certificate(t, rootstest.Alice)
	plain := world.Root(t, false)
	eve := bundle.Identity{Name: "eve@example.com", Issuer: rootstest.Alice.Issuer}
	changed := func(change func(*x509.Certificate)) []byte {
		return world.Bundle(t, world.Certificate(t, rootstest.Alice, change), payload(t))
	}
	for name, c := range map[string]struct {
		text, root []byte
		want       error
		says       string
	}{
		"expired, without a timestamp": {world.Bundle(t, short, payload(t)), plain, roots.ErrExpired, "nothing shows that it was signed in that time"},
		"expired, stamped later":       {world.Bundle(t, short, payload(t), rootstest.Stamped(after)), plain, roots.ErrExpired, "and that was at"},
		"expired, logged later":        {world.Bundle(t, short, payload(t), rootstest.Logged(after)), plain, roots.ErrExpired, "was not valid"},
		"stamped in time, logged later": {
			world.Bundle(t, short, payload(t), rootstest.Stamped(during), rootstest.Logged(after)), plain, roots.ErrExpired, "was not valid",
		},
		"time of the log was changed": {world.Bundle(t, short, payload(t), rootstest.LoggedLater(after, during)), plain, roots.ErrRefused, "does not verify"},
		"not valid yet":               {changed(rootstest.ValidFrom(now.Add(time.Hour))), plain, roots.ErrExpired, "was not valid"},
		"stamped by a stranger":       {world.Bundle(t, short, payload(t), rootstest.By(other, rootstest.Stamped(during))), plain, roots.ErrTimestamp, "no trusted root vouches"},
		"stamp of something else":     {world.Bundle(t, short, payload(t), rootstest.StampedElsewhere(during)), plain, roots.ErrTimestamp, "no trusted root vouches"},
		"in a stranger's log":         {world.Bundle(t, short, payload(t), rootstest.By(other, rootstest.Logged(during))), plain, roots.ErrTimestamp, "no trusted root vouches"},
		"valid, and stamped by a stranger": {
			world.Bundle(t, leaf, payload(t), rootstest.By(other, rootstest.Stamped(now))), plain, roots.ErrTimestamp, "no trusted root vouches",
		},
		"certificate by a stranger": {other.Bundle(t, other.Certificate(t, rootstest.Alice), payload(t)), plain, roots.ErrChain, `"CN=authority"`},
		"not for code":              {changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), plain, roots.ErrUsage, "signing code"},
		"for anything":              {changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), plain, roots.ErrUsage, "signing code"},
		"for no use in particular":  {changed(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), plain, roots.ErrUsage, "signing code"},
		"two people":                {changed(func(c *x509.Certificate) { c.EmailAddresses = append(c.EmailAddresses, "eve@example.com") }), plain, roots.ErrNames, "who signed"},
		"a person and a machine":    {changed(func(c *x509.Certificate) { c.DNSNames = []string{"example.com"} }), plain, roots.ErrNames, "who signed"},
		"nobody said so":            {world.Bundle(t, world.Certificate(t, bundle.Identity{Name: rootstest.Alice.Name}), payload(t)), plain, roots.ErrNames, "who found that out"},
		"in no log of certificates": {world.Bundle(t, leaf, payload(t)), world.Root(t, true), roots.ErrRefused, "signed certificate timestamp"},
		"wrong identity":            {world.Bundle(t, world.Certificate(t, eve), payload(t)), plain, bundle.ErrIdentity, `"eve@example.com"`},
		"wrong issuer":              {world.Bundle(t, world.Certificate(t, bundle.Identity{Name: rootstest.Alice.Name, Issuer: "https://evil.example"}), payload(t)), plain, bundle.ErrIdentity, `"https://evil.example"`},
		"no root":                   {world.Bundle(t, leaf, payload(t)), []byte("{}"), roots.ErrRoot, "cannot be read"},
		"a root without end":        {world.Bundle(t, leaf, payload(t)), make([]byte, roots.MaxRoot+1), roots.ErrRoot, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verify(c.text, c.root, rootstest.Alice)
			if !errors.Is(err, c.want) {
				t.Fatalf("verified %+v with %v, want %v", got, err, c.want)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("said %q, want %q in it", err, c.says)
			}
		})
	}
}

// The library looks at the signature too, and not only package bundle.
func TestSignatureOfAnother(t *testing.T) {
	world := rootstest.New(t)
	leaf := world.Certificate(t, rootstest.Alice)
	stolen := rootstest.Leaf{Certificate: leaf.Certificate, Key: rootstest.NewKey(t)}
	for name, text := range map[string][]byte{"envelope": world.Bundle(t, stolen, payload(t)), "message": world.Message(t, stolen, nil)} {
		if got, err := certify.Verify(world.Root(t, false), text); !errors.Is(err, roots.ErrRefused) {
			t.Errorf("%s: certified %+v, %v", name, got, err)
		}
		if got, err := verify(text, world.Root(t, false), rootstest.Alice); !errors.Is(err, bundle.ErrSignature) {
			t.Errorf("%s: verified %+v, %v", name, got, err)
		}
	}
}

// A name in a form that Go does not read is a name as well (Fulcio's for machines).
func TestOtherNames(t *testing.T) {
	world := rootstest.New(t)
	who := bundle.Identity{Name: "alice!example.com", Issuer: rootstest.Alice.Issuer}
	value, err := asn1.Marshal(struct {
		ID    asn1.ObjectIdentifier
		Value string `asn1:"explicit,tag:0,utf8"`
	}{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}, who.Name})
	if err != nil {
		t.Fatal(err)
	}
	value[0] = 0xa0 // its place among the names that there are
	names, err := asn1.Marshal([]asn1.RawValue{{FullBytes: value}})
	if err != nil {
		t.Fatal(err)
	}
	leaf := world.Certificate(t, who, func(c *x509.Certificate) {
		c.EmailAddresses = nil
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: names})
	})
	got, err := verify(world.Bundle(t, leaf, payload(t)), world.Root(t, false), who)
	if err != nil || got.Signer.Identity != who.Name {
		t.Errorf("verified %+v, %v", got, err)
	}
}

// A bundle with a key is none of this package's.
func TestKeys(t *testing.T) {
	text, err := bundle.Sign(said, rootstest.NewKey(t))
	if err != nil {
		t.Fatal(err)
	}
	root := rootstest.New(t).Root(t, false)
	if _, err := certify.Verify(root, text); !errors.Is(err, roots.ErrRefused) {
		t.Errorf("certified a key: %v", err)
	}
	if _, err := certify.Verify(root, bytes.Repeat([]byte("["), 1<<20)); !errors.Is(err, roots.ErrRefused) {
		t.Errorf("certified brackets: %v", err)
	}
}
