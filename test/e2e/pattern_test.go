//go:build linux

package e2e

import "testing"

// TestPatterns: what a pattern matches when the run starts is denied or protected like a path that
// was written out, also in what is granted because of the command; what the agent makes later is
// its own.
func TestPatterns(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, name := range []string{".env", "a/b/.env", "a/b/x", "deploy/run", "a/deploy/run", "tools/bin/tool"} {
		u.write(name, "secret\n")
	}
	u.write("agent.hcl", `filesystem {
  allow   = ["."]
  deny    = ["**/.env"]
  protect = ["**/deploy"]
}
`)
	u.tries([]string{"-c", "agent.hcl"},
		"yes: cat a/b/x", "no: cat .env", "no: cat a/b/.env", "no: mv a/b/.env a/x", "no: mv a/b a/c",
		"no: rm a/b/.env", "yes: cat a/deploy/run", "no: touch a/deploy/new", "no: mv a/deploy a/d",
		"yes: mkdir n && echo x > n/.env && cat n/.env")
	u.write("agent.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	u.tries([]string{"-c", "agent.hcl"}, "yes: cat a/b/.env", "yes: touch a/deploy/new")

	// A directory that an agent moved away, with a link in its place: what is put there later is
	// found through the link, which is held.
	moves := func(policy string) {
		u.write("agent.hcl", policy)
		u.write("secrets/readme", "nothing yet\n")
		u.tries([]string{"-c", "agent.hcl"}, "yes: mv secrets away && ln -s away secrets")
		u.write("secrets/token", "secret\n")
	}
	again := func() { u.host("rm", "-r", u.path("secrets"), u.path("away")) }
	moves("filesystem {\n  allow = [\".\"]\n}\n")
	u.tries([]string{"-c", "agent.hcl"}, "yes: cat secrets/token", "yes: cat away/token",
		"yes: rm secrets && ln -s away secrets")
	again()
	moves("filesystem {\n  allow = [\".\"]\n  deny  = [\"**/secrets/token\"]\n}\n")
	u.tries([]string{"-c", "agent.hcl"}, "no: cat secrets/token", "no: cat away/token", "no: rm secrets",
		"no: mv away elsewhere", "yes: cat secrets/readme")
	again()

	// An installation that is granted because the command lies in it, and by nothing else.
	root := "~/.pyenv/versions/3.9.9/"
	u.write(root+"bin/tool", "#!/bin/sh\ncat "+u.path(root+"share/open")+" "+u.path(root+"share/cert.pem")+"\n")
	u.host("chmod", "+x", u.path(root+"bin/tool"))
	u.write(root+"share/open", "open\n")
	u.write(root+"share/cert.pem", "secret\n")
	tool := u.path(root + "bin/tool")
	if r := u.succeeds(u.nono("run", "--", tool)); r.Stdout != "open\nsecret\n" {
		t.Fatalf("the control failed\n%s", r)
	}
	u.write("~/.config/nono/config.hcl", "filesystem {\n  deny = [\"~/.pyenv/**/*.pem\"]\n}\n")
	if r := u.nono("run", "--", tool); r.Code == 0 || r.Stdout != "open\n" {
		t.Errorf("what the pattern matches is denied nowhere\n%s", r)
	}
}
