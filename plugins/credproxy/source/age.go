package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// longestEncrypted is how large an encrypted file may be: a key with what is around it, in
	// letters.
	longestEncrypted = 2 * longest
	// mostWork bounds what a file can have us compute for a passphrase: 2^20 is four seconds or so.
	mostWork = 20
	// mostTries is how often a passphrase is asked for.
	mostTries = 3
)

// Passphrases asks for the passphrases of files, one after another, and tries what was answered for
// one file with the next: people have one for all.
type Passphrases struct {
	// Ask puts a question whose answer is not seen. Where there is nobody it fails with
	// [sdk.ErrNobody].
	Ask func(ctx context.Context, question string) (sdk.Secret, error)

	mu    sync.Mutex
	known []sdk.Secret
}

// fromAge is what an encrypted file holds. Others may read the file, and are not to write it: a key
// of theirs would be used.
func (r *Reader) fromAge(ctx context.Context, s policy.KeySource) ([]byte, error) {
	sealed, err := r.readFile(s.Name, 0o022, "put another key there", longestEncrypted)
	if err != nil {
		return nil, err
	}
	if len(sealed) > longestEncrypted {
		return nil, errors.New("it is longer than an encrypted key is")
	}
	if len(s.Args) == 0 {
		return r.Passphrases.open(ctx, s.Name, sealed)
	}
	identities, err := r.identities(s.Args[0])
	if err != nil {
		return nil, err
	}
	return decrypt(sealed, identities...)
}

// identities are those of a file as age-keygen writes it.
func (r *Reader) identities(path string) ([]age.Identity, error) {
	text, err := r.fromFile(path)
	if err != nil {
		return nil, fmt.Errorf("the identity in %s: %w", policy.Printable(path), err)
	}
	all, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		// What the library says may repeat a line of the file.
		return nil, fmt.Errorf("%s is no file of identities, as age-keygen writes them",
			policy.Printable(path))
	}
	return all, nil
}

// passphrased finds out whether a file has a passphrase, before anybody is asked for it.
type passphrased struct{}

// Unwrap implements age.Identity.
func (passphrased) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) == 1 && stanzas[0].Type == "scrypt" {
		return nil, age.ErrIncorrectIdentity
	}
	return nil, errors.New("it has no passphrase; name the file of its identity: " +
		`identity = "PATH"`)
}

// open decrypts a file by its passphrase.
func (p *Passphrases) open(ctx context.Context, path string, sealed []byte) ([]byte, error) {
	if p == nil {
		return nil, absent("nobody can be asked for its passphrase")
	}
	var has *age.NoIdentityMatchError
	if _, err := decrypt(sealed, passphrased{}); !errors.As(err, &has) {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, phrase := range p.known {
		if key, err := decryptBy(sealed, phrase); err == nil {
			return key, nil
		}
	}
	for try := 1; ; try++ {
		question := "the passphrase of " + policy.Printable(path) + ":"
		if try > 1 {
			question = "that was not it; " + question
		}
		phrase, err := p.Ask(ctx, question)
		if errors.Is(err, sdk.ErrNobody) {
			return nil, absent("nobody can be asked for its passphrase")
		}
		if err != nil {
			return nil, err
		}
		key, err := decryptBy(sealed, phrase)
		var wrong *age.NoIdentityMatchError
		switch {
		case err == nil:
			p.known = append(p.known, phrase)
			return key, nil
		case !errors.As(err, &wrong):
			return nil, err
		case try == mostTries:
			return nil, fmt.Errorf("none of %d passphrases opens it", try)
		}
	}
}

func decryptBy(sealed []byte, phrase sdk.Secret) ([]byte, error) {
	identity, err := age.NewScryptIdentity(string(phrase.Reveal()))
	if err != nil {
		return nil, &age.NoIdentityMatchError{} // an empty one
	}
	identity.SetMaxWorkFactor(mostWork)
	return decrypt(sealed, identity)
}

// decrypt opens what age wrote, as bytes or as letters.
func decrypt(sealed []byte, identities ...age.Identity) ([]byte, error) {
	var in io.Reader = bytes.NewReader(sealed)
	if bytes.HasPrefix(bytes.TrimSpace(sealed), []byte(armor.Header)) {
		in = armor.NewReader(in)
	}
	out, err := age.Decrypt(in, identities...)
	if err != nil {
		return nil, fmt.Errorf("it cannot be decrypted: %w", err)
	}
	key, err := io.ReadAll(io.LimitReader(out, longest+1))
	if err != nil {
		return nil, fmt.Errorf("it cannot be decrypted: %w", err)
	}
	return key, nil
}

// Seal encrypts a key to the identity in a file, as [policy.AgeSource] is read.
func (r *Reader) Seal(key sdk.Secret, identity string) ([]byte, error) {
	identities, err := r.identities(identity)
	if err != nil {
		return nil, err
	}
	var to []age.Recipient
	for _, i := range identities {
		switch i := i.(type) {
		case *age.X25519Identity:
			to = append(to, i.Recipient())
		case *age.HybridIdentity:
			to = append(to, i.Recipient())
		default:
			return nil, fmt.Errorf("%s has an identity of a kind that nono does not encrypt to",
				policy.Printable(identity))
		}
	}
	return encrypt(key, to...)
}

// SealBy encrypts a key with a passphrase.
func SealBy(key, phrase sdk.Secret) ([]byte, error) {
	to, err := age.NewScryptRecipient(string(phrase.Reveal()))
	if err != nil {
		return nil, errors.New("a passphrase is not empty")
	}
	return encrypt(key, to)
}

func encrypt(key sdk.Secret, to ...age.Recipient) ([]byte, error) {
	var sealed bytes.Buffer
	in, err := age.Encrypt(&sealed, to...)
	if err == nil {
		_, err = in.Write(key.Reveal())
	}
	if err == nil {
		err = in.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypting the key: %w", err)
	}
	return sealed.Bytes(), nil
}
