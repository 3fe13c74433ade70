//go:build linux

package internet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A CA is the one that the machine trusts.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	issued map[string]*tls.Certificate
}

// caName is in lower case, which spares OpenSSL's way to make names alike.
const caName = "the ca of the test's internet"

func newCA() (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	subject, err := asn1.Marshal(pkix.RDNSequence{relativeName()})
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), RawSubject: subject,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &CA{cert: cert, key: key, issued: map[string]*tls.Certificate{}}, err
}

func relativeName() pkix.RelativeDistinguishedNameSET {
	value := asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(caName)}
	return pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: value}}
}

// PEM is the CA's certificate.
func (c *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

// install puts the certificate where Debian's and Fedora's programs look, and by the hash of its
// subject, for what reads the directory as OpenSSL does.
func (c *CA) install(dir string) error {
	name, err := asn1.Marshal(relativeName())
	if err != nil {
		return err
	}
	sum := sha1.Sum(name)
	hashed := fmt.Sprintf("%08x.0", binary.LittleEndian.Uint32(sum[:]))
	for _, name := range []string{"ca-certificates.crt", "ca-bundle.crt", hashed} {
		if err := os.WriteFile(filepath.Join(dir, name), c.PEM(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Issue is a certificate for a name or an address.
func (c *CA) Issue(name string) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cert, ok := c.issued[name]; ok {
		return cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(c.issued) + 2)),
		Subject:      pkix.Name{CommonName: "a host of the test's internet"},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, key.Public(), c.key)
	if err != nil {
		return nil, err
	}
	c.issued[name] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return c.issued[name], nil
}
