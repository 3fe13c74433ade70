// Package rootstest is a Sigstore of a test's own: authorities for certificates and for timestamps,
// a transparency log, and the trusted root that names them, all in memory.
//
//	world := rootstest.New(t)
//	leaf := world.Certificate(t, rootstest.Alice)
//	text := world.Bundle(t, leaf, payload, rootstest.Stamped(time.Now()))
package rootstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	dssepb "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	sigstore "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"

	"github.com/nono-run/nono/plugins/trust/bundle"
)

// PayloadType is that of an in-toto statement.
const PayloadType = "application/vnd.in-toto+json"

// Alice is whom certificates name, unless a test says otherwise.
var Alice = bundle.Identity{Name: "alice@example.com", Issuer: "https://accounts.example.com"}

// World is the authorities.
type World struct {
	fulcio    *root.FulcioCertificateAuthority
	fulcioKey *ecdsa.PrivateKey
	tsa       *root.SigstoreTimestampingAuthority
	tsaKey    *ecdsa.PrivateKey
	log       *ca.VirtualSigstore
}

// Leaf is a certificate and its key.
type Leaf struct {
	Certificate *x509.Certificate
	Key         *ecdsa.PrivateKey
}

// New makes authorities that have been there for a day.
func New(t testing.TB) *World {
	t.Helper()
	from, to := time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour)
	rootKey, key, tsaKey := NewKey(t), NewKey(t), NewKey(t)
	anchor := issue(t, rootKey, &x509.Certificate{
		Subject: pkix.Name{CommonName: "root"}, NotBefore: from, NotAfter: to, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, rootKey)
	between := issue(t, key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, NotBefore: from, NotAfter: to, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}, anchor, rootKey)
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		t.Fatal(err)
	}
	stamper := issue(t, tsaKey, &x509.Certificate{
		Subject: pkix.Name{CommonName: "time"}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage},
		},
	}, anchor, rootKey)
	log, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	return &World{
		fulcio: &root.FulcioCertificateAuthority{
			Root: anchor, Intermediates: []*x509.Certificate{between},
			ValidityPeriodStart: from, ValidityPeriodEnd: to, URI: "https://ca.localhost",
		},
		fulcioKey: key,
		tsa: &root.SigstoreTimestampingAuthority{
			Root: anchor, Leaf: stamper, ValidityPeriodStart: from, ValidityPeriodEnd: to,
			URI: "https://tsa.localhost",
		},
		tsaKey: tsaKey,
		log:    log,
	}
}

// NewKey makes a key on P-256.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate; without a parent it is its own.
func issue(t testing.TB, key *ecdsa.PrivateKey, template, parent *x509.Certificate,
	parentKey *ecdsa.PrivateKey,
) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// Root is the text of the trusted root. With logs of certificates, a certificate has to be in one.
func (w *World) Root(t testing.TB, certificateLogs bool) []byte {
	t.Helper()
	var certLogs logs
	if certificateLogs {
		certLogs = identified(t, w.log.CTLogs())
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{w.fulcio}, certLogs,
		[]root.TimestampingAuthority{w.tsa}, identified(t, w.log.RekorLogs()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := trusted.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// logs are transparency logs by their ID.
type logs = map[string]*root.TransparencyLog

// identified gives logs their IDs as bytes: the library's own have them in hexadecimal.
func identified(t testing.TB, logs logs) logs {
	t.Helper()
	for id, log := range logs {
		raw, err := hex.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		log.ID = raw
		log.ValidityPeriodStart = time.Now().Add(-24 * time.Hour)
	}
	return logs
}

// Certificate is one that the authority gives to somebody, valid for ten minutes from now on. Each
// change is made before it is signed.
func (w *World) Certificate(t testing.TB, who bundle.Identity,
	changes ...func(*x509.Certificate),
) Leaf {
	t.Helper()
	template := &x509.Certificate{
		EmailAddresses: []string{who.Name},
		NotBefore:      time.Now().Add(-time.Minute), NotAfter: time.Now().Add(10 * time.Minute),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	if who.Issuer != "" {
		template.ExtraExtensions = []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte(who.Issuer)},
		}
	}
	for _, change := range changes {
		change(template)
	}
	key := NewKey(t)
	return Leaf{
		Certificate: issue(t, key, template, w.fulcio.Intermediates[0], w.fulcioKey), Key: key,
	}
}

// ValidFrom is a change to a certificate: it is valid for ten minutes from a time on.
func ValidFrom(from time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, from.Add(10*time.Minute) }
}

// Signature is what is known of one when its bundle is being made.
type Signature struct {
	leaf      Leaf
	envelope  *dsse.Envelope
	signature []byte
	material  *bundlepb.VerificationMaterial
}

// Evidence puts into a bundle what shows when it was signed.
type Evidence func(t testing.TB, w *World, s Signature)

// Stamped is a timestamp of the world's authority.
func Stamped(at time.Time) Evidence {
	return func(t testing.TB, w *World, s Signature) {
		t.Helper()
		w.stamp(t, s, s.signature, at)
	}
}

// StampedElsewhere is a timestamp of that authority for another signature.
func StampedElsewhere(at time.Time) Evidence {
	return func(t testing.TB, w *World, s Signature) {
		t.Helper()
		w.stamp(t, s, []byte("another"), at)
	}
}

func (w *World) stamp(t testing.TB, s Signature, of []byte, at time.Time) {
	t.Helper()
	sum := sha256.Sum256(of)
	stamp := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: at,
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
	}
	response, err := stamp.CreateResponseWithOpts(w.tsa.Leaf, w.tsaKey, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	s.material.TimestampVerificationData = &bundlepb.TimestampVerificationData{
		Rfc3161Timestamps: []*commonpb.RFC3161SignedTimestamp{{SignedTimestamp: response}},
	}
}

// Logged is an entry of the world's log.
func Logged(at time.Time) Evidence { return logged(at, func(*rekorpb.TransparencyLogEntry) {}) }

// LoggedLater is such an entry, whose time was changed afterwards.
func LoggedLater(at, claimed time.Time) Evidence {
	return logged(at, func(e *rekorpb.TransparencyLogEntry) { e.IntegratedTime = claimed.Unix() })
}

func logged(at time.Time, change func(*rekorpb.TransparencyLogEntry)) Evidence {
	return func(t testing.TB, w *World, s Signature) {
		t.Helper()
		made, err := w.log.GenerateTlogEntry(s.leaf.Certificate, s.envelope, s.signature,
			at.Unix(), true)
		if err != nil {
			t.Fatal(err)
		}
		// The library keeps the promise elsewhere than in what it writes.
		entry := made.TransparencyLogEntry()
		promise, err := w.log.RekorSignPayload(tlog.RekorPayload{
			Body:           base64.StdEncoding.EncodeToString(entry.CanonicalizedBody),
			IntegratedTime: at.Unix(), LogIndex: entry.LogIndex,
			LogID: hex.EncodeToString(entry.LogId.KeyId),
		})
		if err != nil {
			t.Fatal(err)
		}
		entry.InclusionPromise = &rekorpb.InclusionPromise{SignedEntryTimestamp: promise}
		entry.KindVersion = &rekorpb.KindVersion{Kind: "dsse", Version: "0.0.1"}
		change(entry)
		s.material.TlogEntries = append(s.material.TlogEntries, entry)
	}
}

// By has the evidence come from another world.
func By(other *World, evidence Evidence) Evidence {
	return func(t testing.TB, _ *World, s Signature) {
		t.Helper()
		evidence(t, other, s)
	}
}

// Bundle is an envelope with this payload, signed with a certificate.
func (w *World) Bundle(t testing.TB, leaf Leaf, payload []byte, evidence ...Evidence) []byte {
	t.Helper()
	digest := sha256.Sum256(fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(PayloadType), PayloadType,
		len(payload), payload))
	s := sign(t, leaf, digest)
	s.envelope = &dsse.Envelope{
		PayloadType: PayloadType, Payload: base64.StdEncoding.EncodeToString(payload),
		Signatures: []dsse.Signature{{Sig: base64.StdEncoding.EncodeToString(s.signature)}},
	}
	return w.finish(t, s, evidence, &bundlepb.Bundle{Content: &bundlepb.Bundle_DsseEnvelope{
		DsseEnvelope: &dssepb.Envelope{
			Payload: payload, PayloadType: PayloadType,
			Signatures: []*dssepb.Signature{{Sig: s.signature}},
		},
	}})
}

// Message is the signature of some bytes, without a statement.
func (w *World) Message(t testing.TB, leaf Leaf, content []byte, evidence ...Evidence) []byte {
	t.Helper()
	digest := sha256.Sum256(content)
	s := sign(t, leaf, digest)
	return w.finish(t, s, evidence, &bundlepb.Bundle{Content: &bundlepb.Bundle_MessageSignature{
		MessageSignature: &commonpb.MessageSignature{
			MessageDigest: &commonpb.HashOutput{
				Algorithm: commonpb.HashAlgorithm_SHA2_256, Digest: digest[:],
			},
			Signature: s.signature,
		},
	}})
}

func sign(t testing.TB, leaf Leaf, digest [sha256.Size]byte) Signature {
	t.Helper()
	signature, err := ecdsa.SignASN1(rand.Reader, leaf.Key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return Signature{leaf: leaf, signature: signature, material: &bundlepb.VerificationMaterial{
		Content: &bundlepb.VerificationMaterial_Certificate{
			Certificate: &commonpb.X509Certificate{RawBytes: leaf.Certificate.Raw},
		},
	}}
}

func (w *World) finish(t testing.TB, s Signature, evidence []Evidence, b *bundlepb.Bundle) []byte {
	t.Helper()
	for _, show := range evidence {
		show(t, w, s)
	}
	b.MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	b.VerificationMaterial = s.material
	made, err := sigstore.NewBundle(b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
