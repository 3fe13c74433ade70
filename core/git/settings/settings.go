// Package settings reads git's settings, and knows which of them git runs.
//
//	all, err := settings.Parse(content)
//	for _, s := range all {
//		if command, ok := s.Command(); ok { ... } // core.fsmonitor, an alias with "!", a filter
//	}
//
// The text is read as git reads it, byte by byte: what git would take for a setting is never missed
// because somebody wrote it in an odd way. Where git would refuse the file, and run nothing, the
// settings before that place are returned with an error. Nothing is looked at but the text.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The bounds of a file: no person wrote a longer one.
const (
	// MaxSize is how much of it is worth reading.
	MaxSize = 1 << 20
	// MaxSettings is how many settings it may have. Two bytes are enough for one.
	MaxSettings = 16 << 10
)

// ErrTooMuch is a file that is not read for its size, and that git would read.
var ErrTooMuch = errors.New("it holds more settings than any person writes")

// Setting is one "key = value" of a section. Sections and keys are in lower case, subsections as
// they are written.
type Setting struct {
	Section, Subsection, Key string
	Value                    string
	// Implied says that there is no value, which git takes for true.
	Implied bool
	// Line is where the key stands, from 1.
	Line int
}

// Name is the setting as git config shows it: "filter.lfs.clean".
func (s Setting) Name() string {
	parts := []string{s.Section, s.Subsection, s.Key}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ".")
}

// Bool is the value as git reads one that is true or false; known is false for anything else.
func (s Setting) Bool() (value, known bool) {
	if s.Implied {
		return true, true
	}
	switch strings.ToLower(s.Value) {
	case "true", "yes", "on", "1":
		return true, true
	case "", "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

// Parse reads a file of settings.
func Parse(content []byte) ([]Setting, error) {
	p := parser{rest: bytes.TrimPrefix(content, []byte("\ufeff")), line: 1}
	var all []Setting
	for {
		c := p.next()
		switch {
		case p.ended:
			return all, nil
		case isSpace(c):
		case c == '#' || c == ';':
			p.skipLine()
		case c == '[':
			if !p.header() {
				return all, p.bad()
			}
		case isLetter(c):
			line := p.line
			s, ok := p.setting(c)
			if !ok {
				return all, p.bad()
			}
			s.Line = line
			if all = append(all, s); len(all) > MaxSettings {
				return nil, ErrTooMuch
			}
		default:
			return all, p.bad()
		}
	}
}

// parser walks over a file. Its sections and keys are those of the last header.
type parser struct {
	rest  []byte
	line  int
	ended bool // the last byte was none: a file ends like a line

	section, subsection string
}

func (p *parser) bad() error { return fmt.Errorf("git cannot read line %d", p.line) }

// next takes a byte; a line's end is one whichever system it was written on, and so is the file's.
func (p *parser) next() byte {
	if len(p.rest) == 0 {
		p.ended = true
		return '\n'
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	if c == '\r' && len(p.rest) > 0 && p.rest[0] == '\n' {
		c, p.rest = '\n', p.rest[1:]
	}
	if c == '\n' {
		p.line++
	}
	return c
}

func (p *parser) skipLine() {
	for p.next() != '\n' {
	}
}

// header takes what follows "[": a name, and a subsection, in quotes or, as it once was, after a
// dot.
func (p *parser) header() bool {
	var name strings.Builder
	p.section, p.subsection = "", ""
	for {
		c := p.next()
		switch {
		case p.ended:
			return false
		case c == ']':
			p.section, p.subsection, _ = strings.Cut(name.String(), ".")
			return p.section != ""
		case isSpace(c):
			p.section = name.String()
			return p.quoted(c)
		case isKey(c) || c == '.':
			name.WriteByte(lower(c))
		default:
			return false
		}
	}
}

// quoted takes a subsection in quotes, after the space c, and the end of the header.
func (p *parser) quoted(c byte) bool {
	for isSpace(c) {
		if c == '\n' {
			return false
		}
		c = p.next()
	}
	if c != '"' {
		return false
	}
	var name strings.Builder
	for {
		switch c = p.next(); c {
		case '\n':
			return false
		case '"':
			p.subsection = name.String()
			return p.next() == ']'
		case '\\':
			if c = p.next(); c == '\n' {
				return false
			}
		}
		name.WriteByte(c)
	}
}

// setting takes a key, of which c is the first letter, and its value.
func (p *parser) setting(c byte) (Setting, bool) {
	var key strings.Builder
	for ; isKey(c); c = p.next() {
		key.WriteByte(lower(c))
	}
	s := Setting{Section: p.section, Subsection: p.subsection, Key: key.String()}
	for c == ' ' || c == '\t' {
		c = p.next()
	}
	switch c {
	case '\n':
		s.Implied = true
		return s, true
	case '=':
		var ok bool
		s.Value, ok = p.value()
		return s, ok
	}
	return s, false
}

// escapes are what a backslash stands before.
var escapes = map[byte]byte{'t': '\t', 'b': '\b', 'n': '\n', '\\': '\\', '"': '"'}

// value takes a value to the end of its line. Quotes keep spaces and the signs of comments; space
// at the end is none of it.
func (p *parser) value() (string, bool) {
	var value strings.Builder
	var space []byte
	quotes := false
	for {
		c := p.next()
		switch {
		case c == '\n':
			return cString(value.String()), !quotes
		case isSpace(c) && !quotes:
			if value.Len() > 0 {
				space = append(space, c)
			}
			continue
		case (c == '#' || c == ';') && !quotes:
			p.skipLine()
			return cString(value.String()), true
		}
		value.Write(space)
		space = space[:0]
		switch c {
		case '"':
			quotes = !quotes
			continue
		case '\\':
			if c = p.next(); c == '\n' {
				continue // the line goes on
			}
			escaped, ok := escapes[c]
			if !ok {
				return "", false
			}
			c = escaped
		}
		value.WriteByte(c)
	}
}

// cString is what a program in C takes a text for.
func cString(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isLetter(c byte) bool { return lower(c) >= 'a' && lower(c) <= 'z' }

func isKey(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' || c == '-' }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
