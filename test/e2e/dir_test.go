//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"testing"
)

// A directory that was entered through a link is there under the name that the user knows, and so is
// what lies in it: programs and scripts have that name written down.
func TestDirectoryThroughALink(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/disk/proj/f", "content\n")
	u.write("~/disk/proj/agent.hcl", "filesystem {\n  allow = [\".\"]\n}\n")
	if err := os.Symlink("disk", u.path("~/work")); err != nil {
		t.Fatal(err)
	}
	named := u.path("~/work/proj")
	u.Project, u.Env = named, []string{"PWD=" + named}
	u.write("interpreter", "#!/bin/sh\necho \"$2 by its interpreter\"\n")
	u.write("script", "#!"+named+"/interpreter x\n")
	for _, f := range []string{"interpreter", "script"} {
		if err := os.Chmod(u.path(f), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, grant := range [][]string{{"--allow-cwd"}, {"--allow", "."}, {"-c", "agent.hcl"}} {
		for _, c := range []struct {
			command []string
			want    string
		}{
			{[]string{"cat", named + "/f"}, "content\n"},
			{[]string{"sh", "-c", "pwd; pwd -P"}, named + "\n" + u.path("~/disk/proj") + "\n"},
			{[]string{"sh", "-c", "echo new > " + named + "/g; cat ../proj/g; rm g"}, "new\n"},
			{[]string{"sh", "-c", "./script; " + named + "/script"}, "./script by its interpreter\n" + named + "/script by its interpreter\n"},
		} {
			args := append(append(append([]string{"run", "-s"}, grant...), "--"), c.command...)
			if r := u.nono(args...); r.Code != 0 || r.Stdout != c.want {
				t.Errorf("want %q\n%s", c.want, r)
			}
		}
	}
	if r := u.nono("run", "-s", "--env", "PWD=/elsewhere", "--", "printenv", "PWD"); r.Stdout != "/elsewhere\n" {
		t.Errorf("what the user set is not what is there\n%s", r)
	}
}

// The start line says what can be done, and not what was asked for.
func TestGrantThatTheHostBounds(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	for _, file := range []string{"~/mounted/f", "~/closed", "~/open"} {
		u.write(file, "content\n")
	}
	if err := os.Chmod(u.path("~/closed"), 0); err != nil {
		t.Fatal(err)
	}
	r := u.nono("run", "--read", "~/closed", "--read", "~/open", "--", "sh", "-c", "cat ~/open ~/closed")
	u.says(r, "nono: unreadable ~/closed; ro ~/open; network closed; home private; current directory empty; tier A")
	u.says(r, "nono: warning: ~/closed cannot be read inside either: you may not read it")
	if r.Code != 1 || r.Stdout != "content\n" {
		t.Errorf("the closed file was read, or the other was not\n%s", r)
	}

	// A mount needs a namespace, and nono's are then inside that one.
	script := `mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"`
	nono := u.command("run", "--allow", "~/mounted", "--", "sh", "-c", "cat ~/mounted/f; echo x > ~/mounted/f")
	cmd := exec.Command("unshare", append([]string{"--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", u.path("~/mounted")}, nono.Args...)...)
	cmd.Dir, cmd.Env = nono.Dir, nono.Env
	if out, err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "mount", "--bind", u.Home, u.Home).CombinedOutput(); err != nil {
		t.Skipf("needs a mount of its own: %v %s", err, out)
	}
	r = u.finish(u.begin(cmd, ""))
	u.says(r, "nono: ro ~/mounted; network closed; home private; current directory empty; tier A")
	u.says(r, "nono: warning: ~/mounted cannot be written inside either: its file system is mounted read-only")
	if r.Code == 0 || r.Stdout != "content\n" {
		t.Errorf("it was written\n%s", r)
	}
}

// git says that a worktree was made, also where that is a directory of the session's own.
func TestWorktreeOutsideOfEveryGrant(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.repository()
	const gone = "nono: warning: the git worktree ~/wt lay outside of every grant and is gone"
	r := u.succeeds(u.nono("run", "--allow-cwd", "--", "git", "worktree", "add", "-q", "../wt"))
	u.says(r, gone)
	if u.exists("~/wt") {
		t.Error("it is on the host")
	}
	u.quiet(u.succeeds(u.nono("run", "--allow-cwd", "--", "git", "status")), "worktree") // told once
	u.mkdir("~/wts")
	u.quiet(u.succeeds(u.nono("run", "--allow-cwd", "--allow", "~/wts", "--", "git", "worktree", "add", "-q", "../wts/one")), "worktree")
	u.quiet(u.succeeds(u.nono("run", "--allow-cwd", "--", "git", "worktree", "add", "-q", "inner")), "worktree")
	if !u.exists("~/wts/one/.git") || !u.exists("inner/.git") {
		t.Error("a worktree in a grant is not on the host")
	}
}
