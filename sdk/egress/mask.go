package egress

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
)

// Masked is what an upstream proxy answers to requests that say this to it, without that: a proxy
// that shows the whole request on its pages of errors would show the password. It is written over,
// and so nothing changes its length. Of no use where the proxy compresses the page, or writes the
// password in a form of its own.
func (v Via) Masked(answers io.Reader) io.Reader {
	authorization := v.Authorization.Reveal()
	_, given, _ := bytes.Cut(authorization, []byte(" "))
	auth, err := base64.StdEncoding.AppendDecode(nil, given)
	if len(auth) == 0 || err != nil {
		return answers
	}
	return &masking{from: answers, words: [][]byte{given, auth}}
}

// masked is a text of the proxy's without what it was given.
func (u *Upstream) masked(text string) string {
	auth := u.auth.Reveal()
	if len(auth) == 0 {
		return text
	}
	all := []byte(text)
	mask(all, [][]byte{encoded(auth), auth})
	return string(all)
}

// mask writes over words.
func mask(text []byte, words [][]byte) {
	for _, word := range words {
		for at := 0; ; at += len(word) {
			next := bytes.Index(text[at:], word)
			if next < 0 {
				break
			}
			at += next
			copy(text[at:], bytes.Repeat([]byte("*"), len(word)))
		}
	}
}

// telling is how much of a word has to be there to wait for the rest of it. So little of something
// else begins like it that nothing else is held up; less than that is shown where the rest comes
// later.
const telling = 4

// masking reads with words masked.
type masking struct {
	from  io.Reader
	words [][]byte
	space []byte
	shown int    // what stands first in space was read already; a word may have begun in it
	held  int    // what stands behind that may be the beginning of a word
	clean []byte // what can be read
	err   error
}

const maskedAtOnce = 4 << 10

// Read implements io.Reader.
func (m *masking) Read(p []byte) (int, error) {
	for len(m.clean) == 0 && m.err == nil {
		m.fill()
	}
	if len(m.clean) == 0 {
		return 0, m.err
	}
	n := copy(p, m.clean)
	m.clean = m.clean[n:]
	return n, nil
}

// fill reads some more, when all that was clean has been read.
func (m *masking) fill() {
	if m.space == nil {
		longest := slices.MaxFunc(m.words, func(a, b []byte) int { return len(a) - len(b) })
		m.space = make([]byte, telling+len(longest)+maskedAtOnce)
	}
	n, err := m.from.Read(m.space[m.shown+m.held:])
	text := m.space[:m.shown+m.held+n]
	mask(text, m.words)
	keep := 0
	if m.err = err; err == nil {
		keep = min(beginning(text, m.words), len(text)-m.shown)
	}
	m.clean = bytes.Clone(text[m.shown : len(text)-keep])
	// The next text begins a little before what was not shown.
	from := max(0, len(text)-keep-telling+1)
	m.shown = len(text) - keep - from
	m.held = keep
	copy(m.space, text[from:])
}

// beginning is how much of the text's end is the beginning of a word.
func beginning(text []byte, words [][]byte) int {
	longest := 0
	for _, word := range words {
		for n := min(len(word)-1, len(text)); n >= telling && n > longest; n-- {
			if bytes.HasSuffix(text, word[:n]) {
				longest = n
			}
		}
	}
	return longest
}
