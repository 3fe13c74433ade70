//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A single file that is granted can be saved as programs save files: by writing another one and
// renaming it over the first. On the host nothing changes before the end.
func TestFileSavedByRename(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, needs, grant, script string }{
		{"sed -i", "sed", "--allow", "sed -i s/old/new/ $F"},
		{"written by the shell", "sh", "--allow", "sed s/old/new/ $F > ~/t; cat ~/t > $F"},
		{"moved over", "sh", "--write", "echo new > ~/t; mv ~/t $F"},
		{"vim", "vim", "--allow", "vim -es -u NONE -c '%s/old/new/' -c wq $F"},
		{"python", "python3", "--allow", `/usr/bin/python3 -c 'import os; n = os.environ["F"] + ".tmp"; open(n, "w").write("new\n"); os.replace(n, os.environ["F"])'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needs(t, c.needs)
			u := newUser(t)
			u.write("~/.tool/settings.json", "old\n")
			file := u.path("~/.tool/settings.json")
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
			r := u.succeeds(u.nono("run", "--env", "F="+file, c.grant, file, "--", "sh", "-c", c.script+" && cat $F"))
			u.says(r, "nono: rw ~/.tool/settings.json (brought back at the end); network closed; home private; current directory empty; tier A")
			info, err := os.Stat(file)
			if err != nil || info.Mode() != 0o640 {
				t.Errorf("the file is %v, %v", info, err)
			}
			if r.Stdout != "new\n" || u.read(file) != "new\n" {
				t.Errorf("inside %q, on the host %q", r.Stdout, u.read(file))
			}
			if names, err := os.ReadDir(filepath.Dir(file)); err != nil || len(names) != 1 {
				t.Errorf("beside it there are %v, %v", names, err)
			}
		})
	}
}

func TestPlanOfAFileThatIsCopied(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/one", "old\n")
	u.write("agent.hcl", "filesystem {\n  allow = [\"~/one\"]\n}\n")
	r := u.succeeds(u.nono("plan", "-v", "-c", "agent.hcl", "--approve", "--", "true"))
	for _, want := range []string{"a copy, brought back at the end", "a copy of the host's, brought back at the end", "agent.hcl:2:12"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("the plan does not say %q\n%s", want, r)
		}
	}
}

// What is not copied is shown as it is on the host: programs can write it, and not rename over it.
func TestFileThatIsNotCopied(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/linked", "old\n")
	u.write("~/dir/f", "old\n")
	u.write("~/rw/f", "old\n")
	if err := os.Link(u.path("~/linked"), u.path("~/other")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(u.path("~/large"), make([]byte, 17<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	r := u.tries([]string{"--allow", "~/linked", "--allow", "~/large", "--read", "~/dir", "--allow", "~/dir/f", "--allow", "~/rw", "--allow", "~/rw/f"},
		"yes: echo new > ~/linked", "no: echo new > ~/t && mv ~/t ~/linked", // both names are the one file
		"yes: echo new >> ~/large", "no: echo new > ~/t && mv ~/t ~/large",
		"yes: echo new > ~/dir/f", "no: sed -i s/new/newer/ ~/dir/f", // its directory can only be read
		"yes: sed -i s/old/new/ ~/rw/f", // its directory is granted: nothing is needed
	)
	u.quiet(r, "brought back")
	for _, f := range []string{"~/linked", "~/other", "~/dir/f", "~/rw/f"} {
		if got := u.read(f); got != "new\n" {
			t.Errorf("%s holds %q", f, got)
		}
	}
}

// What the agent leaves at the name is brought back only if it is a file of its own. Each would have
// core read or write something else of the host's, as the controls show.
func TestHostileCopies(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"a link to a file of the host's":   `ln -sfn "$SECRET" ~/f`,
		"a link to a device":               `ln -sfn /dev/zero ~/f`,
		"a pipe":                           `rm ~/f; mkfifo ~/f`,
		"a directory":                      `rm ~/f; mkdir ~/f; echo x > ~/f/x`,
		"nothing":                          `rm ~/f`,
		"a file that is all holes":         `truncate -s 1T ~/f`,
		"a link above it":                  `mkdir ~/d; mv ~/f ~/d/f; ln -s d/f ~/f`,
		"a socket":                         `rm ~/f; /usr/bin/python3 -c 'import socket, os; socket.socket(socket.AF_UNIX).bind(os.path.expanduser("~/f"))'`,
		"a file nobody may read":           `echo new > ~/g; chmod 0 ~/g; mv ~/g ~/f`,
		"a hard link to a file of another": `ln -f ~/.gitconfig ~/f 2>/dev/null; rm -f ~/f`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.write("~/f", "old\n")
			u.write("~/secret", "of the host's\n")
			u.write("~/.gitconfig", "[user]\n\tname = Ada\n")
			if strings.Contains(script, "SECRET") {
				link := u.path("~/control")
				if err := os.Symlink(u.path("~/secret"), link); err != nil || u.read(link) != "of the host's\n" {
					t.Fatalf("following the link reads nothing, and so the test shows nothing: %v", err)
				}
			}
			if name == "a file nobody may read" && os.Getuid() == 0 {
				t.Skip("root may read any file")
			}
			r := u.succeeds(u.nono("run", "--env", "SECRET="+u.path("~/secret"), "--allow", "~/f", "--", "sh", "-c", script))
			if got := u.read("~/f"); got != "old\n" {
				t.Errorf("the host has %.40q\n%s", got, r)
			}
			if info, err := os.Lstat(u.path("~/f")); err != nil || !info.Mode().IsRegular() {
				t.Errorf("the host has %v, %v", info, err)
			}
			if !strings.Contains(r.Stderr, "nono: warning: ~/f is as it was on the host: inside ") {
				t.Errorf("it is not told\n%s", r)
			}
		})
	}
}

// A change on both sides: the host's stays, and the agent's is kept beside it.
func TestFileChangedOnBothSides(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/f", "old\n")
	r := u.start("", "run", "--allow-cwd", "--allow", "~/f", "--", "sh", "-c", "echo inside > ~/t; mv ~/t ~/f; touch ready; while [ ! -e go ]; do sleep 0.01; done")
	u.await("ready")
	u.write("~/f", "outside\n")
	u.write("go", "")
	got := u.succeeds(u.finish(r))
	u.says(got, "nono: warning: ~/f is as it was on the host: it was changed outside meanwhile")
	kept, err := filepath.Glob(u.path("~/f.nono-*"))
	if err != nil || len(kept) != 1 || u.read(kept[0]) != "inside\n" || u.read("~/f") != "outside\n" {
		t.Fatalf("kept %v, %v; the host has %q\n%s", kept, err, u.read("~/f"), got)
	}
	if !strings.Contains(got.Stderr, "what the command made of it is in ~/"+filepath.Base(kept[0])) {
		t.Errorf("it is not told where\n%s", got)
	}
}

// await waits for the agent to have made a file in the project.
func (u *user) await(name string) {
	u.t.Helper()
	for end := time.Now().Add(time.Minute); !u.exists(name); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			u.t.Fatalf("%s does not come", name)
		}
	}
}

// However a run ends, what the agent made of the file is on the host.
func TestFileOfARunThatIsKilled(t *testing.T) {
	t.Parallel()
	const save = "echo new > ~/t; mv ~/t ~/f; touch ready; exec sleep 1000"
	for name, kill := range map[string]func(u *user, r *running){
		"the agent":     func(*user, *running) {},
		"core":          func(_ *user, r *running) { _ = r.Process.Kill() },
		"core, at once": func(_ *user, r *running) { _ = syscall.Kill(-r.Process.Pid, syscall.SIGKILL) },
		"by a signal":   func(_ *user, r *running) { _ = r.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.write("~/f", "old\n")
			script := save
			if name == "the agent" {
				script = strings.Replace(save, "exec sleep 1000", "kill -9 $$", 1)
			}
			cmd := u.command("run", "--allow-cwd", "--allow", "~/f", "--", "sh", "-c", script)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			r := u.begin(cmd, "")
			u.await("ready")
			if got := u.read("~/f"); got != "old\n" && name != "the agent" {
				t.Errorf("before the end the host has %q", got)
			}
			kill(u, r)
			u.finish(r)
			for end := time.Now().Add(time.Minute); u.read("~/f") != "new\n"; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the host has %q", u.read("~/f"))
				}
			}
		})
	}
}

// Two runs on one file: the first to end is brought back, the second is kept.
func TestFileOfTwoRuns(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/f", "old\n")
	var runs []*running
	for i := range 2 {
		runs = append(runs, u.start("", "run", "--allow-cwd", "--allow", "~/f", "--", "sh", "-c",
			fmt.Sprintf("echo %d > ~/t; mv ~/t ~/f; touch ready%[1]d; while [ ! -e go%[1]d ]; do sleep 0.01; done", i)))
	}
	u.await("ready0")
	u.await("ready1")
	u.write("go0", "")
	u.quiet(u.succeeds(u.finish(runs[0])), "as it was")
	u.write("go1", "")
	u.says(u.succeeds(u.finish(runs[1])), "nono: warning: ~/f is as it was on the host: it was changed outside meanwhile")
	if kept, _ := filepath.Glob(u.path("~/f.nono-*")); len(kept) != 1 || u.read(kept[0]) != "1\n" || u.read("~/f") != "0\n" {
		t.Errorf("kept %v, the host has %q", kept, u.read("~/f"))
	}
}

// On a disk that is full what the agent made is kept on another one.
func TestFileOnAFullDisk(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.mkdir("~/small")
	const script = `mount -t tmpfs -o size=64k small "$1" && echo old > "$1/f" && shift && "$@"; s=$?; cat "$0"/small/f; exit $s`
	nono := u.command("run", "--allow", "~/small/f", "--", "sh", "-c", "head -c 1000000 /dev/zero > ~/t; mv ~/t ~/small/f")
	isolated := func(args ...string) *exec.Cmd {
		cmd := exec.Command("unshare", append([]string{"--user", "--map-root-user", "--mount", "sh", "-c"}, args...)...)
		cmd.Dir, cmd.Env = nono.Dir, append(nono.Env, "HOME="+u.Home)
		return cmd
	}
	if out, err := isolated(`mount -t tmpfs x "$0"`, u.path("~/small")).CombinedOutput(); err != nil {
		t.Skipf("needs a mount of its own: %v %s", err, out)
	}
	// The file is made there by the script, and so the plan is made there too.
	r := u.finish(u.begin(isolated(append([]string{script, u.Home, u.path("~/small")}, nono.Args...)...), ""))
	if r.Stdout != "old\n" || !strings.Contains(r.Stderr, "nono: warning: ~/small/f is as it was on the host: no space left on device") {
		t.Errorf("the host has %.40q\n%s", r.Stdout, r)
	}
	kept, _ := filepath.Glob(filepath.Join(u.runtime, "nono", "f.nono-*"))
	if len(kept) != 1 || len(u.read(kept[0])) != 1000000 {
		t.Errorf("kept is %v\n%s", kept, r)
	}
}
