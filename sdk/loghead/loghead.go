// Package loghead is what core and a trust layer say to one another about the log of a session.
//
// Such a log is a chain, so its last line stands for all of them: who signs that line's hash signs
// the log. Core runs the trust layer's own command for it, once the run is over, and again when
// somebody verifies: [Sign] and [Verify] are commands that no user types. Each reads its question
// as JSON from standard input and writes its answer to standard output.
package loghead

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The commands.
const (
	// Sign asks with a [Head], and is answered with a [Signed].
	Sign = "log sign"
	// Verify asks with a list of [Claim], and is answered with a [Verdict] for each.
	Verify = "log verify"
)

// MaxMessage bounds a question and an answer.
const MaxMessage = 64 << 20

// MaxBundle bounds the signature of one log. It takes some 2 KiB.
const MaxBundle = 64 << 10

// Head is where a log that is over ends.
type Head struct {
	Session string `json:"session"`
	// Events is how many the log has, and Last the SHA-256 of its last line, in hexadecimal.
	Events uint64 `json:"events"`
	Last   string `json:"last"`
	// Plan is the SHA-256 of what the agent was held to; empty where no agent was started.
	Plan string `json:"plan,omitempty"`
}

// Signed is a signature, or why there is none.
type Signed struct {
	Bundle []byte `json:"bundle,omitempty"`
	// Why says in a few words why the log is not signed, and Slow that this took all the time there
	// was.
	Why  string `json:"why,omitempty"`
	Slow bool   `json:"slow,omitempty"`
}

// Claim is a log as it was found, with the signature beside it.
type Claim struct {
	Head   Head   `json:"head"`
	Bundle []byte `json:"bundle"`
}

// Verdict is what became of a claim: who signed just that, or what is wrong.
type Verdict struct {
	// By is the name of the key, and Key its ID.
	By  string `json:"by,omitempty"`
	Key string `json:"key,omitempty"`
	// Problem is empty where the signature is good.
	Problem string `json:"problem,omitempty"`
}

// Signer is the name of the key that logs are signed with.
const Signer = "default"

// The ends of the files, in the directory of the user's keys, that say where a private key is.
const (
	// InKeyring marks a key in the user's keyring.
	InKeyring = ".keyring"
	// ToIdentity names the file with the identity that opens an encrypted key.
	ToIdentity = ".identity"
)

// MaySign reports whether the key that logs are signed with is one that may open without anybody
// being asked. It is a look or two at the directory of the user's keys, and starts nothing.
func MaySign(dir string) bool {
	for _, end := range []string{InKeyring, ToIdentity} {
		if _, err := os.Lstat(filepath.Join(dir, Signer+end)); err == nil {
			return true
		}
	}
	return false
}

// Read reads one message.
func Read(from io.Reader, into any) error {
	text, err := io.ReadAll(io.LimitReader(from, MaxMessage+1))
	if err != nil {
		return fmt.Errorf("reading about a log: %w", err)
	}
	if len(text) > MaxMessage {
		return errors.New("reading about a log: the message is too long")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading about a log: %w", err)
	}
	return nil
}
