//go:build linux

package e2e

import (
	"os"
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
	r = u.nono("run", "-c", "agent.hcl", "--", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
	if r.Code != 7 || !strings.Contains(r.Stderr, "the agent is asked to end: the run may take 6s\n  agent.hcl:1:17\n") {
		t.Errorf("%s", r)
	}
}

// TestProcessLimit: a fork bomb is held to what the user said, and the run ends with the agent's
// code. Root, who has no such limit, is refused, unless he can do without.
func TestProcessLimit(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("bomb.py", `import os, resource, sys, time
children = []
try:
    while len(children) < 100:
        pid = os.fork()
        if pid == 0:
            while True:
                try:
                    if os.fork() == 0:
                        time.sleep(1000)
                except OSError:
                    pass
                if len(sys.argv) > 1:
                    time.sleep(1000)
        children.append(pid)
    print("made all")
except OSError as e:
    print(e.strerror)
try:
    resource.setrlimit(resource.RLIMIT_NPROC, (200, 200))
    print("raised")
except (ValueError, OSError):
    print("not raised")
sys.stdout.flush()
os._exit(7)
`)
	run := func(limits string, args ...string) result {
		t.Helper()
		u.write("agent.hcl", "filesystem { allow = [\".\"] }\n"+limits)
		return u.nono(append([]string{"run", "-c", "agent.hcl", "--", "python3", "bomb.py"}, args...)...)
	}
	// The control: without the limit there are a hundred, with a child each.
	if r := run("", "bounded"); r.Code != 7 || r.Stdout != "made all\nraised\n" && r.Stdout != "made all\nnot raised\n" {
		t.Fatalf("the control failed\n%s", r)
	}
	const limits = "limits { processes = 50 }\n"
	if os.Getuid() == 0 {
		u.refused(run(limits), `"no more than 50 processes and threads run inside" cannot be held: root has no such limit`, "agent.hcl:2:10")
		u.write("~/.config/nono/config.hcl", "best_effort = true\n")
		if r := run(limits, "bounded"); r.Code != 7 || !strings.Contains(r.Stderr, "root has no such limit (best_effort)") {
			t.Errorf("%s", r)
		}
		return
	}
	if r := run(limits); r.Code != 7 || r.Stdout != "Resource temporarily unavailable\nnot raised\n" {
		t.Errorf("%s", r)
	}
	if r := u.succeeds(u.nono("plan", "-c", "agent.hcl", "--", "python3", "bomb.py")); !strings.Contains(r.Stdout, "no more than 50 processes and threads run inside") {
		t.Errorf("the plan does not say so\n%s", r)
	}
}
