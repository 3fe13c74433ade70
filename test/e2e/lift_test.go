//go:build linux

package e2e

import "testing"

// TestLift: what is lifted out of a default denial, and granted, is there with the rights of its
// grant; all else that is denied stays away, also where a grant holds the whole home.
func TestLift(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, name := range []string{"~/.kube/config", "~/.kube/cache/x", "~/.aws/config", "~/.aws/sub/deep/key", "~/.aws/sub/other"} {
		u.write(name, "secret\n")
	}
	lift := func(grant string) []string {
		return []string{
			"--allow-cwd", grant, "--lift", "~/.kube/config", "--override-deny", "~/.aws/sub/deep",
		}
	}
	granted := append(lift("--read=~/.kube"), "--allow", "~/.aws/sub/deep")
	u.tries(granted,
		"yes: cat ~/.kube/config", "no: sh -c 'echo x >> ~/.kube/config'", "no: cat ~/.kube/cache/x",
		"no: test -e ~/.kube/cache", "yes: touch ~/.kube/new", "yes: cat ~/.aws/sub/deep/key",
		"yes: touch ~/.aws/sub/deep/new", "no: test -e ~/.aws/sub/other", "no: cat ~/.aws/config",
		"no: mv ~/.kube ~/.cube")
	if !u.exists("~/.aws/sub/deep/new") || u.exists("~/.kube/new") {
		t.Error("what was written lies elsewhere")
	}
	u.tries(lift("--allow=~"),
		"yes: sh -c 'echo x >> ~/.kube/config'", "no: cat ~/.kube/cache/x", "yes: touch ~/.kube/new",
		"yes: cat ~/.aws/sub/deep/key", "no: test -e ~/.aws/sub/other", "no: cat ~/.aws/config",
		"no: mv ~/.aws ~/.azure")
	if got := u.read("~/.kube/config"); got != "secret\nx\n" || u.exists("~/.kube/new") {
		t.Errorf("the file holds %q, or what lies beside it was written", got)
	}
	// The control: without the lift nothing of it is there, whatever is granted.
	u.tries([]string{"--allow-cwd", "--read", "~/.kube", "--allow", "~/.aws/sub/deep"},
		"no: cat ~/.kube/config", "no: cat ~/.aws/sub/deep/key")
	// And what nono keeps for itself nothing lifts, nor what the user denied.
	u.refused(u.nono("run", "--lift", "~/.config/nono", "--", "true"),
		"~/.config/nono is nono's own, and nothing of it can be lifted")
	u.refused(u.nono("run", "--deny", "~/.kube", "--read", "~/.kube", "--lift", "~/.kube", "--", "true"),
		"~/.kube cannot be lifted: --deny ~/.kube denies it")
}
