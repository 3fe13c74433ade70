//go:build linux

package internet

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
)

// publicName is the server name that is seen on the wire where the real one is encrypted.
const publicName = "api.good.example"

// newECH is a key for encrypted hellos, and the list of configurations that a client is given.
func newECH() (tls.EncryptedClientHelloKey, []byte, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return tls.EncryptedClientHelloKey{}, nil, err
	}
	const (
		version         = 0xfe0d
		x25519, sha256  = 0x0020, 0x0001
		aes128GCM       = 0x0001
		longestName, id = 32, 1
	)
	order := binary.BigEndian
	public := private.PublicKey().Bytes()
	contents := order.AppendUint16([]byte{id}, x25519)
	contents = append(order.AppendUint16(contents, uint16(len(public))), public...)
	contents = order.AppendUint16(contents, 4) // one suite
	contents = order.AppendUint16(contents, sha256)
	contents = order.AppendUint16(contents, aes128GCM)
	contents = append(contents, longestName, byte(len(publicName)))
	contents = append(contents, publicName...)
	contents = order.AppendUint16(contents, 0) // no extensions

	config := order.AppendUint16(nil, version)
	config = append(order.AppendUint16(config, uint16(len(contents))), contents...)
	list := append(order.AppendUint16(nil, uint16(len(config))), config...)
	key := tls.EncryptedClientHelloKey{
		Config: config, PrivateKey: private.Bytes(), SendAsRetry: true,
	}
	return key, list, nil
}
