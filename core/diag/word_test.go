package diag_test

import (
	"os/exec"
	"testing"

	"github.com/nono-run/nono/core/diag"
)

// Each word is read back by a real shell.
func TestWord(t *testing.T) {
	for s, want := range map[string]string{
		"/data/proj": "/data/proj", "~": "~", "~/a b": "~/'a b'", "~/": "~/",
		"a,b": "a,b", "": "''", "it's": `'it'\''s'`, "routes/$id.ts": "'routes/$id.ts'",
		"caf\xe9": `$'caf\xe9'`, "a\nb'\\": `$'a\x0ab\'\\'`, "-x": "-x", "~bob": "'~bob'",
		"é": "'é'",
	} {
		got := diag.Word(s)
		if got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
		cmd := exec.Command("bash", "-c", "printf %s "+got)
		cmd.Env = []string{"HOME=~"} // so that ~ is read back as itself
		out, err := cmd.Output()
		if err != nil || string(out) != s {
			t.Errorf("%q: the shell reads %s as %q (%v)", s, got, out, err)
		}
	}
}
