//go:build linux

package e2e

import (
	"strings"
	"testing"
)

// TestLimits: no process inside has more files open than the user said, nor raises that; and a run
// that has had its time is ended, however little the agent wants that.
func TestLimits(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("files.py", `import resource
files = []
try:
    while True:
        files.append(open("/dev/null"))
except OSError as e:
    print(len(files) > 90, len(files) < 100, e.strerror)
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    print("raised")
except (ValueError, OSError):
    print("not raised")
`)
	u.write("agent.hcl", "command = [\"python3\", \"files.py\"]\nfilesystem { allow = [\".\"] }\nlimits { open_files = 100 }\n")
	if r := u.succeeds(u.nono("run", "-c", "agent.hcl")); r.Stdout != "True True Too many open files\nnot raised\n" {
		t.Errorf("%s", r)
	}
	if r := u.succeeds(u.nono("plan", "-c", "agent.hcl")); !strings.Contains(r.Stdout, "no more than 100 files open") {
		t.Errorf("the plan does not say so\n%s", r)
	}
	// The control: without the limit there are more.
	u.write("agent.hcl", "command = [\"sh\", \"-c\", \"ulimit -n\"]\n")
	if r := u.succeeds(u.nono("run", "-c", "agent.hcl")); r.Stdout == "100\n" {
		t.Errorf("the control failed\n%s", r)
	}
	u.write("agent.hcl", "limits { time = \"200ms\" }\n")
	r := u.nono("run", "-c", "agent.hcl", "--", "sh", "-c", "trap '' TERM; while :; do sleep 100; done")
	if r.Code != 125 || !strings.Contains(r.Stderr, "the run was ended: it has had its 200ms\n  agent.hcl:1:17\n") {
		t.Errorf("%s", r)
	}
	// What ends in time, or when it is asked to, ends with its own code.
	u.write("agent.hcl", "limits { time = \"1h\" }\n")
	if r := u.nono("run", "-c", "agent.hcl", "--", "sh", "-c", "exit 3"); r.Code != 3 {
		t.Errorf("%s", r)
	}
	u.write("agent.hcl", "limits { time = \"6s\" }\n")
	if r := u.nono("run", "-c", "agent.hcl", "--", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"); r.Code != 7 {
		t.Errorf("%s", r)
	}
}
