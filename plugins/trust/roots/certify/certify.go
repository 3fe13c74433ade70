// Package certify says who signed a bundle that has a certificate, by Sigstore's own library and by
// a trusted root alone: nothing is fetched, and nobody is asked.
//
// A certificate counts where an authority of the root issued it, for signing code, and where it was
// valid when the bundle was signed. Certificates of Sigstore are valid for ten minutes. So a bundle
// has the time of its signature in it, with the signature of an authority for timestamps (RFC 3161)
// or of a transparency log, which the root has to know. A bundle that has neither counts as signed
// now: that is for authorities of one's own, whose certificates are valid for longer.
//
// Where the root names logs of certificates, the certificate has to be in one.
package certify

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	sigstore "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/roots"
)

// Verify is a [roots.Certify].
func Verify(rootText, text []byte) (bundle.Certified, error) {
	if len(rootText) > roots.MaxRoot {
		return bundle.Certified{}, fmt.Errorf("%w: it is too long", roots.ErrRoot)
	}
	trusted, err := root.NewTrustedRootFromJSON(rootText)
	if err != nil {
		return bundle.Certified{}, fmt.Errorf("%w: %w", roots.ErrRoot, err)
	}
	var b sigstore.Bundle
	if err := b.UnmarshalJSON(text); err != nil {
		return bundle.Certified{}, fmt.Errorf("%w: %w", roots.ErrRefused, err)
	}
	content, err := b.VerificationContent()
	if err != nil {
		return bundle.Certified{}, fmt.Errorf("%w: %w", roots.ErrRefused, err)
	}
	certificate := content.Certificate()
	if certificate == nil {
		return bundle.Certified{}, fmt.Errorf("%w: it has no certificate", roots.ErrRefused)
	}
	if !slices.Contains(certificate.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		return bundle.Certified{}, roots.ErrUsage
	}
	times, options, err := whenSigned(&b, trusted)
	if err != nil {
		return bundle.Certified{}, err
	}
	told := len(times) > 0
	if !told {
		times, options = []time.Time{time.Now()}, []verify.VerifierOption{verify.WithCurrentTime()}
	}
	if err := validAt(certificate, times, told); err != nil {
		return bundle.Certified{}, err
	}
	signed, err := signedBy(&b, trusted, options)
	if err != nil {
		return bundle.Certified{}, because(err, certificate, times, trusted)
	}
	identity, err := identityOf(certificate, signed)
	if err != nil {
		return bundle.Certified{}, err
	}
	digest, err := digestOf(&b)
	return bundle.Certified{Identity: identity, Digest: digest}, err
}

// whenSigned is each time at which somebody whom the root knows saw the signature, and what the
// library is to insist on. There is none where nothing in the bundle tells.
func whenSigned(b *sigstore.Bundle, trusted *root.TrustedRoot) ([]time.Time,
	[]verify.VerifierOption, error,
) {
	stamps, err := b.Timestamps()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", roots.ErrTimestamp, err)
	}
	entries, err := b.TlogEntries()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", roots.ErrTimestamp, err)
	}
	if len(stamps) == 0 && len(entries) == 0 {
		return nil, nil, nil
	}
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	seen, faults, err := verify.VerifySignedTimestamp(b, trusted)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", roots.ErrTimestamp, err)
	}
	var times []time.Time
	for _, stamp := range seen {
		times = append(times, stamp.Time)
	}
	// A log that the root does not know says nothing, and does not hurt beside a timestamp.
	logs := trusted.RekorLogs()
	for _, entry := range entries {
		if _, known := logs[hex.EncodeToString([]byte(entry.LogKeyID()))]; !known {
			continue
		}
		if len(options) == 1 {
			options = append(options, verify.WithTransparencyLog(1))
		}
		if entry.HasInclusionPromise() {
			times = append(times, entry.IntegratedTime())
		}
	}
	if len(times) == 0 {
		return nil, nil, errors.Join(append([]error{roots.ErrTimestamp}, faults...)...)
	}
	return times, options, nil
}

// validAt holds a certificate to each time. The library does too, and does not say what was wrong.
func validAt(certificate *x509.Certificate, times []time.Time, told bool) error {
	say := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	for _, at := range times {
		if !at.Before(certificate.NotBefore) && !at.After(certificate.NotAfter) {
			continue
		}
		signed := "that was at " + say(at)
		if !told {
			signed = "nothing shows that it was signed in that time"
		}
		return fmt.Errorf("%w: it was valid from %s to %s, and %s", roots.ErrExpired,
			say(certificate.NotBefore), say(certificate.NotAfter), signed)
	}
	return nil
}

// signedBy has the library verify all of it: times, log entries, the chain, the signature.
func signedBy(b *sigstore.Bundle, trusted *root.TrustedRoot, options []verify.VerifierOption) (
	*verify.VerificationResult, error,
) {
	if len(trusted.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	verifier, err := verify.NewVerifier(trusted, options...)
	if err != nil {
		return nil, err
	}
	content, err := b.SignatureContent()
	if err != nil {
		return nil, err
	}
	// Whose file it is, and who may sign it, is asked by package bundle and those after it. An
	// envelope is verified as it is, and a message by the digest that the bundle has.
	of := verify.WithoutArtifactUnsafe()
	if message := content.MessageSignatureContent(); message != nil {
		of = verify.WithArtifactDigest("sha256", message.Digest())
	}
	return verifier.Verify(b, verify.NewPolicy(of, verify.WithoutIdentitiesUnsafe()))
}

// because says of an error of the library's whether the chain is what it is about.
func because(err error, certificate *x509.Certificate, times []time.Time,
	trusted *root.TrustedRoot,
) error {
	for _, at := range times {
		if _, fault := verify.VerifyLeafCertificate(at, certificate, trusted); fault != nil {
			return fmt.Errorf("%w, which was issued by %q", roots.ErrChain, certificate.Issuer)
		}
	}
	return fmt.Errorf("%w: %w", roots.ErrRefused, err)
}

// identityOf is who a certificate names. It names one, or what one reader takes for its holder
// another would not.
func identityOf(certificate *x509.Certificate, signed *verify.VerificationResult) (
	bundle.Identity, error,
) {
	summary := signed.Signature.Certificate
	identity := bundle.Identity{Name: summary.SubjectAlternativeName, Issuer: summary.Issuer}
	names, err := alternativeNames(certificate)
	if err != nil || names != 1 || identity.Name == "" || identity.Issuer == "" {
		return bundle.Identity{}, roots.ErrNames
	}
	return identity, nil
}

// alternativeNames is how many names a certificate's holder has, of whatever kind.
func alternativeNames(certificate *x509.Certificate) (int, error) {
	for _, extension := range certificate.Extensions {
		if extension.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			var names []asn1.RawValue
			rest, err := asn1.Unmarshal(extension.Value, &names)
			if err == nil && len(rest) > 0 {
				err = errors.New("something follows its names")
			}
			return len(names), err
		}
	}
	return 0, nil
}

// digestOf is the digest of what the signature is over, as the library has read it.
func digestOf(b *sigstore.Bundle) ([sha256.Size]byte, error) {
	content, err := b.SignatureContent()
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	if message := content.MessageSignatureContent(); message != nil {
		if len(message.Digest()) != sha256.Size {
			return [sha256.Size]byte{}, roots.ErrRefused
		}
		return [sha256.Size]byte(message.Digest()), nil
	}
	envelope := content.EnvelopeContent().RawEnvelope()
	payload, err := envelope.DecodeB64Payload()
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("%w: %w", roots.ErrRefused, err)
	}
	return sha256.Sum256(dsse.PAE(envelope.PayloadType, payload)), nil
}
