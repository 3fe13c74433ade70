package base

import (
	"io/fs"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseGitUser(t *testing.T) {
	const ada = "[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n"
	want := gitUser{"Ada Lovelace", "ada@example.com"}
	tests := []struct {
		name, text string
		want       gitUser
	}{
		{"as git writes it", ada, want},
		{"other line ends, a byte order mark", "\ufeff" + strings.ReplaceAll(ada, "\n", "\r\n"), want},
		{"no case in names", "[USER]\nName=Ada Lovelace\nEMAIL=ada@example.com", want},
		{"on the header's line", "[user] name = Ada Lovelace\n[user] email = ada@example.com", want},
		{"among others", "[core]\n\teditor = vi\n" + ada + "[alias]\n\tname = !evil\n", want},
		{"comments", "# [user]\n[user] ; mine\nname = Ada Lovelace # really\nemail = ada@example.com;x", want},
		{"quotes keep what they hold", "[user]\nname = \"Ada #1; \"\n", gitUser{name: "Ada #1; "}},
		{"escapes", `[user]` + "\n" + `name = "Ada \"the\" \\ L"`, gitUser{name: `Ada "the" \ L`}},
		{"a line goes on", "[user]\nname = Ada \\\n  Lovelace", gitUser{name: "Ada   Lovelace"}},
		{"the last one wins", "[user]\nname = Eve\n" + ada, want},
		{"a subsection is another section", "[user \"x\"]\nname = Eve\n[user \"a]b\"]\nname = Eve\n" + ada, want},
		{"a key without a value", "[user]\nname\nemail = a@b", gitUser{email: "a@b"}},
		{"an empty value", "[user]\nname =\n", gitUser{}},
		{"includes are not followed", "[include]\npath = other\n", gitUser{}},
		{"a header without an end", "[user\nname = Eve\n", gitUser{}},
		{"control characters are nobody's name", "[user]\nname = A\x1b]52;c;x\x07\nemail = a@b\n", gitUser{email: "a@b"}},
		{"nor is what is no text", "[user]\nname = \xff\xfe\nemail = a@b\n", gitUser{email: "a@b"}},
		{"nor a book", "[user]\nname = " + strings.Repeat("x", longestIdentity+1), gitUser{}},
		{"a zero byte ends it", "[user]\n\x00name = Eve\n", gitUser{}},
		{"nothing", "", gitUser{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseGitUser(tt.text); got != tt.want {
				t.Errorf("%q gives %+v, wanted %+v", tt.text, got, tt.want)
			}
		})
	}
}

// Whatever a configuration holds, what we write holds a name, an email and nothing else: reading it
// gives them back.
func TestGitIdentityCannotBeEscaped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\\"\n\t #;=\[\]a-z]{0,20}`), rapid.Just("x\"\n[core]\n\tfsmonitor = evil"))
		u := gitUser{value.Draw(t, "name"), value.Draw(t, "email")}
		for _, v := range []*string{&u.name, &u.email} {
			if !fit(*v) {
				*v = ""
			}
		}
		text := string(u.config())
		if got := parseGitUser(text); got != u {
			t.Fatalf("%+v comes back as %+v from:\n%s", u, got, text)
		}
		for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			if i == 0 && line != "[user]" || i > 0 && !strings.HasPrefix(line, "\tname = \"") && !strings.HasPrefix(line, "\temail = \"") {
				t.Fatalf("line %d is %q", i, line)
			}
		}
	})
}

func FuzzParseGitUser(f *testing.F) {
	f.Add("[user]\nname = \"Ada\\\n\" # x\n")
	f.Fuzz(func(t *testing.T, text string) {
		u := parseGitUser(text)
		if got := parseGitUser(string(u.config())); got != u {
			t.Errorf("%+v comes back as %+v", u, got)
		}
	})
}

func TestGitIdentity(t *testing.T) {
	files := map[string]string{
		"/home/ada/.config/git/config": "[user]\nname = Ada\nemail = ada@work.example\n",
		"/home/ada/.gitconfig":         "[user]\nemail = ada@example.com\n",
	}
	read := func(p string) ([]byte, error) {
		if c, ok := files[p]; ok {
			return []byte(c), nil
		}
		return nil, fs.ErrNotExist
	}
	got, ok := GitIdentity("/home/ada", "/home/ada/.config", read)
	if want := "[user]\n\tname = \"Ada\"\n\temail = \"ada@example.com\"\n"; !ok || string(got) != want {
		t.Errorf("got %q, wanted %q", got, want)
	}
	if got, ok := GitIdentity("/home/eve", "/home/eve/.config", read); ok {
		t.Errorf("somebody without a configuration has the identity %q", got)
	}
}
