//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/hosts"
)

// fallback is what a run comes to on one kind of host.
type fallback struct {
	name string
	host hosts.Host
	// tier is that of a run; empty where none starts.
	tier string
	// says is in the start line, or in the refusal.
	says []string
	// remedy is in what doctor says to do; empty where there is nothing to do.
	remedy string
}

var fallbacks = []fallback{
	{name: "any", tier: "A"},
	{
		name: "no namespaces", host: hosts.Host{NoNamespaces: true}, tier: "B",
		says: []string{"user.max_user_namespaces is 0"}, remedy: "sysctl -w user.max_user_namespaces=15000",
	},
	{
		name: "a covered proc", host: hosts.Host{CoveredProc: true}, tier: "B",
		says: []string{"a fresh /proc cannot be mounted here"}, remedy: "systempaths=unconfined",
	},
	{
		name: "a read-only proc", host: hosts.Host{ReadOnlyProc: true}, tier: "B",
		says: []string{"/proc is read-only here"}, // what put it there is not known to doctor
	},
	{name: "beneath a listener", host: hosts.Host{Listener: true}, tier: "A"},
	{
		name: "no namespaces, beneath a listener", host: hosts.Host{NoNamespaces: true, Listener: true}, tier: "B",
		says: []string{"user.max_user_namespaces is 0"}, remedy: "sysctl -w user.max_user_namespaces=15000",
	},
	{
		name: "Docker's filter", host: hosts.Host{Docker: true}, tier: "B",
		says: []string{"user namespaces cannot be made here"}, remedy: "seccomp=unconfined",
	},
	{
		name: "a container of root's", host: hosts.Host{Docker: true, CoveredProc: true, Root: true}, tier: "B",
		says: []string{"user namespaces cannot be made here"}, remedy: "seccomp=unconfined",
	},
	{
		name: "root without capabilities", host: hosts.Host{Root: true}, tier: "B",
		says: []string{"root without capabilities"}, remedy: "run nono as an ordinary user",
	},
	{name: "no Landlock", host: hosts.Host{NoLandlock: unix.EOPNOTSUPP}, tier: "A"},
	{
		name: "neither Landlock nor namespaces", host: hosts.Host{NoLandlock: unix.EOPNOTSUPP, NoNamespaces: true},
		says: []string{"user.max_user_namespaces", "Landlock is switched off"}, remedy: "lsm=landlock",
	},
	{
		name: "a kernel built without Landlock, and no namespaces", host: hosts.Host{NoLandlock: unix.ENOSYS, NoNamespaces: true},
		says: []string{"user.max_user_namespaces", "without Landlock"}, remedy: "landlock",
	},
}

// outcomes says what a user did that he may do everything to, or that is held: one word for each
// thing that worked.
const outcomes = `cat "$HOME/other/notes.txt" >/dev/null 2>&1 && echo read
touch made 2>/dev/null && echo wrote
(exec 3<>/dev/tcp/127.0.0.1/$1) 2>/dev/null && echo reached
exit 0`

// TestFallbacks: on each kind of host a run is in the tier that it can be in, says why, and holds
// the files and the network; or it refuses, and nothing is started. doctor says the same, with the
// remedy.
func TestFallbacks(t *testing.T) {
	for _, f := range fallbacks {
		t.Run(f.name, func(t *testing.T) {
			u := newUser(t)
			u.write("~/other/notes.txt", "NOTES")
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			script := []string{"bash", "-c", outcomes, "bash", port}

			bare := u.command()
			bare.Path, bare.Args = "/bin/bash", script
			hosts.On(t, bare, f.host)
			if r := u.finish(u.begin(bare, "")); r.Stdout != "read\nwrote\nreached\n" {
				t.Fatalf("control: without nono\n%s", r)
			}
			if err := unix.Unlink(u.path("made")); err != nil {
				t.Fatal(err)
			}
			cmd := u.command(append([]string{"run", "--allow-cwd", "--"}, script...)...)
			hosts.On(t, cmd, f.host)
			r := u.finish(u.begin(cmd, ""))
			if f.tier == "" {
				u.refused(r, f.says...)
				if u.exists("made") {
					t.Error("something was started")
				}
			} else {
				u.succeeds(r)
				if r.Stdout != "wrote\n" {
					t.Errorf("not held, or too much\n%s", r)
				}
				for _, say := range append([]string{"tier " + f.tier}, f.says...) {
					if !strings.Contains(r.Stderr, say) {
						t.Errorf("it does not say %q\n%s", say, r)
					}
				}
			}
			u.examined(f)
		})
	}
}

// examined holds what doctor says of a host against what a run came to there.
func (u *user) examined(f fallback) {
	u.t.Helper()
	cmd := u.command("doctor", "--json")
	hosts.On(u.t, cmd, f.host)
	r := u.finish(u.begin(cmd, ""))
	var report struct {
		Sandbox struct {
			Tier         string
			Why          string
			Restrictions []struct{ ID, Held, By, Why string }
		}
		Remedies []struct{ Do []string }
		Next     string
	}
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		u.t.Fatalf("%v\n%s", err, r)
	}
	whole := true
	for _, held := range report.Sandbox.Restrictions {
		whole = whole && held.Held == "enforced"
		if held.Held == "enforced" && held.By == "" || held.Held != "enforced" && held.Why == "" {
			u.t.Errorf("doctor does not say how %s is held, or why not", held.ID)
		}
	}
	want := map[string]int{"A": 0, "B": 1, "": 2}[f.tier]
	if report.Sandbox.Tier != f.tier || r.Code != want || whole != (f.tier != "B") || report.Next == "" {
		u.t.Errorf("doctor sees tier %q, and ends with %d; want %q and %d\n%s", report.Sandbox.Tier, r.Code, f.tier, want, r)
	}
	for _, say := range f.says {
		if !strings.Contains(report.Sandbox.Why, say) {
			u.t.Errorf("doctor does not say %q: %s", say, report.Sandbox.Why)
		}
	}
	var do []string
	for _, m := range report.Remedies {
		do = append(do, m.Do...)
	}
	if all := strings.Join(do, "\n"); f.remedy == "" && all != "" || !strings.Contains(all, f.remedy) {
		u.t.Errorf("doctor says to do\n%s\nwant %q", all, f.remedy)
	}
}

// TestInsideItself: nono in a sandbox of nono's is refused, for the user's settings are hidden
// there. With settings of its own it is in tier B if that sandbox is in tier A, and holds what its
// own policy does not grant; in one of tier B its layers cannot be told from others, and it stays
// refused. It says each time what to do, and so does doctor.
func TestInsideItself(t *testing.T) {
	const advice = "this is inside a sandbox of nono's"
	for _, outer := range []hosts.Host{{}, {NoNamespaces: true}} {
		u := newUser(t)
		u.write("~/other/notes.txt", "NOTES")
		u.mkdir("~/s")
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		nono := filepath.Join(programs, "nono")
		flags := []string{"--allow-cwd", "--read", u.path("~/other"), "--read", programs, "--open-port", port}
		inside := func(args ...string) result {
			cmd := exec.Command(args[0], args[1:]...)
			plain := u.command()
			cmd.Dir, cmd.Env = plain.Dir, plain.Env
			hosts.InNono(cmd, nono, flags...)
			hosts.On(t, cmd, outer)
			return u.finish(u.begin(cmd, ""))
		}
		script := []string{"/bin/bash", "-c", outcomes, "bash", port}
		if r := inside(script...); r.Stdout != "read\nwrote\nreached\n" {
			t.Errorf("%+v: control: in one sandbox\n%s", outer, r)
			continue
		}
		run := slices.Concat([]string{nono, "run", "--allow-cwd", "--"}, script)
		u.refused(inside(run...), advice)
		flags = append(flags, "--allow", u.path("~/s"))
		for _, name := range []string{"CONFIG_HOME", "STATE_HOME", "DATA_HOME", "CACHE_HOME", "RUNTIME_DIR"} {
			flags = append(flags, "--env", "XDG_"+name+"="+u.path("~/s"))
		}
		r := inside(run...)
		code := 2
		if outer.NoNamespaces {
			u.refused(r, advice)
		} else {
			u.succeeds(r)
			code = 1
			if r.Stdout != "wrote\n" || !strings.Contains(r.Stderr, "tier B") {
				t.Errorf("%+v: in two\n%s", outer, r)
			}
		}
		r = inside(nono, "doctor")
		for _, say := range []string{"a sandbox of nono's", "run the command itself, without nono"} {
			if !strings.Contains(r.Stdout, say) {
				t.Errorf("%+v: doctor does not say %q\n%s", outer, say, r)
			}
		}
		if r.Code != code {
			t.Errorf("%+v: doctor ends with %d, want %d\n%s", outer, r.Code, code, r)
		}
	}
}

// TestNoSecondListener: there can be one listener above a process. Where somebody has it, tier B
// has no sockets; what does without them runs, and a policy that needs one is refused at its line.
func TestNoSecondListener(t *testing.T) {
	for _, taken := range []bool{false, true} {
		u := newUser(t)
		cmd := u.command("run", "--allow-cwd", "--open-port", "5432", "--", "true")
		hosts.On(t, cmd, hosts.Host{NoNamespaces: true, Listener: taken})
		r := u.finish(u.begin(cmd, ""))
		if !taken {
			u.succeeds(r)
			continue
		}
		u.refused(r, "the one listener of system calls that there can be")
	}
}

// TestDoctor is what everybody sees on a host that holds everything.
func TestDoctor(t *testing.T) {
	u := newUser(t)
	before := u.snapshot()
	r := u.succeeds(u.nono("doctor"))
	for _, say := range []string{
		"tier A: namespaces, Landlock and a filter", "  held      a file that you deny in it", "mount namespace",
		"keyring", "/usr/bin/", "works inside", "~/.config/nono", "\nnext: nono run --allow-cwd -- ",
	} {
		if !strings.Contains(r.Stdout, say) {
			t.Errorf("it does not say %q\n%s", say, r)
		}
	}
	if r.Stderr != "" {
		t.Errorf("it says more\n%s", r)
	}
	for _, file := range u.snapshot() {
		path, mode, _ := strings.Cut(file, " ")
		remembered := strings.HasPrefix(path, u.path("~/.cache/nono/layers/")) ||
			strings.HasPrefix(path, u.path("~/.local/state/nono/remembered/"))
		if mode[0] == '-' && !remembered && !slices.Contains(before, file) {
			t.Errorf("it left %s", path)
		}
	}
	u.write("~/.config/nono/config.hcl", "filesystm {}\n")
	if r = u.nono("doctor"); r.Code != 2 || !strings.Contains(r.Stdout, "config.hcl:1:1") || !strings.Contains(r.Stdout, "tier A") {
		t.Errorf("a configuration that is refused\n%s", r)
	}
	if r = u.succeeds(u.nono("doctor", "--apparmor")); !strings.Contains(r.Stdout, fmt.Sprintf("@{nono}=%s/nono\n", programs)) {
		t.Errorf("the profile\n%s", r)
	}
}
