package e2e

import (
	"strings"
	"testing"
)

// A name that is protected where it exists cannot be held where it does not. What git and agents
// outside would act on is told at the end.
func TestNewProtectedNamesAreTold(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write(".git/HEAD", "ref: refs/heads/main\n")
	u.write(".git/config", "[core]\n")
	r := u.succeeds(u.nono("run", "--allow-cwd", "--", "sh", "-c", "echo ../evil > .git/commondir"))
	for _, say := range []string{"new since the start: ~/proj/.git/commondir", "look before you use git"} {
		if !strings.Contains(r.Stderr, say) {
			t.Errorf("the end does not say %q\n%s", say, r)
		}
	}
	if strings.Contains(r.Stderr, ".git/config,") {
		t.Errorf("what was there before is told as new\n%s", r)
	}

	// The control: a run that makes none of them has nothing to tell.
	u = newUser(t)
	u.write(".git/HEAD", "ref: refs/heads/main\n")
	if r := u.succeeds(u.nono("run", "--allow-cwd", "--", "sh", "-c", "echo 1 > x")); strings.Contains(r.Stderr, "new since") {
		t.Errorf("nothing is new\n%s", r)
	}
}
