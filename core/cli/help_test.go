package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/reference"
)

// said runs a command in the process, and is what it wrote to standard output.
func said(t *testing.T, a *App, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdout")
	out, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	a.Stdout = out
	root := a.newRoot(actions{init: a.writeStarter})
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	text, readErr := os.ReadFile(path)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(text), err
}

func TestHelpOfTheLanguage(t *testing.T) {
	block, _ := reference.Block("filesystem")
	for args, want := range map[string]string{
		"help agent.hcl":            reference.Text(),
		"help agent.hcl filesystem": block,
	} {
		if got, err := said(t, ada(t, nil), strings.Fields(args)...); err != nil || got != want {
			t.Errorf("%s: %v\n%s", args, err, got)
		}
	}
	for args, want := range map[string]string{
		"help agent.hcl filesytem": "there is no block \"filesytem\" in the policy language\n" +
			"  did you mean `nono help agent.hcl filesystem`?\n",
		"help agent.hcl a b": "one block at a time, and 2 were named\n  `nono help agent.hcl` has them all\n",
	} {
		var problem diag.Problem
		_, err := said(t, ada(t, nil), strings.Fields(args)...)
		if !errors.As(err, &problem) || problem.String() != "error: "+want {
			t.Errorf("%s: %v\n%swant\n%s", args, err, problem, want)
		}
	}
}
