// Package keys is the keys that files are signed with, and those that are trusted.
//
//	ring, err := keys.Open(dir, keys.Options{UID: uid, Keyring: keyring, Ask: req.AskHidden})
//	public, err := ring.Generate(ctx, "default", keys.Place{Where: keys.Keyring})
//	key, err := ring.Private(ctx, "default")
//	defer key.Close()
//
// All keys are ECDSA on the curve P-256. A ring is a directory of the user's own,
// $XDG_CONFIG_HOME/nono/trust, in which each key has a name:
//
//	NAME.pem       a public key that is trusted
//	NAME.keyring   says that its private half is in the user's keyring
//	NAME.age       the private half, encrypted with a passphrase or to an identity
//	NAME.identity  the path of the file with that identity
//	revoked.json   keys and digests of files that are not trusted, whoever signed them
//
// NAME.pem is written last, so a key is whole or it is none. What cannot be read there is an error
// and is never passed over: a key that is left out may be one that was revoked.
//
// Who can write in that directory decides what is trusted, so one that others can write to is
// refused. Agents never see it.
package keys
