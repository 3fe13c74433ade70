package diag

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/sdk/policy"
)

func TestProblem(t *testing.T) {
	p := Errorf("unknown attribute %q", "raed").Try("did you mean %q?", "read").
		At(policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 3, Column: 3})
	texts := Texts{
		{
			Origin: policy.OriginConfig, File: "agent.hcl",
			Content: []byte("\n\nanother file of this name\n"),
		},
		{
			Origin: policy.OriginFile, File: "agent.hcl",
			Content: []byte("# 1\r\n# 2\r\n  raed = [\"/srv/data\"]\r\n"),
		},
	}
	want := "error: unknown attribute \"raed\"\n  agent.hcl:3:3\n     3 |   raed = [\"/srv/data\"]\n  did you mean \"read\"?\n"
	if got := p.Show(texts); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A problem without a line, or with one that no text has, is shown without it.
func TestProblemWithoutALine(t *testing.T) {
	texts := Texts{{Origin: policy.OriginFile, File: "agent.hcl", Content: []byte("one\ntwo")}}
	for _, at := range []policy.Source{
		{},
		{Origin: policy.OriginFlag, Flag: "--read x"},
		{Origin: policy.OriginFile, File: "agent.hcl", Line: 3, Column: 1},
		{Origin: policy.OriginFile, File: "agent.hcl", Line: -1, Column: 1},
		{Origin: policy.OriginFile, File: "other.hcl", Line: 1, Column: 1},
	} {
		if got := Errorf("no").At(at).Show(texts); strings.Contains(got, "|") {
			t.Errorf("%+v has a line: %q", at, got)
		}
	}
	at := policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 2, Column: 1}
	if got := Errorf("no").At(at).Show(texts); !strings.Contains(got, "| two\n") {
		t.Errorf("the last line, which has no end, is not shown: %q", got)
	}
}

const hostile = "\x1b[31m\x1b]52;c;aGk=\x07\u009b2J\u202e\r"

// Every part of a message may hold what a stranger chose.
func TestNothingInAMessageReachesTheTerminalRaw(t *testing.T) {
	p := Errorf("cannot read %s", hostile).Try("look at %s", hostile).
		At(policy.Source{Origin: policy.OriginFile, File: hostile, Line: 1, Column: 1})
	texts := Texts{{Origin: policy.OriginFile, File: hostile, Content: []byte(hostile)}}
	flag := Errorf("no").At(policy.Source{Origin: policy.OriginFlag, Flag: "--read " + hostile})
	var out bytes.Buffer
	printer := NewPrinter(&out, false, true, false).With(texts)
	printer.Problem(p)
	printer.Error(Problems{p, flag})
	printer.Error(fmt.Errorf("opening %s", hostile))
	printer.Line("left %s", hostile)
	printer.Detail("event %s", hostile)
	mustBeVisible(t, out.String())
}

func mustBeVisible(t *testing.T, s string) {
	t.Helper()
	if s == "" {
		t.Error("nothing was printed")
	}
	for _, r := range strings.ReplaceAll(s, "\n", "") {
		if unicode.In(r, unicode.Cc, unicode.Cf) {
			t.Fatalf("%q is in %q", r, s)
		}
	}
}

// A layer's log is its own, and what it tells of came from the agent more often than not.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Output: Lines(&out), DisableTime: true})
	log.Error("refused "+hostile+"\nnono: all is well", "name", hostile, "list", []string{hostile},
		"both", "a\nnono: b", "error", fmt.Errorf("%s", hostile))
	mustBeVisible(t, out.String())
	if strings.Contains("\n"+out.String(), "\nnono:") {
		t.Errorf("a line of the layer's passes for nono's:\n%s", &out)
	}
	out.Reset()
	if n, err := fmt.Fprint(Lines(&out), "plain\n"); n != 6 || err != nil ||
		out.String() != "plain\n" {
		t.Errorf("%d, %v: %q", n, err, &out)
	}
}

func TestExcerpt(t *testing.T) {
	short := `read = ["/srv/data"]`
	if got := excerpt(short, 5); got != short {
		t.Errorf("a short line is shown as %q", got)
	}
	long := strings.Repeat("a", 1000) + "HERE" + strings.Repeat("b", 1000)
	for column, want := range map[int][2]string{
		1:    {"aaaa", "aaaa..."},
		1001: {"...aaaa", "bbbb..."},
		2004: {"...bbbb", "bbbb"},
		9999: {"...bbbb", "bbbb"}, // a column that the line does not have
	} {
		got := excerpt(long, column)
		if !strings.HasPrefix(got, want[0]) || !strings.HasSuffix(got, want[1]) ||
			len(got) > longestExcerpt+6 {
			t.Errorf("around column %d: %q", column, got)
		}
	}
	if got := excerpt(long, 1001); !strings.Contains(got, "HERE") {
		t.Errorf("what it is about is missing: %q", got)
	}
}

// A file of 64 KiB can bring about thousands of problems, each with that one long line of it.
func TestMessagesHaveASize(t *testing.T) {
	p := Errorf("%s", strings.Repeat("x", 1<<20)).Try("%s", strings.Repeat("y", 1<<20)).
		At(policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 1, Column: 1 << 19})
	texts := Texts{{
		Origin: policy.OriginFile, File: "agent.hcl",
		Content: bytes.Repeat([]byte("z"), 1<<20),
	}}
	if n := len(p.Show(texts)); n > 30_000 {
		t.Errorf("the message has %d bytes", n)
	}
}
