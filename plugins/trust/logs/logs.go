// Package logs is the signature of a session's log: of the hash of its last line, which stands for
// all lines before it.
//
//	text, err := logs.Sign(head, key)
//	id, err := logs.Verify(claim, verifier)
//
// The log's own chain has no secret in it: who can write a log can write another one that fits, and
// what the session kept of its end with it. Who does not have the key cannot write the signature.
//
// What is signed is an in-toto statement with a predicate of its own, in the same bundle as the
// signature of a file. A log's is never taken for a file's, nor the other way round.
package logs

import (
	"cmp"
	"crypto"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/statement"
	"github.com/nono-run/nono/plugins/trust/strictjson"
	"github.com/nono-run/nono/sdk/loghead"
	"github.com/nono-run/nono/sdk/policy"
)

// What is wrong with a signature. The errors of [Verify] wrap one of them, or one of package
// bundle.
var (
	ErrOther   = errors.New("it is the signature of something else, and not of a log")
	ErrSession = errors.New("it is the signature of another session's log")
	ErrCut     = errors.New("the end of the log is missing")
	ErrMore    = errors.New("something was added to the log")
	ErrChanged = errors.New("the log is not the one that was signed")
)

// mostDepth is how deep the statement is nested.
const mostDepth = 4

// file is the name of the log in its session's directory.
const file = "events.jsonl"

// The text that is signed. The subject is named after the log, and has the digest of its last line.
type (
	text struct {
		Type          string    `json:"_type"`
		Subject       []subject `json:"subject"`
		PredicateType string    `json:"predicateType"`
		Predicate     predicate `json:"predicate"`
	}
	subject struct {
		Name   string `json:"name"`
		Digest digest `json:"digest"`
	}
	digest struct {
		SHA256 string `json:"sha256"`
	}
	predicate struct {
		Session string `json:"session"`
		Events  uint64 `json:"events"`
		Plan    string `json:"plan,omitzero"`
	}
)

// Sign is the text of a bundle in which the key's holder says where a log ends.
func Sign(head loghead.Head, key crypto.Signer) ([]byte, error) {
	if err := check(head); err != nil {
		return nil, fmt.Errorf("signing a log: %w", err)
	}
	payload, err := json.Marshal(text{
		Type:          statement.Type,
		Subject:       []subject{{file, digest{head.Last}}},
		PredicateType: statement.LogPredicate,
		Predicate:     predicate{head.Session, head.Events, head.Plan},
	})
	if err == nil {
		payload, err = bundle.SignText(payload, key)
	}
	if err != nil {
		return nil, fmt.Errorf("signing a log: %w", err)
	}
	return payload, nil
}

func check(head loghead.Head) error {
	_, last := keys.ParseDigest(head.Last)
	_, plan := keys.ParseDigest(head.Plan)
	if head.Session == "" || head.Events == 0 || !last || !plan && head.Plan != "" {
		return errors.New("this is no head of a session's log")
	}
	return nil
}

// Verify reports who signed just this log. An error says what is wrong with the log or with its
// signature.
func Verify(claim loghead.Claim, v bundle.Verifier) (keys.ID, error) {
	b, err := bundle.Parse(claim.Bundle)
	if err != nil {
		return "", err
	}
	signer, payload, err := b.VerifyText(v)
	if err != nil {
		return "", err
	}
	head, err := parse(payload)
	if err != nil {
		return "", fmt.Errorf("reading what is signed: %w", err)
	}
	return signer.Key, compare(head, claim.Head)
}

func parse(payload []byte) (loghead.Head, error) {
	var t text
	err := strictjson.Unmarshal(payload, mostDepth, &t)
	if err != nil || t.Type != statement.Type || t.PredicateType != statement.LogPredicate ||
		len(t.Subject) != 1 || t.Subject[0].Name != file {
		return loghead.Head{}, ErrOther
	}
	head := loghead.Head{
		Session: t.Predicate.Session, Events: t.Predicate.Events,
		Last: t.Subject[0].Digest.SHA256, Plan: t.Predicate.Plan,
	}
	return head, check(head)
}

// compare holds a log against what was signed of it.
func compare(signed, found loghead.Head) error {
	if signed.Session != found.Session {
		return fmt.Errorf("%w: %s", ErrSession, policy.Printable(signed.Session))
	}
	counts := fmt.Sprintf("%d events were signed, and %d are there", signed.Events, found.Events)
	switch cmp.Compare(found.Events, signed.Events) {
	case -1:
		return fmt.Errorf("%w: %s", ErrCut, counts)
	case 1:
		return fmt.Errorf("%w: %s", ErrMore, counts)
	}
	if signed != found {
		return ErrChanged
	}
	return nil
}
