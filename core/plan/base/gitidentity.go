package base

import (
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// GitIdentity is a small ~/.gitconfig with the user's name and email and nothing else, so that an
// agent can commit in a private home. It is false where the user has neither.
//
// It reads what git reads for them, $XDG_CONFIG_HOME/git/config and then ~/.gitconfig, without
// running git: a configuration can name programs. An identity that stands only in a file pulled in
// by include.path is not found.
func GitIdentity(home, configHome string, read func(path string) ([]byte, error)) ([]byte, bool) {
	var id gitUser
	files := []string{filepath.Join(configHome, "git", "config"), filepath.Join(home, ".gitconfig")}
	for _, file := range files {
		content, err := read(file)
		if err != nil {
			continue // most users have one of the two; an unreadable one is as good as none
		}
		id = id.override(parseGitUser(string(content)))
	}
	if id == (gitUser{}) {
		return nil, false
	}
	return id.config(), true
}

// gitUser is the section [user] as far as it concerns us.
type gitUser struct {
	name  string
	email string
}

func (u gitUser) override(by gitUser) gitUser {
	if by.name != "" {
		u.name = by.name
	}
	if by.email != "" {
		u.email = by.email
	}
	return u
}

// config writes the identity as git reads it. What the values hold cannot leave its quotes.
func (u gitUser) config() []byte {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`)
	var b strings.Builder
	b.WriteString("[user]\n")
	if u.name != "" {
		b.WriteString("\tname = \"" + escape.Replace(u.name) + "\"\n")
	}
	if u.email != "" {
		b.WriteString("\temail = \"" + escape.Replace(u.email) + "\"\n")
	}
	return []byte(b.String())
}

// parseGitUser reads git's configuration syntax as far as needed: sections, comments, quotes,
// escapes, lines continued with a backslash. A line that is none of these is skipped: git itself
// will complain about it, outside.
func parseGitUser(text string) gitUser {
	var u gitUser
	s := gitScanner{rest: strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")}
	inUser := false
	for {
		s.skip(" \t\n")
		switch c := s.peek(); {
		case c == 0:
			return u
		case c == '#' || c == ';':
			s.line()
		case c == '[':
			inUser = s.section()
		default:
			key, value := s.setting()
			if !inUser || !fit(value) {
				continue
			}
			switch key { // the last one wins, as in git
			case "name":
				u.name = value
			case "email":
				u.email = value
			}
		}
	}
}

// longestIdentity is more than any name or address has.
const longestIdentity = 1024

// fit reports whether a value can be a name or an address at all.
func fit(value string) bool {
	control := strings.ContainsFunc(value, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\n'
	})
	return value != "" && len(value) <= longestIdentity && utf8.ValidString(value) && !control
}

// gitScanner walks over a configuration.
type gitScanner struct{ rest string }

// peek is the next byte; 0 at the end. A zero byte in the file ends it too: git's files have none.
func (s *gitScanner) peek() byte {
	if s.rest == "" {
		return 0
	}
	return s.rest[0]
}

func (s *gitScanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

// line takes what is left of the line.
func (s *gitScanner) line() string {
	line, rest, _ := strings.Cut(s.rest, "\n")
	s.rest = rest
	return line
}

// section takes a header and reports whether it is [user], with no subsection. A setting may follow
// on the same line.
func (s *gitScanner) section() bool {
	end := strings.IndexAny(s.rest, "]\n")
	if end < 0 || s.rest[end] == '\n' {
		s.line()
		return false
	}
	name := s.rest[1:end]
	if open := strings.IndexByte(name, '"'); open >= 0 {
		// A subsection in quotes may hold a bracket; it is not ours whatever it is called.
		s.rest = s.rest[1+open+1:]
		s.quoted()
		s.skip(" \t")
		if s.peek() == ']' {
			s.rest = s.rest[1:]
		}
		return false
	}
	s.rest = s.rest[end+1:]
	return strings.EqualFold(strings.TrimSpace(name), "user")
}

// quoted takes the rest of a quoted string, on one line.
func (s *gitScanner) quoted() {
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			s.rest = s.rest[i+1:]
			return
		case '\n':
			s.rest = s.rest[i:]
			return
		}
	}
	s.rest = ""
}

// setting takes "key = value". A key without a value is true in git, which is nobody's name.
func (s *gitScanner) setting() (key, value string) {
	end := strings.IndexAny(s.rest, "=\n")
	if end < 0 || s.rest[end] == '\n' {
		s.line()
		return "", ""
	}
	key = strings.ToLower(strings.TrimSpace(s.rest[:end]))
	s.rest = s.rest[end+1:]
	s.skip(" \t")
	return key, s.value()
}

// value takes a value up to the end of its line: quotes keep spaces and comment signs, a backslash
// escapes or continues.
func (s *gitScanner) value() string {
	var b strings.Builder
	kept := 0 // the length without trailing unquoted spaces
	inQuotes := false
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '\n':
			s.rest = s.rest[i+1:]
			return b.String()[:kept]
		case !inQuotes && (c == '#' || c == ';'):
			s.rest = s.rest[i:]
			s.line()
			return b.String()[:kept]
		case c == '"':
			inQuotes = !inQuotes
		case c == '\\' && i+1 < len(s.rest):
			i++
			if e, ok := map[byte]string{'n': "\n", 't': "\t", '"': `"`, '\\': `\`, '\n': ""}[s.rest[i]]; ok {
				b.WriteString(e)
				kept = b.Len()
			}
		case !inQuotes && (c == ' ' || c == '\t'):
			b.WriteByte(c)
		default:
			b.WriteByte(c)
			kept = b.Len()
		}
	}
	s.rest = ""
	return b.String()[:kept]
}
