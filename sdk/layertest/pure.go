package layertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/conformance"
)

// sealed is set where this process is the child in which a layer plans without the right to look.
const sealed = "NONO_LAYERTEST_SEALED"

// holdSealed runs this test again, in a process that ends as soon as Plan looks at a file.
func holdSealed(t *testing.T, newLayer func() sdk.Layer) {
	if !newLayer().Describe().Pure {
		return
	}
	if !canSeal {
		t.Skip("this system has no way to keep a process from looking at files")
	}
	test, _, _ := strings.Cut(t.Name(), "/")
	//nolint:forbidigo,gosec // the test binary itself is what a child can be made of
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$")
	child.Env = append(child.Environ(), sealed+"=1", "TMPDIR="+t.TempDir())
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("Plan looked at something else than its request, or failed: %v\n%s", err, out)
	}
}

func isSealedChild() bool {
	return os.Getenv(sealed) != "" //nolint:forbidigo // how the parent says what this process is
}

// planSealed plans in the child, and ends it.
func planSealed(t *testing.T, l sdk.Layer, o Options) {
	s := conformance.Subject{Settings: encode(o.Settings), Dir: t.TempDir()}
	req, err := s.Sample(l.Describe())
	if err == nil {
		err = seal()
	}
	if err == nil {
		_, err = l.Plan(context.Background(), req)
	}
	code := 0
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // what the test would clean up, the parent does
}
