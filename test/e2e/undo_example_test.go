//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The example of a snapshot runs as it is: it compares what it has put back itself.
func TestUndoExample(t *testing.T) {
	t.Parallel()
	needs(t, "/usr/bin/python3")
	u := newUser(t)
	dir := u.path("~/nono/examples/undo")
	u.mkdir("~/nono/examples")
	if err := os.CopyFS(dir, os.DirFS("../../examples/undo")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "project/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "undo.sh")
	cmd.Dir = dir
	cmd.Env = append(u.command().Env, "PATH="+u.Programs+":/usr/bin:/bin")
	r := u.finish(u.begin(cmd, ""))
	const last = "notes.txt is as the agent has made it, and all else as it was\n"
	if r.Code != 0 || !strings.HasSuffix(r.Stdout, last) {
		t.Error(r)
	}
	for _, says := range []string{"src/greet.py -> src/hello.py", "remove   TIDY.md", "put back photos"} {
		if !strings.Contains(r.Stdout, says) {
			t.Errorf("nobody says %q:\n%s", says, r)
		}
	}
	if u.exists("~/nono/examples/undo/.undo") {
		t.Error("the copy is still there")
	}
}
