//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPluginNew: what `nono plugin new` writes builds, passes its own test and nono's, and runs by
// the policy that comes with it.
func TestPluginNew(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.tmp()
	u.succeeds(u.nono("plugin", "new", "acme/my-layer"))
	u.refused(u.nono("plugin", "new", "acme/my-layer"), "my-layer is there already, and is left alone")
	u.refused(u.nono("plugin", "new", "my-layer", "x"), "my-layer has no vendor")
	u.refused(u.nono("plugin", "new", "acme/../x"), "is not a layer's name")

	// The sources stand in for the module as it is published.
	sources, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := u.path("my-layer")
	u.write("go.work", "go 1.26.0\nuse (\n\t"+dir+"\n\t"+sources+"\n)\n")
	for _, args := range [][]string{
		{"vet", "./..."}, {"test", "-count=1", "./..."}, {"build", "-o", "nono-layer-my-layer", "."},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK="+u.path("go.work"), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	u.Project = dir
	if r, v := u.verify("./nono-layer-my-layer", "-c", "try.hcl"); r.Code != 0 {
		t.Errorf("it does not keep the contract: %q\n%s", v.ended("failed"), r)
	}
	u.succeeds(u.nono("plugin", "lock", "acme/my-layer", "./nono-layer-my-layer"))
	r := u.succeeds(u.nono("run", "-c", "try.hcl", "--approve"))
	if r.Stdout != "be kind\n" {
		t.Errorf("the agent said %q", r.Stdout)
	}
}
