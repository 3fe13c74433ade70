package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/agefile"
	"github.com/nono-run/nono/sdk/keyring"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Where says what keeps a private key. The zero is nowhere.
type Where string

// The places.
const (
	// Keyring is the user's keyring.
	Keyring Where = "keyring"
	// Age is a file that age encrypts.
	Age Where = "age"
)

// Place is where a private key is.
type Place struct {
	Where Where
	// Identity is the path of the file with the identity that opens a file of age's; empty where it
	// has a passphrase.
	Identity string
}

// OpensUnasked reports whether the key may open without anybody being asked.
func (p Place) OpensUnasked() bool { return p.Where == Keyring || p.Identity != "" }

// String says it to the user.
func (p Place) String() string {
	switch {
	case p.Where == Keyring:
		return "in your keyring"
	case p.Where == Age && p.Identity != "":
		return "encrypted to " + policy.Printable(p.Identity)
	case p.Where == Age:
		return "encrypted with a passphrase"
	}
	return "nowhere"
}

// privateType is what a private key is called in PEM (PKCS #8), as openssl and cosign read it.
const privateType = "PRIVATE KEY"

const (
	// patience is how long a keyring has that is only read, and patienceToAsk one that may ask the
	// user for its password.
	patience      = 1500 * time.Millisecond
	patienceToAsk = time.Minute
)

// What can be said of a private key that is not to be had.
var (
	// ErrNone says that there is no key of this name.
	ErrNone = errors.New("you have no key of this name")
	// ErrForeign says that its private half is not here.
	ErrForeign = errors.New("it is trusted, and only its owner can sign with it: its private half " +
		"is not here")
	// ErrTaken says that there is a key of this name.
	ErrTaken = errors.New("there is a key of this name already, and no key is ever overwritten")
	// ErrRevoked says that a key was revoked.
	ErrRevoked = errors.New("it was revoked")
)

// UnopenedError says that a private key is there and does not open.
type UnopenedError struct {
	Place Place
	Err   error
}

// Error implements error.
func (e *UnopenedError) Error() string {
	text := e.Place.String() + ", and does not open: " + e.Err.Error()
	var unavailable *keyring.Unavailable
	if errors.As(e.Err, &unavailable) {
		text += "; unlock it, or start it, and try again"
	}
	return text
}

// Unwrap is why.
func (e *UnopenedError) Unwrap() error { return e.Err }

// KeptError says that a key is revoked, and that its private half could not be removed.
type KeptError struct {
	Place Place
	Err   error
}

// Error implements error.
func (e *KeptError) Error() string {
	return fmt.Sprintf("the key is revoked, and its private half is still %s: %v", e.Place, e.Err)
}

// Unwrap is why.
func (e *KeptError) Unwrap() error { return e.Err }

// Private is a private key that was opened. It signs, and cannot be printed: whatever prints it, or
// something that it is in, has "[redacted]" in its place.
type Private struct {
	public Public
	// A function, because fmt looks into a struct's unexported fields without asking any method.
	key func() *ecdsa.PrivateKey
}

// Public implements [crypto.Signer]: it is an *ecdsa.PublicKey.
func (p *Private) Public() crypto.PublicKey { return p.public.Key }

// Named is its public half.
func (p *Private) Named() Public { return p.public }

// Sign implements [crypto.Signer].
func (p *Private) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	key := p.key()
	if key == nil {
		return nil, errors.New("the key was closed")
	}
	return key.Sign(random, digest, o)
}

// Close forgets the key, and overwrites what can be reached of it: the standard library, and the
// keyring's and age's before it, have made copies that nobody can reach.
func (p *Private) Close() {
	if key := p.key(); key != nil {
		clear(key.D.Bits()) //nolint:staticcheck // it is overwritten here and never used again
	}
	p.key = func() *ecdsa.PrivateKey { return nil }
}

// Format implements fmt.Formatter, for every verb.
func (*Private) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler.
func (*Private) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const redacted = "[redacted]"

// Private opens one of the user's own keys. Whoever asks keeps the process's memory from others
// first ([sdk.HideMemory]).
func (r *Ring) Private(ctx context.Context, name string) (*Private, error) {
	key, err := r.private(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening the key %s: %w", policy.Printable(name), err)
	}
	return key, nil
}

func (r *Ring) private(ctx context.Context, name string) (*Private, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	public, ok := r.Find(name)
	if !ok {
		return nil, ErrNone
	}
	if _, revoked := r.revoked.Keys[public.ID]; revoked {
		return nil, ErrRevoked
	}
	place, ok := r.own[name]
	if !ok {
		return nil, ErrForeign
	}
	text, err := r.open(ctx, name, place)
	if err != nil {
		return nil, &UnopenedError{place, err}
	}
	defer clear(text)
	key, err := parsePrivate(text)
	if err != nil {
		return nil, &UnopenedError{place, err}
	}
	if !key.PublicKey.Equal(public.Key) {
		return nil, &UnopenedError{place, errors.New("what is there is another key than the public " +
			"half of this name")}
	}
	return &Private{public, func() *ecdsa.PrivateKey { return key }}, nil
}

// open is a private key as text.
func (r *Ring) open(ctx context.Context, name string, place Place) ([]byte, error) {
	switch place.Where {
	case Keyring:
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return r.options.Keyring.Get(ctx, name)
	case Age:
		file := agefile.File{
			Path: r.path(name + ageEnd), Identity: place.Identity, UID: r.options.UID,
		}
		return file.Open(ctx, r.phrases)
	}
	return nil, fmt.Errorf("nobody knows what a place of the kind %q is", place.Where)
}

// parsePrivate reads a private key. No error says anything of what is there.
func parsePrivate(text []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != privateType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("what is there is no private key")
	}
	defer clear(block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("what is there is no private key")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("what is there is a key of another kind")
	}
	return key, nil
}

// Generate makes a key, stores its private half in a place, and trusts it. It overwrites nothing.
func (r *Ring) Generate(ctx context.Context, name string, place Place) (Own, error) {
	own, err := r.generate(ctx, name, place)
	if err != nil {
		return Own{}, fmt.Errorf("making the key %s: %w", policy.Printable(name), err)
	}
	return own, nil
}

// GenerateAnywhere is Generate in the keyring, or where there is none in a file with a passphrase.
func (r *Ring) GenerateAnywhere(ctx context.Context, name string) (Own, error) {
	own, err := r.Generate(ctx, name, Place{Where: Keyring})
	var unavailable *keyring.Unavailable
	if !errors.As(err, &unavailable) || r.options.Ask == nil {
		return own, err
	}
	own, ageErr := r.Generate(ctx, name, Place{Where: Age})
	if errors.Is(ageErr, sdk.ErrNobody) {
		return own, fmt.Errorf("%w\n  and without a terminal nobody can be asked for the passphrase "+
			"of a file; a file can be encrypted to an identity: nono trust keygen %s --identity FILE",
			err, policy.Printable(name))
	}
	return own, ageErr
}

func (r *Ring) generate(ctx context.Context, name string, place Place) (Own, error) {
	if err := CheckName(name); err != nil {
		return Own{}, err
	}
	if err := r.free(name); err != nil { // before anybody is asked for anything
		return Own{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Own{}, err
	}
	public, err := named(name, &key.PublicKey)
	if err != nil {
		return Own{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Own{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: der})
	clear(der)
	defer clear(text)
	defer clear(key.D.Bits()) //nolint:staticcheck // it is overwritten here and never used again

	store, err := r.storing(ctx, name, place, sdk.NewSecret(text))
	if err != nil {
		return Own{}, err
	}
	err = r.change(ctx, func(dir *os.Root) error {
		if err := r.free(name); err != nil {
			return err
		}
		// What there would be of it is no key, and would keep the name from being used.
		if err := store(dir); err != nil {
			return errors.Join(err, removeFiles(dir, name))
		}
		if err := r.write(dir, public); err != nil {
			return errors.Join(err, r.forget(context.WithoutCancel(ctx), dir, name, place))
		}
		return nil
	})
	return Own{public, place}, err
}

// free refuses a name of which there is anything already.
func (r *Ring) free(name string) error {
	var there []string
	for _, end := range ends {
		if r.has(name + end) {
			there = append(there, policy.Printable(r.path(name+end)))
		}
	}
	switch {
	case len(there) == 0:
		return nil
	case r.has(name + publicEnd):
		return fmt.Errorf("%w: %s", ErrTaken, there[0])
	}
	return fmt.Errorf("%w: its public half %s is missing. Put that back; or, if the key was never "+
		"made to its end: rm %s", ErrTaken, policy.Printable(r.path(name+publicEnd)),
		strings.Join(there, " "))
}

// storing asks what has to be asked, and returns what stores the key, which asks nothing.
func (r *Ring) storing(
	ctx context.Context, name string, place Place, key sdk.Secret,
) (func(*os.Root) error, error) {
	switch place.Where {
	case Keyring:
		return r.inKeyring(ctx, name, key)
	case Age:
		return r.inAge(ctx, name, place, key)
	}
	return nil, fmt.Errorf("nobody knows what a place of the kind %q is", place.Where)
}

func (r *Ring) inKeyring(
	ctx context.Context, name string, key sdk.Secret,
) (func(*os.Root) error, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := r.options.Keyring.Get(within, name)
	switch {
	case err == nil:
		return nil, fmt.Errorf("%w: the keyring has one that is not listed here. Take another name; or, "+
			"if it signs nothing any more: secret-tool clear service %s username %s",
			ErrTaken, service, name)
	case !errors.Is(err, keyring.ErrNotFound):
		return nil, err
	}
	return func(dir *os.Root) error {
		err := ownfile.ReplaceSynced(dir, name+keyringEnd, []byte(service+"/"+name+"\n"))
		if err != nil {
			return err
		}
		// The keyring may have to ask for its password, and then somebody is there.
		ctx, cancel := context.WithTimeout(ctx, patienceToAsk)
		defer cancel()
		return r.options.Keyring.Set(ctx, name, key.Reveal())
	}, nil
}

func (r *Ring) inAge(
	ctx context.Context, name string, place Place, key sdk.Secret,
) (func(*os.Root) error, error) {
	sealed, err := r.seal(ctx, name, place, key)
	if err != nil {
		return nil, err
	}
	return func(dir *os.Root) error {
		if place.Identity != "" {
			err := ownfile.ReplaceSynced(dir, name+identityEnd, []byte(place.Identity))
			if err != nil {
				return err
			}
		}
		return ownfile.ReplaceSynced(dir, name+ageEnd, sealed)
	}, nil
}

func (r *Ring) seal(
	ctx context.Context, name string, place Place, key sdk.Secret,
) ([]byte, error) {
	if place.Identity != "" {
		return agefile.Seal(key, place.Identity, r.options.UID)
	}
	if r.phrases == nil {
		return nil, agefile.ErrUnasked
	}
	phrase, err := agefile.NewPassphrase(ctx, r.options.Ask, r.path(name+ageEnd))
	if err != nil {
		return nil, err
	}
	r.phrases.Know(phrase)
	return agefile.SealBy(key, phrase)
}

// write makes a public key one that is trusted.
func (r *Ring) write(dir *os.Root, public Public) error {
	text, err := public.PEM()
	if err != nil {
		return err
	}
	return ownfile.ReplaceSynced(dir, public.Name+publicEnd, text)
}

// Add trusts a public key, under a name. It overwrites nothing; a key that is there under this name
// already stays.
func (r *Ring) Add(ctx context.Context, name string, key *ecdsa.PublicKey) (Public, error) {
	public, err := r.add(ctx, name, key)
	if err != nil {
		return Public{}, fmt.Errorf("trusting the key %s: %w", policy.Printable(name), err)
	}
	return public, nil
}

func (r *Ring) add(ctx context.Context, name string, key *ecdsa.PublicKey) (Public, error) {
	if err := CheckName(name); err != nil {
		return Public{}, err
	}
	public, err := named(name, key)
	if err != nil {
		return Public{}, err
	}
	return public, r.change(ctx, func(dir *os.Root) error {
		if _, revoked := r.revoked.Keys[public.ID]; revoked {
			return fmt.Errorf("%w, as %s says", ErrRevoked, policy.Printable(r.path(revokedFile)))
		}
		for _, known := range r.keys {
			switch {
			case known.ID != public.ID:
			case known.Name == name:
				return nil
			default:
				return fmt.Errorf("it is trusted already, as %s", known.Name)
			}
		}
		if err := r.free(name); err != nil {
			return err
		}
		return r.write(dir, public)
	})
}

// removePrivate removes the private half of a key.
func (r *Ring) removePrivate(ctx context.Context, own *Own) error {
	return r.change(ctx, func(dir *os.Root) error {
		return r.forget(ctx, dir, own.Name, own.Place)
	})
}

// forget removes what there is of the private half of a key, and its public one.
func (r *Ring) forget(ctx context.Context, dir *os.Root, name string, place Place) error {
	if place.Where == Keyring {
		ctx, cancel := context.WithTimeout(ctx, patienceToAsk)
		defer cancel()
		err := r.options.Keyring.Remove(ctx, name)
		if err != nil && !errors.Is(err, keyring.ErrNotFound) {
			return err
		}
	}
	return removeFiles(dir, name)
}

// ends are those of all files of a key. They are removed in this order: without the public half the
// rest is no key.
var ends = []string{publicEnd, keyringEnd, ageEnd, identityEnd}

func removeFiles(dir *os.Root, name string) error {
	for _, end := range ends {
		if err := dir.Remove(name + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return ownfile.Sync(dir)
}
