package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stream is a run in which one test passes, one fails, and a subtest skips itself.
const stream = `{"Action":"run","Package":"github.com/nono-run/nono/core/x","Test":"TestA"}
{"Action":"pass","Package":"github.com/nono-run/nono/core/x","Test":"TestA"}
{"Action":"output","Package":"github.com/nono-run/nono/core/x","Test":"TestB/sub","Output":"=== RUN   TestB/sub\n"}
{"Action":"output","Package":"github.com/nono-run/nono/core/x","Test":"TestB/sub","Output":"    x_test.go:9: this kernel has no Landlock\n"}
{"Action":"skip","Package":"github.com/nono-run/nono/core/x","Test":"TestB/sub"}
{"Action":"pass","Package":"github.com/nono-run/nono/core/x","Test":"TestB"}
{"Action":"pass","Package":"github.com/nono-run/nono/core/x","Elapsed":0.1}
`

const failing = `{"Action":"output","Package":"github.com/nono-run/nono/core/x","Test":"TestC","Output":"    x_test.go:3: broken\n"}
{"Action":"fail","Package":"github.com/nono-run/nono/core/x","Test":"TestC"}
{"Action":"fail","Package":"github.com/nono-run/nono/core/x","Elapsed":0.1}
`

const notBuilt = `{"ImportPath":"github.com/nono-run/nono/core/y","Action":"build-output","Output":"y.go:1: syntax error\n"}
{"ImportPath":"github.com/nono-run/nono/core/y","Action":"build-fail"}
{"Action":"fail","Package":"github.com/nono-run/nono/core/y","Elapsed":0}
`

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream string
		skips  string
		strict bool
		ok     bool
		says   []string
	}{
		{"a skip on a user's machine", stream, "", false, true, []string{"this kernel has no Landlock", "2 passed, 0 failed, 1 skipped"}},
		{"a skip in CI", stream, "", true, false, []string{"core/x TestB/sub was skipped", "2 passed, 1 failed, 0 skipped"}},
		{"a listed skip in CI", stream, "core/x TestB/sub: needs ABI 9", true, true, []string{"needs ABI 9", "2 passed, 0 failed, 1 skipped"}},
		{"listed by its parent", stream, "# why\ncore/x TestB: needs ABI 9", true, true, []string{"0 failed, 1 skipped"}},
		{"listed under another package", stream, "core/y TestB: needs ABI 9", true, false, []string{"1 failed"}},
		{"a failure", stream + failing, "", false, false, []string{"--- FAIL core/x TestC", "broken", "failed: core/x TestC", "1 failed"}},
		{"a package that does not build", stream + notBuilt, "", false, false, []string{"syntax error", "failed: core/y", "1 failed"}},
		{"no test at all", "", "", false, false, []string{"no test ran", "0 passed, 0 failed, 0 skipped"}},
		{"something that is not JSON", "panic: oops\n" + stream, "", false, true, []string{"panic: oops"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			allowed := parseSkips(t, c.skips)
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(c.stream)); err != nil {
				t.Fatal(err)
			}
			if ok := r.close(allowed, c.strict); ok != c.ok {
				t.Errorf("ok = %v, want %v", ok, c.ok)
			}
			for _, want := range c.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the report does not say %q:\n%s", want, out.String())
				}
			}
		})
	}
}

// The command's own exit status counts, whatever its output says.
func TestRunReportsTheCommandsFailure(t *testing.T) {
	script := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(script, []byte(stream), 0o600); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]bool{"cat " + script: true, "cat " + script + "; exit 1": false} {
		ok, err := run("", []string{"sh", "-c", command}, false, &strings.Builder{})
		if err != nil {
			t.Fatal(err)
		}
		if ok != want {
			t.Errorf("%q: ok = %v, want %v", command, ok, want)
		}
	}
}

func TestSkipsNeedAReason(t *testing.T) {
	for _, line := range []string{"core/x TestB", "core/x TestB:", "TestB: a reason"} {
		path := filepath.Join(t.TempDir(), "skips")
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readSkips(path); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}

func parseSkips(t *testing.T, text string) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "skips")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	allowed, err := readSkips(path)
	if err != nil {
		t.Fatal(err)
	}
	return allowed
}
