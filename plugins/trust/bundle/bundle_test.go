package bundle_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/keyid"
	"github.com/nono-run/nono/plugins/trust/statement"
	"github.com/nono-run/nono/plugins/trust/strictjson"
)

var said = statement.Statement{
	Subjects: []statement.Subject{{Name: "CLAUDE.md", SHA256: sha256.Sum256([]byte("be kind\n"))}},
	Closed:   []string{".claude/**"},
}

func newKey(t testing.TB) (*ecdsa.PrivateKey, keyid.ID) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := keyid.Of(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, id
}

func newKeyOnly(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, _ := newKey(t)
	return key
}

func trusting(id keyid.ID, key *ecdsa.PrivateKey) bundle.Verifier {
	return bundle.Verifier{Keys: map[keyid.ID]*ecdsa.PublicKey{id: &key.PublicKey}}
}

func sign(t testing.TB, s statement.Statement, key crypto.Signer) []byte {
	t.Helper()
	text, err := bundle.Sign(s, key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func verify(text []byte, v bundle.Verifier) (bundle.Signed, error) {
	b, err := bundle.Parse(text)
	if err != nil {
		return bundle.Signed{}, err
	}
	return b.Verify(v)
}

func TestSignedAndVerified(t *testing.T) {
	key, id := newKey(t)
	got, err := verify(sign(t, said, key), trusting(id, key))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bundle.Signed{Signer: bundle.Signer{Key: id}, Statement: said}, got); diff != "" {
		t.Errorf("verified (-want +got):\n%s", diff)
	}
}

// document is a bundle that tests take apart.
type document map[string]any

func parsed(t testing.TB, text []byte) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d document) in(path ...string) document {
	for _, key := range path {
		d = d[key].(map[string]any)
	}
	return d
}

func (d document) text(t testing.TB) []byte {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// message is a bundle as `cosign sign-blob` makes it.
func message(t testing.TB, content []byte, key *ecdsa.PrivateKey, id keyid.ID) document {
	t.Helper()
	digest := sha256.Sum256(content)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	name, _ := hex.DecodeString(string(id))
	return document{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": base64.StdEncoding.EncodeToString(name)}},
		"messageSignature": map[string]any{
			"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": base64.StdEncoding.EncodeToString(digest[:])},
			"signature":     base64.StdEncoding.EncodeToString(signature),
		},
	}
}

func TestMessage(t *testing.T) {
	key, id := newKey(t)
	for name, change := range map[string]func(document){
		"as it is":    func(document) {},
		"version 0.1": func(d document) { d["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1" },
		"version 0.2": func(d document) { d["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2" },
		"no hint":     func(d document) { d.in("verificationMaterial")["publicKey"] = map[string]any{} },
		"own hint":    func(d document) { d.in("verificationMaterial", "publicKey")["hint"] = "my key" },
		"log entries": func(d document) {
			d.in("verificationMaterial")["tlogEntries"] = []any{map[string]any{"logIndex": "1"}}
		},
	} {
		d := message(t, []byte("be kind\n"), key, id)
		change(d)
		got, err := verify(d.text(t), trusting(id, key))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := (bundle.Signed{Signer: bundle.Signer{Key: id}, Digest: sha256.Sum256([]byte("be kind\n"))}); !cmp.Equal(want, got) {
			t.Errorf("%s: verified %+v", name, got)
		}
	}
}

// TestTampering has a line for each thing that somebody may change in a bundle.
func TestTampering(t *testing.T) {
	key, id := newKey(t)
	other, otherID := newKey(t)
	trust := trusting(id, key)
	both := bundle.Verifier{Keys: map[keyid.ID]*ecdsa.PublicKey{id: &key.PublicKey, otherID: &other.PublicKey}}
	elsewhere := statement.Statement{Subjects: []statement.Subject{{Name: "CLAUDE.md", SHA256: sha256.Sum256([]byte("be evil\n"))}}}
	payload := func(text []byte) string { return parsed(t, text).in("dsseEnvelope")["payload"].(string) }
	envelope := func(change func(envelope document)) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			d := parsed(t, sign(t, said, key))
			change(d.in("dsseEnvelope"))
			return d.text(t)
		}
	}
	signature := func(e document) document { return e["signatures"].([]any)[0].(map[string]any) }
	whole := func(change func(d document)) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			d := parsed(t, sign(t, said, key))
			change(d)
			return d.text(t)
		}
	}
	ofMessage := func(change func(d document)) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			d := message(t, []byte("be kind\n"), key, id)
			change(d)
			return d.text(t)
		}
	}
	text := func(s string) func(t *testing.T) []byte { return func(*testing.T) []byte { return []byte(s) } }

	for name, c := range map[string]struct {
		text func(t *testing.T) []byte
		v    bundle.Verifier
		want error
		says string
	}{
		"100 MB":            {func(*testing.T) []byte { return make([]byte, 100<<20) }, trust, bundle.ErrSize, "at most 4194304 bytes"},
		"deep":              {text(strings.Repeat("[", 1<<20)), trust, strictjson.ErrDeep, "more than 16 deep"},
		"deep in the log":   {whole(func(d document) { d.in("verificationMaterial")["tlogEntries"] = deep(20) }), trust, strictjson.ErrDeep, "deep"},
		"empty":             {text(""), trust, strictjson.ErrEmpty, "it is empty"},
		"null":              {text("null"), trust, bundle.ErrMediaType, "version known here"},
		"cut":               {func(t *testing.T) []byte { b := sign(t, said, key); return b[:len(b)/2] }, trust, strictjson.ErrSyntax, "JSON"},
		"something after":   {func(t *testing.T) []byte { return append(sign(t, said, key), sign(t, said, key)...) }, trust, strictjson.ErrSyntax, "JSON"},
		"a field more":      {whole(func(d document) { d["comment"] = "trust me" }), trust, strictjson.ErrUnknown, "/comment"},
		"a field twice":     {func(t *testing.T) []byte { return twice(sign(t, said, key)) }, trust, strictjson.ErrTwice, "/mediaType"},
		"another version":   {whole(func(d document) { d["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.4+json" }), trust, bundle.ErrMediaType, "v0.4"},
		"cosign's old form": {text(`{"base64Signature":"MEUC","cert":"LS0t","rekorBundle":null}`), trust, bundle.ErrOldCosign, "--new-bundle-format"},
		"nothing signed":    {whole(func(d document) { delete(d, "dsseEnvelope") }), trust, bundle.ErrContent, "an envelope or"},
		"both kinds": {whole(func(d document) {
			d["messageSignature"] = message(t, nil, key, id)["messageSignature"]
		}), trust, bundle.ErrContent, "not both"},

		"payload type":       {envelope(func(e document) { e["payloadType"] = "text/plain" }), trust, bundle.ErrPayloadType, `"text/plain"`},
		"payload":            {envelope(func(e document) { e["payload"] = payload(sign(t, elsewhere, key)) }), trust, bundle.ErrSignature, "does not fit"},
		"payload not base64": {envelope(func(e document) { e["payload"] = "{}" }), trust, bundle.ErrBase64, "its payload"},
		"payload broken":     {envelope(func(e document) { e["payload"] = breakLine(e["payload"].(string)) }), trust, bundle.ErrBase64, "its payload"},
		"payload not padded": {envelope(func(e document) { e["payload"] = "e30" }), trust, bundle.ErrBase64, "its payload"},
		"payload with bits":  {envelope(func(e document) { e["payload"] = "e31=" }), trust, bundle.ErrBase64, "its payload"},
		"no signature":       {envelope(func(e document) { e["signatures"] = []any{} }), trust, bundle.ErrSignatures, "has 0"},
		"second signature":   {envelope(func(e document) { e["signatures"] = append(e["signatures"].([]any), e["signatures"].([]any)[0]) }), trust, bundle.ErrSignatures, "has 2"},
		"empty signature":    {envelope(func(e document) { signature(e)["sig"] = "" }), trust, bundle.ErrSignatures, "0 bytes"},
		"long signature":     {envelope(func(e document) { signature(e)["sig"] = strings.Repeat("A", 4096) }), trust, bundle.ErrSignatures, "4096 bytes"},
		"signature of another": {envelope(func(e document) {
			signature(e)["sig"] = signature(parsed(t, sign(t, elsewhere, key)).in("dsseEnvelope"))["sig"]
		}), trust, bundle.ErrSignature, "does not fit"},
		"signature not base64":  {envelope(func(e document) { signature(e)["sig"] = "MEU*" }), trust, bundle.ErrBase64, "its signature"},
		"signature not DER":     {envelope(func(e document) { signature(e)["sig"] = "AAAA" }), trust, bundle.ErrSignature, "does not fit"},
		"more after signature":  {envelope(func(e document) { signature(e)["sig"] = longer(signature(e)["sig"].(string)) }), trust, bundle.ErrSignature, "does not fit"},
		"signed by a stranger":  {func(t *testing.T) []byte { return sign(t, said, other) }, trust, bundle.ErrUnknownKey, string(otherID)},
		"stranger as the other": {func(t *testing.T) []byte { return renamed(t, sign(t, said, other), id) }, trust, bundle.ErrSignature, "does not fit"},
		"other as the one":      {func(t *testing.T) []byte { return renamed(t, sign(t, said, other), id) }, both, bundle.ErrSignature, "does not fit"},
		"stranger without name": {func(t *testing.T) []byte { return renamed(t, sign(t, said, other), "") }, trust, bundle.ErrUnknownKey, "which key"},
		"revoked":               {func(t *testing.T) []byte { return sign(t, said, key) }, revoking(trust, id), bundle.ErrRevokedKey, string(id)},
		"revoked, without name": {func(t *testing.T) []byte { return renamed(t, sign(t, said, key), "") }, revoking(trust, id), bundle.ErrRevokedKey, string(id)},
		"revoked and forgotten": {func(t *testing.T) []byte { return sign(t, said, key) }, revoking(bundle.Verifier{}, id), bundle.ErrRevokedKey, string(id)},
		"nobody is trusted":     {func(t *testing.T) []byte { return sign(t, said, key) }, bundle.Verifier{}, bundle.ErrUnknownKey, string(id)},
		"no signer":             {whole(func(d document) { d["verificationMaterial"] = map[string]any{} }), trust, bundle.ErrSigner, "name a key"},
		"two signers":           {whole(func(d document) { d.in("verificationMaterial")["certificate"] = map[string]any{"rawBytes": "AAAA"} }), trust, bundle.ErrSigner, "one of them"},
		"empty chain":           {whole(func(d document) { d["verificationMaterial"] = chain() }), trust, bundle.ErrSigner, "chain"},
		"long hint":             {whole(func(d document) { d.in("verificationMaterial", "publicKey")["hint"] = strings.Repeat("a", 300) }), trust, bundle.ErrSigner, "name a key"},
		"no statement":          {func(t *testing.T) []byte { return signedPayload(t, `{"hello": 1}`, key, id) }, trust, strictjson.ErrUnknown, "/hello"},
		"statement of SHA-1":    {func(t *testing.T) []byte { return signedPayload(t, sha1Statement, key, id) }, trust, statement.ErrDigest, "SHA-256"},

		"message's digest":           {ofMessage(func(d document) { digestOf(d)["digest"] = base64.StdEncoding.EncodeToString(make([]byte, 32)) }), trust, bundle.ErrSignature, "does not fit"},
		"message's digest is short":  {ofMessage(func(d document) { digestOf(d)["digest"] = "AAAA" }), trust, bundle.ErrDigest, "another length"},
		"message's digest is SHA-1":  {ofMessage(func(d document) { digestOf(d)["algorithm"] = "SHA1" }), trust, bundle.ErrDigestAlgorithm, `"SHA1"`},
		"message's digest is SHA512": {ofMessage(func(d document) { digestOf(d)["algorithm"] = "SHA2_512" }), trust, bundle.ErrDigestAlgorithm, `"SHA2_512"`},
		"message has no digest":      {ofMessage(func(d document) { delete(d.in("messageSignature"), "messageDigest") }), trust, bundle.ErrDigestAlgorithm, `""`},
		"envelope's as message's": {ofMessage(func(d document) {
			d.in("messageSignature")["signature"] = signature(parsed(t, sign(t, said, key)).in("dsseEnvelope"))["sig"]
		}), trust, bundle.ErrSignature, "does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verify(c.text(t), c.v)
			if !errors.Is(err, c.want) {
				t.Fatalf("verified %+v with %v, want %v", got, err, c.want)
			}
			if !strings.Contains(err.Error(), c.says) || len(err.Error()) > 600 {
				t.Errorf("said %q, want %q in it", err, c.says)
			}
			if !cmp.Equal(got, bundle.Signed{}) {
				t.Errorf("refused, and yet it gave %+v", got)
			}
		})
	}
}

func deep(n int) any {
	if n == 0 {
		return 1
	}
	return []any{deep(n - 1)}
}

func twice(text []byte) []byte {
	return bytes.Replace(text, []byte("{"), []byte(`{"mediaType":"",`), 1)
}

func breakLine(s string) string { return s[:8] + "\n" + s[8:] }

// longer is a signature with one byte more.
func longer(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	return base64.StdEncoding.EncodeToString(append(b, 0))
}

// renamed is a bundle that says it was signed by another key.
func renamed(t *testing.T, text []byte, id keyid.ID) []byte {
	t.Helper()
	name, err := hex.DecodeString(string(id))
	if err != nil {
		t.Fatal(err)
	}
	d := parsed(t, text)
	d.in("verificationMaterial", "publicKey")["hint"] = base64.StdEncoding.EncodeToString(name)
	return d.text(t)
}

func revoking(v bundle.Verifier, id keyid.ID) bundle.Verifier {
	v.Revoked = map[keyid.ID]bool{id: true}
	return v
}

func chain() document {
	return document{"x509CertificateChain": map[string]any{"certificates": []any{}}}
}

func digestOf(d document) document { return d.in("messageSignature", "messageDigest") }

const sha1Statement = `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"CLAUDE.md","digest":{"sha1":"2346ad27d7568ba9896f1b7da6b5991251debdf2"}}],"predicateType":"https://example.com/v1"}`

// signedPayload is what a trusted key signed that is none of ours.
func signedPayload(t *testing.T, payload string, key *ecdsa.PrivateKey, id keyid.ID) []byte {
	t.Helper()
	digest := sha256.Sum256(fmt.Appendf(nil, "DSSEv1 28 application/vnd.in-toto+json %d %s", len(payload), payload))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	d := parsed(t, renamed(t, sign(t, said, key), id))
	d["dsseEnvelope"] = map[string]any{
		"payload": base64.StdEncoding.EncodeToString([]byte(payload)), "payloadType": "application/vnd.in-toto+json",
		"signatures": []any{map[string]any{"sig": base64.StdEncoding.EncodeToString(signature), "keyid": "any"}},
	}
	return d.text(t)
}

// Half of the signatures that are made have the greater s.
func TestBothFormsOfASignatureVerify(t *testing.T) {
	key, id := newKey(t)
	d := parsed(t, sign(t, said, key))
	sig := d.in("dsseEnvelope")["signatures"].([]any)[0].(map[string]any)
	der, _ := base64.StdEncoding.DecodeString(sig["sig"].(string))
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		t.Fatal(err)
	}
	rs.S.Sub(elliptic.P256().Params().N, rs.S)
	der, err := asn1.Marshal(rs)
	if err != nil {
		t.Fatal(err)
	}
	sig["sig"] = base64.StdEncoding.EncodeToString(der)
	got, err := verify(d.text(t), trusting(id, key))
	if err != nil || !cmp.Equal(got.Statement, said) {
		t.Errorf("verified %+v, %v", got, err)
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Sign(said, p384); !errors.Is(err, bundle.ErrCurve) {
		t.Errorf("with a key on P-384: %v", err)
	}
	key, _ := newKey(t)
	if _, err := bundle.Sign(statement.Statement{}, key); !errors.Is(err, statement.ErrSubjects) {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := bundle.Sign(said, broken{key}); !errors.Is(err, bundle.ErrSignature) {
		t.Errorf("with a key that signs something else: %v", err)
	}
	id, err := keyid.Of(&p384.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(renamed(t, sign(t, said, key), id), trusting(id, p384)); !errors.Is(err, bundle.ErrCurve) {
		t.Errorf("verified with a key on P-384: %v", err)
	}
}

// broken signs what it was not asked to.
type broken struct{ *ecdsa.PrivateKey }

func (b broken) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return b.PrivateKey.Sign(random, make([]byte, len(digest)), opts)
}

// certified is a bundle whose key has a certificate; who vouches for it is the authority's matter.
func certified(t *testing.T) (text []byte, digest [sha256.Size]byte, id keyid.ID) {
	t.Helper()
	key, id := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	d := message(t, []byte("be kind\n"), key, id)
	d["verificationMaterial"] = map[string]any{"certificate": map[string]any{"rawBytes": base64.StdEncoding.EncodeToString(der)}}
	return d.text(t), sha256.Sum256([]byte("be kind\n")), id
}

func TestCertificates(t *testing.T) {
	text, digest, id := certified(t)
	alice := bundle.Identity{Name: "alice@example.com", Issuer: "https://accounts.example.com"}
	says := func(identity bundle.Identity, digest [sha256.Size]byte, err error) bundle.Authority {
		return func(got []byte) (bundle.Certified, error) {
			if !bytes.Equal(got, text) {
				t.Error("the authority was given another text")
			}
			return bundle.Certified{Identity: identity, Digest: digest}, err
		}
	}
	expired := errors.New("expired")
	for name, c := range map[string]struct {
		v    bundle.Verifier
		want error
		says string
	}{
		"vouched for": {bundle.Verifier{Identities: []bundle.Identity{alice}, Authority: says(alice, digest, nil)}, nil, ""},
		"no root":     {bundle.Verifier{Identities: []bundle.Identity{alice}}, bundle.ErrNoRoot, "no root"},
		"refused":     {bundle.Verifier{Identities: []bundle.Identity{alice}, Authority: says(alice, digest, expired)}, expired, "expired"},
		"nobody":      {bundle.Verifier{Authority: says(alice, digest, nil)}, bundle.ErrIdentity, `"alice@example.com"`},
		"nameless":    {bundle.Verifier{Authority: says(bundle.Identity{}, digest, nil)}, bundle.ErrIdentity, `""`},
		"wrong identity": {
			bundle.Verifier{Identities: []bundle.Identity{alice}, Authority: says(bundle.Identity{Name: "eve@example.com", Issuer: alice.Issuer}, digest, nil)},
			bundle.ErrIdentity, `"eve@example.com"`,
		},
		"wrong issuer": {
			bundle.Verifier{Identities: []bundle.Identity{alice}, Authority: says(bundle.Identity{Name: alice.Name, Issuer: "https://evil.example"}, digest, nil)},
			bundle.ErrIdentity, `"https://evil.example"`,
		},
		"of something else": {bundle.Verifier{Identities: []bundle.Identity{alice}, Authority: says(alice, sha256.Sum256(nil), nil)}, bundle.ErrDisagree, "not what was read"},
		"revoked key":       {revoking(bundle.Verifier{Identities: []bundle.Identity{alice}, Authority: says(alice, digest, nil)}, id), bundle.ErrRevokedKey, string(id)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verify(text, c.v)
			if !errors.Is(err, c.want) {
				t.Fatalf("verified %+v with %v, want %v", got, err, c.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), c.says) {
					t.Errorf("said %q, want %q in it", err, c.says)
				}
				return
			}
			if want := (bundle.Signed{Signer: bundle.Signer{Identity: alice.Name, Issuer: alice.Issuer}, Digest: digest}); !cmp.Equal(want, got) {
				t.Errorf("verified %+v", got)
			}
		})
	}
	t.Run("another's signature", func(t *testing.T) {
		d := parsed(t, text)
		d.in("messageSignature")["signature"] = message(t, []byte("be evil\n"), newKeyOnly(t), "").in("messageSignature")["signature"]
		v := bundle.Verifier{Identities: []bundle.Identity{alice}, Authority: func([]byte) (bundle.Certified, error) {
			return bundle.Certified{Identity: alice, Digest: digest}, nil
		}}
		if got, err := verify(d.text(t), v); !errors.Is(err, bundle.ErrSignature) {
			t.Errorf("verified %+v, %v", got, err)
		}
		d.in("verificationMaterial", "certificate")["rawBytes"] = "AAAA"
		if got, err := verify(d.text(t), v); !errors.Is(err, bundle.ErrCertificate) {
			t.Errorf("verified %+v, %v", got, err)
		}
	})
	// Its key's being trusted makes no difference: a certificate counts as one.
	if _, err := verify(text, bundle.Verifier{Keys: map[keyid.ID]*ecdsa.PublicKey{id: nil}}); !errors.Is(err, bundle.ErrNoRoot) {
		t.Errorf("with a trusted key: %v", err)
	}
}

// No edit of a bundle's bytes makes it say anything that was not signed.
func TestEditsSayNothingElse(t *testing.T) {
	key, id := newKey(t)
	texts := [][]byte{sign(t, said, key), message(t, []byte("be kind\n"), key, id).text(t)}
	wants := make([]bundle.Signed, len(texts))
	for i, text := range texts {
		var err error
		if wants[i], err = verify(text, trusting(id, key)); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(texts)-1).Draw(t, "kind")
		edited := edit(t, texts[i])
		got, err := verify(edited, trusting(id, key))
		if err == nil && !cmp.Equal(got, wants[i]) {
			t.Fatalf("%s\nverified as %+v", edited, got)
		}
	})
}

// edit changes, takes out, puts in or moves bytes of a text.
func edit(t *rapid.T, text []byte) []byte {
	text = bytes.Clone(text)
	for range rapid.IntRange(1, 3).Draw(t, "edits") {
		from := rapid.IntRange(0, len(text)).Draw(t, "from")
		to := rapid.IntRange(from, min(len(text), from+rapid.IntRange(0, 80).Draw(t, "most"))).Draw(t, "to")
		piece := rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 4),
			rapid.SampledFrom([][]byte{{' '}, {'='}, {'"'}, []byte(`\n`), []byte(`{`), []byte("A"), []byte(`,"payload":"e30="`)}),
			rapid.Just(bytes.Clone(text[from:to])),
		).Draw(t, "piece")
		text = append(append(bytes.Clone(text[:from]), piece...), text[to:]...)
	}
	return text
}

// FuzzParse: nothing that anybody can write is by a key that they do not have.
func FuzzParse(f *testing.F) {
	key, id := newKey(f)
	f.Add(sign(f, said, key))
	f.Add(message(f, []byte("be kind\n"), key, id).text(f))
	f.Add([]byte(`{"base64Signature":"MEUC"}`))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"x509CertificateChain":{"certificates":[{"rawBytes":"AAAA"}]}},"messageSignature":{}}`))
	for _, name := range []string{"attested.json", "signed.json"} {
		f.Add(recorded(f, name))
	}
	other, otherID := newKey(f)
	v := bundle.Verifier{Keys: map[keyid.ID]*ecdsa.PublicKey{otherID: &other.PublicKey}}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := verify(text, v); err == nil {
			t.Errorf("verified %+v", got)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	key, id := newKey(b)
	v := trusting(id, key)
	text := sign(b, said, key)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verify(text, v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyParallel(b *testing.B) {
	key, id := newKey(b)
	v := trusting(id, key)
	text := sign(b, said, key)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := verify(text, v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
