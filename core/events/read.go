package events

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nono-run/nono/sdk/bytejson"
)

// Broken says where a log is not what was written, and how that shows.
type Broken struct {
	Line int // from 1, of the file
	Why  string
}

func (b *Broken) Error() string { return fmt.Sprintf("line %d: %s", b.Line, b.Why) }

// A Reader reads a log and holds each line against the one before.
type Reader struct {
	r       *bufio.Reader
	partial []byte // a line without its end, so far
	line    int
	size    int64
	chain   Chain
}

// NewReader reads the beginning of a session's log. A log that was cut before its first line ended
// is [Broken], and so is that of another session.
func NewReader(r io.Reader, session string) (*Reader, error) {
	read := &Reader{r: bufio.NewReader(r)}
	line, err := read.next()
	if errors.Is(err, io.EOF) {
		return nil, &Broken{1, "there is no whole line"}
	}
	if err != nil {
		return nil, err
	}
	// What else a newer one says there is not known.
	var first struct {
		Version int `json:"nono_events"`
	}
	if err := json.Unmarshal(line, &first); err != nil {
		return nil, &Broken{1, "it is not the beginning of a log: " + err.Error()}
	}
	if first.Version > Version {
		return nil, fmt.Errorf("%w: it has version %d, and this one reads %d",
			ErrNewer, first.Version, Version)
	}
	want, chain, err := begin(session)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(line, want) {
		return nil, &Broken{1, "it is not the beginning of this session's log"}
	}
	read.chain = chain
	return read, nil
}

// Next reads the next event. At the end the error is [io.EOF]; where the log has grown since, Next
// can be called again.
//
// A [Broken] error comes with the record, if the line can be understood at all, and what follows
// can be read on: it is held against that line as it is.
func (r *Reader) Next() (Record, error) {
	line, err := r.next()
	if err != nil {
		return Record{}, err
	}
	before := r.chain
	r.chain = Chain{before.Count + 1, sha256.Sum256(line)}
	var record Record
	if err := bytejson.Unmarshal(line, &record); err != nil {
		return Record{}, r.broken("it is no event: %v", err)
	}
	number := record.Number
	if number != before.Count+1 {
		r.chain.Count = number
		return record, r.broken("event %d stands where %d was to come", number, before.Count+1)
	}
	if record.Previous != before.Head {
		return record, r.broken("it does not follow line %d, of which one was changed", r.line-1)
	}
	return record, nil
}

// Chain is the log as far as it was read.
func (r *Reader) Chain() Chain { return r.chain }

// Size is the bytes of the whole lines that were read.
func (r *Reader) Size() int64 { return r.size }

// Torn is how many bytes stand behind the last whole line: one that was not written to its end.
func (r *Reader) Torn() int { return len(r.partial) }

// next is the next whole line, without its end. It is valid until it is called again.
func (r *Reader) next() ([]byte, error) {
	for {
		part, err := r.r.ReadSlice('\n')
		r.partial = append(r.partial, part...)
		if len(r.partial) > maxLine {
			return nil, fmt.Errorf("line %d has more than %d bytes", r.line+1, maxLine)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err
		}
		line := r.partial[:len(r.partial)-1]
		r.size += int64(len(r.partial))
		r.line++
		r.partial = nil
		return line, nil
	}
}

func (r *Reader) broken(format string, args ...any) error {
	return &Broken{r.line, fmt.Sprintf(format, args...)}
}

// Verify reads a session's log to its end, calls a function with each event, and returns the first
// thing that is wrong. kept is what the session kept of its log when it was over; nil for one that
// is not, of which a cut at the end cannot be noticed.
func Verify(
	log io.Reader, session string, kept *Chain, each func(Record),
) (Chain, error) {
	read, err := NewReader(log, session)
	if err != nil {
		return Chain{}, err
	}
	for {
		record, err := read.Next()
		if errors.Is(err, io.EOF) {
			return read.Chain(), read.holdAgainst(kept)
		}
		if err != nil {
			return read.Chain(), err
		}
		each(record)
	}
}

// holdAgainst compares a log that was read to its end with what was kept of it.
func (r *Reader) holdAgainst(kept *Chain) error {
	last := r.line
	switch {
	case kept == nil:
		return nil
	case r.Torn() > 0:
		return &Broken{last + 1, "it has no end"}
	case r.chain.Count < kept.Count:
		return &Broken{last + 1, fmt.Sprintf("the end is missing: %s", r.counts(kept))}
	case r.chain.Count > kept.Count:
		return &Broken{last, fmt.Sprintf("something was added: %s", r.counts(kept))}
	case r.chain.Head != kept.Head:
		return &Broken{last, "it was changed: the session kept another hash of it"}
	}
	return nil
}

func (r *Reader) counts(kept *Chain) string {
	return fmt.Sprintf("%d events were written, and %d are there", kept.Count, r.chain.Count)
}
