package layertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// pure holds that a layer which calls itself pure gives one answer to one request, and that one
// whose places core has worked out calls itself so.
func (s suite) pure(t *testing.T) {
	k := s.kit(t)
	if k.Description.Kind == policy.KindFilesystem && !k.Description.Pure {
		t.Error("a filesystem layer plans from its request alone, and says so: Description.Pure")
	}
	if !k.Description.Pure {
		return
	}
	req := s.sampleRequest(t)
	first, again := k.Plan(req), s.kit(t).Plan(req)
	if !reflect.DeepEqual(first, again) {
		t.Errorf("one request has two answers: %+v, and %+v", first, again)
	}
}

// sampleRequest is a request with rules of every sort.
func (s suite) sampleRequest(t *testing.T) *sdk.PlanRequest {
	t.Helper()
	req := s.request(t)
	req.Policy = sample(t)
	req.Command.Dir = req.Policy.Filesystem[0].Path
	return req
}

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
	req := placed(suite{options: o}.sampleRequest(t), l.Describe().Kind)
	err := seal()
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
