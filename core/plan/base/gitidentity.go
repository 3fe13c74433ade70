package base

import (
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nono-run/nono/core/git/settings"
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

// parseGitUser reads the section [user] of a file, as far as git can read the file.
func parseGitUser(text string) gitUser {
	var u gitUser
	all, _ := settings.Parse([]byte(text)) // git itself will complain, outside
	for _, s := range all {
		if !fit(s.Value) {
			continue
		}
		switch s.Name() { // the last one wins, as in git
		case "user.name":
			u.name = s.Value
		case "user.email":
			u.email = s.Value
		}
	}
	return u
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
