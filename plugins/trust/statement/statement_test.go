package statement_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/plugins/trust/statement"
	"github.com/nono-run/nono/plugins/trust/strictjson"
)

var (
	hello   = sha256.Sum256([]byte("hello\n"))
	goodbye = sha256.Sum256([]byte("goodbye\n"))
)

func TestText(t *testing.T) {
	s := statement.Statement{
		Subjects: []statement.Subject{{"b/GEMINI.md", goodbye}, {"CLAUDE.md", hello}},
		Closed:   []string{"skills/*.md", ".claude/**"},
	}
	text, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"_type":"https://in-toto.io/Statement/v1",` +
		`"subject":[{"name":"CLAUDE.md","digest":{"sha256":"` + hex.EncodeToString(hello[:]) + `"}},` +
		`{"name":"b/GEMINI.md","digest":{"sha256":"` + hex.EncodeToString(goodbye[:]) + `"}}],` +
		`"predicateType":"https://github.com/nono-run/nono/trust/files/v1",` +
		`"predicate":{"closed":[".claude/**","skills/*.md"]}}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("the text (-want +got):\n%s", diff)
	}
	if s.Subjects[0].Name != "b/GEMINI.md" {
		t.Error("Marshal changed the order of its receiver")
	}
}

// What is read is what was written, whatever the names.
func TestRoundTrip(t *testing.T) {
	name := rapid.OneOf(rapid.SampledFrom([]string{"CLAUDE.md", "claude.md", "é.md", "e\u0301.md", "\ufffd", "a\\b", "a\u202eb"}),
		rapid.StringMatching(`[^/\pC]{2,9}(/[^/\pC]{3,9}){0,2}`).Filter(func(s string) bool { return !strings.Contains(s, "..") }))
	rapid.Check(t, func(t *rapid.T) {
		var s statement.Statement
		for _, n := range rapid.SliceOfNDistinct(name, 1, 8, rapid.ID).Draw(t, "names") {
			s.Subjects = append(s.Subjects, statement.Subject{Name: n, SHA256: sha256.Sum256([]byte(n))})
		}
		s.Closed = rapid.SliceOfN(name, 0, 3).Draw(t, "closed")
		text, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := statement.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(s.Subjects, func(a, b statement.Subject) int { return strings.Compare(a.Name, b.Name) })
		slices.Sort(s.Closed)
		if diff := cmp.Diff(s, got); diff != "" {
			t.Fatalf("read (-written +read):\n%s", diff)
		}
		again, err := got.Marshal()
		if err != nil || string(again) != string(text) {
			t.Fatalf("written again it is %s, %v", again, err)
		}
	})
}

// with is a statement of ours with something else in place of a part of it.
func with(old, replacement string) string {
	text, err := statement.Statement{Subjects: []statement.Subject{{"CLAUDE.md", hello}}, Closed: []string{"a/**"}}.Marshal()
	if err != nil {
		panic(err)
	}
	if old != "" && !strings.Contains(string(text), old) {
		panic("nothing to replace: " + old)
	}
	return strings.Replace(string(text), old, replacement, 1)
}

func TestWhatIsRefused(t *testing.T) {
	file := `{"name":"CLAUDE.md","digest":{"sha256":"` + hex.EncodeToString(hello[:]) + `"}}`
	digest := `"sha256":"` + hex.EncodeToString(hello[:]) + `"`
	if _, err := statement.Parse([]byte(with("", ""))); err != nil {
		t.Fatalf("the statement that is changed below: %v", err)
	}
	for name, c := range map[string]struct {
		text string
		want error
		says string
	}{
		"too long":           {with("CLAUDE.md", strings.Repeat("a", statement.MaxSize)), statement.ErrSize, "at most 2097152"},
		"deep":               {with(`{"closed"`, strings.Repeat("[", 1000)), strictjson.ErrDeep, "more than 32"},
		"empty":              {"", strictjson.ErrEmpty, "empty"},
		"null":               {"null", statement.ErrVersion, ""},
		"another version":    {with("Statement/v1", "Statement/v2"), statement.ErrVersion, "Statement/v2"},
		"ours in old":        {with("Statement/v1", "Statement/v0.1"), statement.ErrVersion, "Statement/v0.1"},
		"no type":            {with("https://github.com/nono-run/nono/trust/files/v1", ""), statement.ErrPredicate, ""},
		"unknown field":      {with(`{"_type"`, `{"more":1,"_type"`), strictjson.ErrUnknown, "/more"},
		"unknown of a file":  {with(`{"name"`, `{"mediaType":"","name"`), strictjson.ErrUnknown, "/mediaType"},
		"unknown of ours":    {with(`{"closed"`, `{"opened":[],"closed"`), strictjson.ErrUnknown, "/opened"},
		"no predicate":       {with(`,"predicate":{"closed":["a/**"]}`, ""), statement.ErrClosed, "empty"},
		"key twice":          {with(`{"_type"`, `{"subject":[],"_type"`), strictjson.ErrTwice, "/subject"},
		"digest twice":       {with(digest, digest+","+digest), strictjson.ErrTwice, "/sha256"},
		"no files":           {with(file, ""), statement.ErrSubjects, ""},
		"files are null":     {with("["+file+"]", "null"), statement.ErrSubjects, ""},
		"file twice":         {with(file, file+","+file), statement.ErrTwice, "CLAUDE.md"},
		"no name":            {with(`"CLAUDE.md"`, `""`), statement.ErrName, "is empty"},
		"absolute":           {with("CLAUDE.md", "/etc/CLAUDE.md"), statement.ErrName, "is absolute"},
		"out":                {with("CLAUDE.md", "a/../../CLAUDE.md"), statement.ErrName, "leads out"},
		"up":                 {with("CLAUDE.md", ".."), statement.ErrName, "leads out"},
		"dot":                {with("CLAUDE.md", "./CLAUDE.md"), statement.ErrName, "one way"},
		"directory":          {with("CLAUDE.md", "."), statement.ErrName, "one way"},
		"slashes":            {with("CLAUDE.md", "a//b"), statement.ErrName, "one way"},
		"control":            {with("CLAUDE.md", `a\u001b[2Jb`), statement.ErrName, `"a\x1b[2Jb" has a control`},
		"NUL":                {with("CLAUDE.md", `CLAUDE.md\u0000.txt`), statement.ErrName, "control"},
		"C1 control":         {with("CLAUDE.md", `a\u0085b`), statement.ErrName, "control"},
		"long":               {with("CLAUDE.md", strings.Repeat("a", 4096)), statement.ErrName, "longer"},
		"not UTF-8":          {with("CLAUDE.md", "\xff"), strictjson.ErrSyntax, ""},
		"half a pair":        {with("CLAUDE.md", `\ud83d`), strictjson.ErrSyntax, ""},
		"SHA-1":              {with(digest, `"sha1":"2346ad27d7568ba9896f1b7da6b5991251debdf2"`), statement.ErrDigest, "CLAUDE.md"},
		"SHA-512":            {with(`"sha256"`, `"sha512"`), statement.ErrDigest, ""},
		"another in letters": {with(`"sha256"`, `"SHA256"`), statement.ErrDigest, ""},
		"a second digest":    {with(digest, digest+`,"sha1":"2346ad27d7568ba9896f1b7da6b5991251debdf2"`), statement.ErrDigest, ""},
		"no digest":          {with(digest, ""), statement.ErrDigest, ""},
		"short digest":       {with(digest, `"sha256":"abcd"`), statement.ErrDigest, ""},
		"upper digest":       {with(digest, strings.ToUpper(digest)), statement.ErrDigest, ""},
		"digest no hex":      {with(digest, `"sha256":"`+strings.Repeat("x", 64)+`"`), statement.ErrDigest, ""},
		"pattern out":        {with("a/**", "../**"), statement.ErrClosed, "leads out"},
		"pattern absolute":   {with("a/**", "/**"), statement.ErrClosed, "is absolute"},
		"many patterns":      {with(`"a/**"`, strings.Repeat(`"a",`, 1000)+`"a"`), statement.ErrClosed, "1001"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := statement.Parse([]byte(c.text))
			if !errors.Is(err, c.want) {
				t.Fatalf("read %+v with %v, want %v", got, err, c.want)
			}
			if !strings.Contains(err.Error(), c.says) || len(err.Error()) > 500 {
				t.Errorf("said %q, want %q in it", err, c.says)
			}
		})
	}
}

// What could not be read again is not written.
func TestWhatIsNotWritten(t *testing.T) {
	many := make([]statement.Subject, 20_000)
	for i := range many {
		many[i].Name = fmt.Sprintf("some/where/%d.md", i)
	}
	for name, c := range map[string]struct {
		s    statement.Statement
		want error
	}{
		"nothing":         {statement.Statement{}, statement.ErrSubjects},
		"out":             {statement.Statement{Subjects: []statement.Subject{{"../CLAUDE.md", hello}}}, statement.ErrName},
		"not UTF-8":       {statement.Statement{Subjects: []statement.Subject{{"\xff.md", hello}}}, statement.ErrName},
		"twice":           {statement.Statement{Subjects: []statement.Subject{{"a", hello}, {"a", goodbye}}}, statement.ErrTwice},
		"pattern":         {statement.Statement{Subjects: []statement.Subject{{"a", hello}}, Closed: []string{""}}, statement.ErrClosed},
		"too many files":  {statement.Statement{Subjects: many}, statement.ErrSize},
		"and one is fine": {statement.Statement{Subjects: many[:10_000]}, nil},
	} {
		if _, err := c.s.Marshal(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Statements of others are read for their files alone.
func TestOthers(t *testing.T) {
	for name, text := range map[string]string{
		"cosign": `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://cosign.sigstore.dev/attestation/v1","subject":[{"name":"CLAUDE.md","digest":{"sha256":"` + hex.EncodeToString(hello[:]) + `"}}],"predicate":{"Data":"x","Timestamp":"2026-01-01T00:00:00Z"}}`,
		"closed": `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://example.com/v1","subject":[{"name":"CLAUDE.md","digest":{"sha256":"` + hex.EncodeToString(hello[:]) + `"}}],"predicate":{"closed":["**"]}}`,
		"none":   `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://example.com/v1","subject":[{"name":"CLAUDE.md","digest":{"sha256":"` + hex.EncodeToString(hello[:]) + `"}}]}`,
	} {
		got, err := statement.Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(statement.Statement{Subjects: []statement.Subject{{"CLAUDE.md", hello}}}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// FuzzParse: what can be read can be written, and then reads the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(with("", "")))
	f.Add([]byte(with("Statement/v1", "Statement/v0.1")))
	f.Add([]byte(with("files/v1", "files/v2")))
	f.Add([]byte(with("CLAUDE.md", `\ud83d\ude00`)))
	f.Add([]byte(with("a/**", "../**")))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := statement.Parse(text)
		if err != nil {
			return
		}
		for _, file := range s.Subjects {
			if strings.HasPrefix(file.Name, "/") || strings.Contains("/"+file.Name+"/", "/../") {
				t.Errorf("read a file that is elsewhere: %q", file.Name)
			}
		}
		written, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := statement.Parse(written)
		if err != nil {
			t.Fatalf("reading %s again: %v", written, err)
		}
		order := func(s *statement.Statement) {
			slices.SortFunc(s.Subjects, func(a, b statement.Subject) int { return strings.Compare(a.Name, b.Name) })
			slices.Sort(s.Closed)
		}
		order(&s)
		if s.Closed == nil {
			s.Closed = []string{}
		}
		if diff := cmp.Diff(s, got); diff != "" {
			t.Errorf("read again (-first +again):\n%s", diff)
		}
	})
}
