// Package source reads a key from where the user keeps it: the keyring, a variable, a file that is
// encrypted or not, or what a command prints.
//
//	reader := &source.Reader{Variables: req.HostVariables, Keyring: ring}
//	key, from, err := reader.Find(ctx, credential.Keys)
//
// The sources are tried in order. A place that has no key (a variable that is not set, a keyring
// that is not there, or locked) is passed over, and an [*Absent] tells all of them where none has
// one. A place that has something and cannot be trusted with it, or does not work, ends the search:
// to go on would use another key than the user meant.
//
// Nobody is waited for longer than [Patience], but for a command, which may have to ask the user:
// it has [CommandPatience]. And a person who is asked for a passphrase has all the time he takes.
package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/agefile"
	"github.com/nono-run/nono/sdk/keyring"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// Patience is how long the keyring has.
	Patience = 2 * time.Second
	// CommandPatience is how long a command has.
	CommandPatience = 10 * time.Second
	// longest is how many bytes a key may have. What is longer is no key.
	longest = agefile.Longest
)

// Absent says that no source has the key, and why not each.
type Absent struct{ Tried []Tried }

// Tried is a source that has no key, with the reason.
type Tried struct {
	Source policy.KeySource
	Why    string
}

// Error implements error.
func (e *Absent) Error() string {
	var all []string
	for _, t := range e.Tried {
		all = append(all, fmt.Sprintf("%s: %s", t.Source, t.Why))
	}
	return strings.Join(all, "; ")
}

// absent is why one place has no key.
type absent string

func (e absent) Error() string { return string(e) }

// Reader knows what keys are read with.
type Reader struct {
	// Variables are the user's.
	Variables map[string]string
	Keyring   keyring.Ring
	// Environ is what a command finds in its environment.
	Environ []string
	// UID is the user, who owns the files.
	UID int
	// Passphrases are those of encrypted files; nil where nobody is asked.
	Passphrases *agefile.Passphrases
	// DryRun says that no command is to be run, and nobody asked. A key that takes either is taken for
	// one that is there, and is [Unknown].
	DryRun bool

	patience time.Duration // with a command, in tests
}

// Unknown stands for a key in a dry run: its value is not known.
var Unknown = sdk.NewSecret([]byte("unknown"))

// Find is the key of the first source that has one, and which that was.
func (r *Reader) Find(
	ctx context.Context, sources []policy.KeySource,
) (sdk.Secret, policy.KeySource, error) {
	missing := &Absent{}
	for _, s := range sources {
		key, err := r.read(ctx, s)
		var none absent
		switch {
		case errors.As(err, &none):
			missing.Tried = append(missing.Tried, Tried{s, string(none)})
		case err != nil:
			return sdk.Secret{}, s, fmt.Errorf("%s: %w", s, err)
		default:
			return key, s, nil
		}
	}
	return sdk.Secret{}, policy.KeySource{}, missing
}

func (r *Reader) read(ctx context.Context, s policy.KeySource) (sdk.Secret, error) {
	command := s.Type == policy.CommandSource && filepath.IsAbs(s.Name)
	if r.DryRun && (command || s.Type == policy.AgeSource && len(s.Args) == 0 && exists(s.Name)) {
		return Unknown, nil
	}
	raw, err := r.raw(ctx, s)
	if err != nil {
		return sdk.Secret{}, err
	}
	return Clean(raw)
}

// raw is what the place holds.
func (r *Reader) raw(ctx context.Context, s policy.KeySource) ([]byte, error) {
	switch s.Type {
	case policy.KeyringSource:
		return r.fromKeyring(ctx, s.Name)
	case policy.VariableSource:
		value, ok := r.Variables[s.Name]
		if !ok || value == "" {
			return nil, absent("it is not set")
		}
		return []byte(value), nil
	case policy.FileSource:
		return r.fromFile(s.Name)
	case policy.CommandSource:
		return r.fromCommand(ctx, s)
	case policy.AgeSource:
		return r.fromAge(ctx, s)
	}
	return nil, fmt.Errorf("nobody knows what a source of the type %q is", s.Type)
}

func (r *Reader) fromKeyring(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	key, err := r.Keyring.Get(ctx, name)
	var unavailable *keyring.Unavailable
	if errors.Is(err, keyring.ErrNotFound) || errors.As(err, &unavailable) {
		return nil, absent(err.Error())
	}
	return key, err
}

// Clean is a key without the newline that an editor or echo has put at its end. What cannot be a
// key is refused: a line break would let whoever wrote it add lines of his own to a request.
func Clean(raw []byte) (sdk.Secret, error) {
	if len(raw) > longest {
		return sdk.Secret{}, errors.New("what is there is longer than 64 KiB, which no key is")
	}
	key, _ := bytes.CutSuffix(raw, []byte("\n"))
	key, _ = bytes.CutSuffix(key, []byte("\r"))
	switch {
	case len(key) == 0:
		return sdk.Secret{}, errors.New("what is there is empty")
	case bytes.ContainsAny(key, "\r\n"):
		return sdk.Secret{}, errors.New("what is there has more than one line, which no key has")
	case bytes.ContainsRune(key, 0):
		return sdk.Secret{}, errors.New("what is there holds a NUL byte, which no key does")
	}
	return sdk.NewSecret(key), nil
}
