package e2e

import (
	"os"
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
