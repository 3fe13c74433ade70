package memory

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The file begins with a line that says what it is, and the digest of all that follows: a line for
// each file, with the time and the quoted texts of its entry.
//
//	nono-trust-memory 1 6b86b273ff34fce19d6b804eff5a3f57...
//	1790000000 "/home/ada/proj/CLAUDE.md" "3f2a..." "" "" "/home/ada/proj/CLAUDE.md.sigstore.json" ""

const (
	magic   = "nono-trust-memory"
	version = "1"
)

// maxFile bounds the file.
const maxFile = 64 << 20

// errNewer says that a newer nono wrote the file.
var errNewer = errors.New("a newer nono has written it")

// marshal writes the file's content.
func (m *Memory) marshal() ([]byte, error) {
	var body []byte
	for i := range m.entries {
		e := &m.entries[i]
		body = strconv.AppendInt(body, e.Since.Unix(), 10)
		for _, text := range e.texts() {
			body = append(body, ' ')
			body = strconv.AppendQuoteToASCII(body, *text)
		}
		body = append(body, '\n')
	}
	sum := sha256.Sum256(body)
	content := append([]byte(magic+" "+version+" "+hex.EncodeToString(sum[:])+"\n"), body...)
	if len(content) > maxFile {
		return nil, ErrFull
	}
	return content, nil
}

// parse reads what marshal wrote, and nothing else.
func parse(content []byte) (*Memory, error) {
	head, body, ok := bytes.Cut(content, []byte("\n"))
	words := strings.Split(string(head), " ")
	if !ok || len(words) < 2 || words[0] != magic {
		return nil, errors.New("it is no memory of the trust layer")
	}
	if n, err := strconv.Atoi(words[1]); words[1] != version && err == nil && n > 1 {
		return nil, errNewer
	}
	sum := sha256.Sum256(body)
	if words[1] != version || len(words) != 3 || words[2] != hex.EncodeToString(sum[:]) {
		return nil, errors.New("it is not what was written: its digest is another one")
	}
	m := &Memory{entries: make([]Entry, 0, min(bytes.Count(body, []byte("\n")), maxEntries))}
	for number := 2; len(body) > 0; number++ {
		line, rest, ok := bytes.Cut(body, []byte("\n"))
		e, err := parseEntry(string(line))
		if err == nil && !ok {
			err = errors.New("it has no end")
		}
		if err == nil {
			err = e.check()
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		m.entries = append(m.entries, e)
		body = rest
	}
	switch {
	case !m.sorted():
		return nil, errors.New("its lines are not in order")
	case len(m.entries) > maxEntries:
		return nil, ErrFull
	}
	return m, nil
}

func parseEntry(line string) (Entry, error) {
	var e Entry
	since, rest, _ := strings.Cut(line, " ")
	seconds, err := strconv.ParseInt(since, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != since {
		return e, errors.New("it begins with no time")
	}
	e.Since = time.Unix(seconds, 0)
	for i, text := range e.texts() {
		if i > 0 {
			var ok bool
			if rest, ok = strings.CutPrefix(rest, " "); !ok {
				return e, errors.New("a text is missing")
			}
		}
		if *text, rest, err = unquote(rest); err != nil {
			return e, err
		}
	}
	if rest != "" {
		return e, errors.New("more follows than there is to say")
	}
	return e, nil
}

// unquote reads the quoted text that a line begins with.
func unquote(line string) (text, rest string, err error) {
	if line, ok := strings.CutPrefix(line, `"`); ok {
		end := strings.IndexByte(line, '"')
		if end >= 0 && isPlain(line[:end]) {
			return line[:end], line[end+1:], nil // as nearly all are
		}
	}
	quoted, err := strconv.QuotedPrefix(line)
	if err != nil {
		return "", "", errors.New("a text is not quoted")
	}
	text, err = strconv.Unquote(quoted)
	if err != nil || strconv.QuoteToASCII(text) != quoted {
		return "", "", errors.New("a text is not quoted as it is written")
	}
	return text, line[len(quoted):], nil
}

// isPlain reports whether nothing in a quoted text stands for something else.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '\\' {
			return false
		}
	}
	return true
}
