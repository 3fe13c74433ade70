// Package events is the log of a session: what happened in it, a line each, chained so that a
// change is noticed.
//
// A log is a file of JSON, one value a line. The first line says which log it is; every other is a
// [Record]: an [Event], its number, and the SHA-256 of the whole line before it. A line that is
// changed, taken out, put in or moved no longer fits the one after it. What comes after the last
// line nothing in the file can tell, so the session keeps the log's [Chain], how many events there
// are and the hash of the last line, beside it when it is over: then a cut at the end is noticed as
// well.
//
//	log, err := events.Create(file, session)
//	log.Add(events.Event{Layer: events.Core, Name: "began"})
//	chain, err := log.Close(events.Event{Layer: events.Core, Name: "finished"})
//
//	_, err = events.Verify(file, session, &chain, func(events.Record) {})
//
// An event that comes again and again is folded: its first time is written at once, and then one
// line every ten seconds says how often it came since. An agent that makes a layer, or core, report
// as much as it can reaches a bound, after which only those of core's own events are written that
// no agent can multiply, and the others counted.
//
// The chain has no secret in it. Whoever may write the file can make a new one that fits, and the
// kept end with it: what is noticed is a mistake, a fault of the disk, and a hand that changed one
// place and not all. Who wants more keeps the hash of the end elsewhere, where the user who runs
// agents cannot write.
package events

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nono-run/nono/sdk/policy"
)

// Version is that of the form of a log. What an older nono cannot read has a higher one.
const Version = 1

// Core is who tells of what no layer did.
const Core = "core"

// Event is something that happened, once or several times.
type Event struct {
	// Time is when it happened, and Until when it did for the last time, if it was several times.
	Time  time.Time `json:"time"`
	Until time.Time `json:"until,omitzero"`
	Count uint64    `json:"count"`
	// Layer is the name of the layer that told it, or [Core].
	Layer string `json:"layer"`
	Name  string `json:"name"`
	// Rule is the rule of the policy that decided it, if one did, and Source the line or the flag
	// which that comes from.
	Rule   policy.RuleID     `json:"rule,omitempty"`
	Source string            `json:"source,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
	// AtWill says that an agent brings it about as often as it likes, whoever tells it.
	AtWill bool `json:"-"`
}

// Record is an event in its place in a log.
type Record struct {
	Number uint64 `json:"number"` // from 1, without a gap
	Event
	Previous Hash `json:"previous"` // of the line before
}

// Chain is a log as far as it goes: what the next line has to fit, and what a log that is over is
// held against.
type Chain struct {
	Count uint64 `json:"count"` // of the lines that are events
	Head  Hash   `json:"head"`  // of the last line
}

// Hash is the SHA-256 of a line, without the newline at its end.
type Hash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("%d characters are no hash of %d bytes", len(text), len(h))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// header is the first line of a log. Its hash is what the first event follows, so an event of
// another session's log fits nowhere in this one.
type header struct {
	Version int    `json:"nono_events"`
	Session string `json:"session"`
}

// ErrNewer is a log in a form that this nono does not know yet.
var ErrNewer = errors.New("it was written by a newer nono")
