// Package agefile keeps a key in a file that age encrypts: with a passphrase, or to an identity as
// age-keygen writes it.
//
//	sealed, err := agefile.SealBy(key, phrase)
//	file := agefile.File{Path: path, UID: uid}
//	raw, err := file.Open(ctx, &agefile.Passphrases{Ask: req.AskHidden})
//
// Others may read such a file. They must not be able to write it, for a key of theirs would be
// used; and an identity's file is its owner's alone.
package agefile

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
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// Longest is how many bytes a key may have, and the file of an identity.
	Longest = 64 << 10
	// longestSealed is how large an encrypted file may be: a key with what is around it, in letters.
	longestSealed = 2 * Longest
	// mostWork bounds what a file can have us compute for a passphrase: 2^20 is four seconds or so.
	mostWork = 20
	// mostTries is how often a passphrase is asked for.
	mostTries = 3
)

// ErrUnasked says that a passphrase is needed, and that nobody is there who could be asked for it.
var ErrUnasked = errors.New("nobody can be asked for its passphrase")

var errEmpty = errors.New("a passphrase is not empty")

// File is a file that age encrypts.
type File struct {
	Path string
	// Identity is the file with the identity that opens it; empty for one with a passphrase.
	Identity string
	// UID is the user, who owns both; root may own them too.
	UID int
}

// Open is the key that the file holds, at most a byte longer than [Longest]. Of a file that is not
// there the error is [fs.ErrNotExist], and of one that nobody gives a passphrase for [ErrUnasked].
func (f File) Open(ctx context.Context, phrases *Passphrases) ([]byte, error) {
	sealed, err := ownfile.Read(f.Path, ownfile.Guard{
		UID: f.UID, Closed: ownfile.Writing, Could: "put another key there", Most: longestSealed,
	})
	if err != nil {
		return nil, err
	}
	if len(sealed) > longestSealed {
		return nil, errors.New("it is longer than an encrypted key is")
	}
	if f.Identity == "" {
		return phrases.open(ctx, f.Path, sealed)
	}
	identities, err := identities(f.Identity, f.UID)
	if err != nil {
		return nil, err
	}
	return decrypt(sealed, identities...)
}

// identities are those of a file as age-keygen writes it.
func identities(path string, uid int) ([]age.Identity, error) {
	text, err := ownfile.Read(path, ownfile.Guard{
		UID: uid, Closed: ownfile.Anything, Could: "read the key or change it", Most: Longest,
	})
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

// NewPassphrase asks for the passphrase of a file that is about to be written, twice: what is
// mistyped once opens nothing any more.
func NewPassphrase(
	ctx context.Context, ask func(context.Context, string) (sdk.Secret, error), file string,
) (sdk.Secret, error) {
	phrase, err := ask(ctx, "A passphrase for "+policy.Printable(file)+":")
	if errors.Is(err, sdk.ErrNobody) {
		return phrase, fmt.Errorf(
			"%w\n  without a terminal, the file can be encrypted to an identity: --identity FILE", err)
	}
	if err != nil {
		return phrase, err
	}
	if len(phrase.Reveal()) == 0 {
		return phrase, errEmpty
	}
	again, err := ask(ctx, "And once more:")
	if err == nil && !phrase.Equal(again) {
		err = errors.New("the two are not the same")
	}
	return phrase, err
}

// Seal encrypts a key to the identity in a file of this user's.
func Seal(key sdk.Secret, identity string, uid int) ([]byte, error) {
	identities, err := identities(identity, uid)
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

// Passphrases asks for the passphrases of files, one after another, and tries what was answered for
// one file with the next: people have one for all.
type Passphrases struct {
	// Ask puts a question whose answer is not seen. Where there is nobody it fails with
	// [sdk.ErrNobody].
	Ask func(ctx context.Context, question string) (sdk.Secret, error)

	mu    sync.Mutex
	known []sdk.Secret
}

// Know has a passphrase tried before anybody is asked: one that was just chosen, for instance.
func (p *Passphrases) Know(phrase sdk.Secret) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = append(p.known, phrase)
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

// open decrypts a file by its passphrase. Without anybody to ask, p is nil.
func (p *Passphrases) open(ctx context.Context, path string, sealed []byte) ([]byte, error) {
	if p == nil {
		return nil, ErrUnasked
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
			return nil, ErrUnasked
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
	key, err := io.ReadAll(io.LimitReader(out, Longest+1))
	if err != nil {
		return nil, fmt.Errorf("it cannot be decrypted: %w", err)
	}
	return key, nil
}

// SealBy encrypts a key with a passphrase.
func SealBy(key, phrase sdk.Secret) ([]byte, error) {
	to, err := age.NewScryptRecipient(string(phrase.Reveal()))
	if err != nil {
		return nil, errEmpty
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
