//go:build linux

package e2e

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The programs in here are those of the machine, as their users start them: by name, from PATH,
// with nothing granted but the project.

// needs skips the test where the machine lacks a program that is no part of what nono needs for its
// own tests.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("there is no %s here", program)
	}
}

// works runs a shell script in the sandbox with the project granted, and compares what it prints.
func (u *user) works(script, want string, flags ...string) result {
	u.t.Helper()
	r := u.shell("exec 2>&1\nset -e\n"+script, append([]string{"--allow-cwd"}, flags...)...)
	if r.Code != 0 || r.Stdout != want {
		u.t.Fatalf("%s\nwant %q\n%s", script, want, r)
	}
	return r
}

func TestPython(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("mod.py", "def double(x):\n    return 2 * x\n")
	u.write("main.py", `
import ctypes, json, multiprocessing, os, sqlite3, ssl, subprocess, sys, tempfile, threading, mod
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(mod.double, [1, 2, 3]))
    print(subprocess.run(["echo", "a child"], capture_output=True, text=True).stdout.strip())
    with tempfile.NamedTemporaryFile() as f:
        print(os.path.dirname(f.name))
    db = sqlite3.connect("data.db")
    db.execute("create table t (x)")
    print(json.dumps(db.execute("select 1").fetchone()))
`)
	r := u.nono("run", "--allow-cwd", "--", "python3", "main.py")
	if want := "[2, 4, 6]\na child\n/tmp\n[1]\n"; r.Code != 0 || r.Stdout != want {
		t.Errorf("want %q\n%s", want, r)
	}
	if !u.exists("__pycache__") || !u.exists("data.db") {
		t.Error("what Python wrote is not on the host")
	}
}

// A virtual environment made inside and used inside, by its interpreter and by its scripts; and
// packages without a network.
func TestPythonEnvironment(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.succeeds(u.nono("run", "--allow-cwd", "--", "python3", "-m", "venv", "--without-pip", ".venv"))
	r := u.succeeds(u.nono("run", "--allow-cwd", "--", ".venv/bin/python", "-c", "import sys; print(sys.prefix)"))
	if r.Stdout != u.path(".venv")+"\n" {
		t.Errorf("the environment is not in use\n%s", r)
	}
	// As `source .venv/bin/activate` leaves the environment.
	u.Env = []string{"VIRTUAL_ENV=" + u.path(".venv"), "PATH=" + u.path(".venv/bin") + ":/usr/bin:/bin"}
	u.works("python -c 'import sys; print(sys.prefix)'; echo $VIRTUAL_ENV", u.path(".venv")+"\n"+u.path(".venv")+"\n")

	t.Run("pip", func(t *testing.T) {
		if out, err := exec.Command("/usr/bin/python3", "-m", "pip", "--version").CombinedOutput(); err != nil {
			t.Skipf("the system's python3 has no pip: %s", out)
		}
		u.write("greeting-1.0-py3-none-any.whl", wheel(t, "greeting", "def main():\n    print(\"good morning\")\n"))
		u.Env = nil
		u.succeeds(u.nono("run", "--allow-cwd", "--", "/usr/bin/python3", "-m", "pip", "--python", ".venv/bin/python", "install", "-q", "--no-index",
			"--disable-pip-version-check", "greeting-1.0-py3-none-any.whl"))
		for _, command := range [][]string{{".venv/bin/python", "-c", "import greeting; greeting.main()"}, {".venv/bin/greet"}} {
			if r := u.nono(append([]string{"run", "--allow-cwd", "--"}, command...)...); r.Code != 0 || r.Stdout != "good morning\n" {
				t.Errorf("%q\n%s", command, r)
			}
		}
	})
}

// wheel is a Python package with one module and a script named greet.
func wheel(t *testing.T, name, module string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	info := name + "-1.0.dist-info/"
	for _, f := range [][2]string{
		{name + ".py", module},
		{info + "METADATA", "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "entry_points.txt", "[console_scripts]\ngreet = " + name + ":main\n"},
		{info + "RECORD", name + ".py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "entry_points.txt,,\n" + info + "RECORD,,\n"},
	} {
		w, err := z.Create(f[0])
		if err == nil {
			_, err = w.Write([]byte(f[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// pyenvRoot is the pyenv of whoever runs the tests.
func pyenvRoot(t *testing.T) string {
	t.Helper()
	root := os.Getenv("PYENV_ROOT")
	if root == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		root = filepath.Join(home, ".pyenv")
	}
	if versions, err := filepath.Glob(filepath.Join(root, "versions", "3.*", "bin", "python3")); err != nil || len(versions) == 0 {
		t.Skipf("there is no pyenv with a Python 3 in %s", root)
	}
	return root
}

func TestPyenv(t *testing.T) {
	t.Parallel()
	root := pyenvRoot(t)
	found, _ := filepath.Glob(filepath.Join(root, "versions", "3.*", "bin", "python3"))
	prefix, err := filepath.EvalSymlinks(filepath.Dir(filepath.Dir(found[0])))
	if err != nil {
		t.Fatal(err)
	}
	version := filepath.Base(filepath.Dir(filepath.Dir(found[0])))
	u := newUser(t)
	u.Env = []string{"PYENV_ROOT=" + root, "PATH=" + root + "/shims:" + root + "/bin:/usr/bin:/bin"}
	u.write(".python-version", version+"\n")
	const program = "import sys, ssl, sqlite3, ctypes, json, os; print(sys.base_prefix, sys.executable); print(os.environ['PATH'])"

	r := u.succeeds(u.nono("run", "--allow-cwd", "--", "python", "-c", program))
	lines := strings.Split(r.Stdout, "\n")
	base, executable, _ := strings.Cut(lines[0], " ")
	if resolved, err := filepath.EvalSymlinks(base); err != nil || resolved != prefix || !strings.HasPrefix(executable, filepath.Join(root, "versions", version)) {
		t.Errorf("it runs %s of %s, and not that of %s", executable, base, prefix)
	}
	if path := lines[1]; !strings.HasPrefix(path, filepath.Join(root, "versions", version, "bin")+":") || strings.Contains(path, "shims") {
		t.Errorf("PATH is %s", path)
	}
	// A child finds the same one.
	r = u.succeeds(u.nono("run", "--allow-cwd", "--", "python", "-c", "import subprocess; subprocess.run(['python', '-c', 'import sys; print(sys.base_prefix)'], check=True)"))
	if strings.TrimSpace(r.Stdout) != base {
		t.Errorf("a child runs that of %s", r.Stdout)
	}
	// Only the version that the shims lead to is granted, whatever is typed: no other, not pyenv
	// itself, and not to be written.
	u.tries([]string{"--allow-cwd"}, "yes: ls "+root+"/versions/"+version)
	if others := len(found) - 1; others > 0 {
		u.tries([]string{"--allow-cwd"}, "no: ls "+filepath.Dir(filepath.Dir(found[others])))
	}
	for what, program := range map[string]string{
		"its own library": "open(os.path.join(sys.base_prefix, 'lib', 'planted.py'), 'w')",
		"pyenv itself":    "os.listdir(os.path.join(os.environ['PYENV_ROOT'], 'libexec'))",
	} {
		if r := u.nono("run", "--allow-cwd", "--", "python", "-c", "import os, sys; "+program); r.Code != 1 {
			t.Errorf("%s: want a failure\n%s", what, r)
		}
	}

	// The plan says what is granted because of the command, and which file chose it.
	r = u.succeeds(u.nono("plan", "--allow-cwd", "--", "python"))
	if want := "the command you typed: pyenv, chosen by " + u.path(".python-version"); !strings.Contains(r.Stdout, want) {
		t.Errorf("the plan does not say %q\n%s", want, r)
	}

	// An environment of that Python, made and used inside.
	u.succeeds(u.nono("run", "--allow-cwd", "--", "python", "-m", "venv", "--without-pip", ".venv"))
	r = u.succeeds(u.nono("run", "--allow-cwd", "--", ".venv/bin/python", "-c", "import sys, ssl; print(sys.prefix)"))
	if strings.TrimSpace(r.Stdout) != u.path(".venv") {
		t.Errorf("the environment is not in use\n%s", r)
	}

	u.write(".python-version", "3.0.99\n")
	r = u.nono("run", "--allow-cwd", "--", "python", "-c", "1")
	if r.Code != 127 || !strings.Contains(r.Stderr, "asks pyenv for version 3.0.99, which is not installed") {
		t.Errorf("want 127 and the file that asks\n%s", r)
	}
}

// What a project's files say of a toolchain never widens what is granted.
func TestPlantedEnvironment(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/private/bin/python3", "")
	u.host("cp", "/usr/bin/env", u.path("~/private/bin/python3"))
	u.mkdir(".venv/bin")
	u.host("cp", "/usr/bin/env", u.path(".venv/bin/python"))
	u.write(".venv/pyvenv.cfg", "home = "+u.path("~/private/bin")+"\n")
	u.refused(u.nono("run", "--allow-cwd", "--", ".venv/bin/python"), "needs "+u.path("~/private"), "the agent can write that file (--allow-cwd)",
		"grant it yourself: --read "+u.path("~/private"))
	u.succeeds(u.nono("run", "--allow-cwd", "--read", "~/private", "--", ".venv/bin/python"))
}

func TestNode(t *testing.T) {
	t.Parallel()
	needs(t, "node")
	u := newUser(t)
	u.write("main.js", `
const { Worker, isMainThread } = require("worker_threads");
const fs = require("fs"), cp = require("child_process"), os = require("os");
if (isMainThread) {
  console.log(cp.execFileSync("echo", ["a child"]).toString().trim());
  fs.writeFileSync("out.txt", os.homedir());
  new Worker(__filename).on("exit", (code) => console.log("worker", code));
}
`)
	r := u.nono("run", "--allow-cwd", "--", "node", "main.js")
	if r.Code != 0 || r.Stdout != "a child\nworker 0\n" || u.read("out.txt") != u.Home {
		t.Errorf("%s", r)
	}
}

func TestNpm(t *testing.T) {
	t.Parallel()
	needs(t, "npm")
	u := newUser(t)
	u.write("package.json", `{"name": "agent", "version": "1.0.0", "scripts": {"hello": "node -p 6*7 && tool"}, "dependencies": {"tool": "file:./tool"}}`)
	u.write("tool/package.json", `{"name": "tool", "version": "1.0.0", "bin": "tool.js"}`)
	u.write("tool/tool.js", "#!/usr/bin/env node\nconsole.log('a tool')\n")
	u.works("npm install --offline --no-audit --no-fund --silent; npm run --silent hello", "42\na tool\n")
	if !u.exists("node_modules/.bin/tool") {
		t.Error("what npm installed is not on the host")
	}
}

func TestGit(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("~/.gitconfig", "[user]\n\tname = Ada\n\temail = ada@example.com\n")
	u.repository()
	u.works(`
git status --short
echo two >> a.txt
git diff --stat | head -1
git commit -qam two
git branch side && git tag v1
git rebase -q main side 2>/dev/null
git log --format=%s
git worktree list | wc -l
git fsck --no-progress
git gc -q
`, " a.txt | 1 +\ntwo\none\n1\n")
	// A clone of what may be read, into what may be written.
	from := u.Project
	u.Project = u.path("~/clones")
	u.mkdir(u.Project)
	u.works("git clone -q "+from+" copy; cd copy; git log --format=%s; echo 3 > c; git add c; git commit -qm three; git diff --stat HEAD~1 | head -1", "two\none\n c | 1 +\n",
		"--read", from)
	if got := u.host("git", "-C", "copy", "log", "-1", "--format=%an"); got != "Ada\n" {
		t.Errorf("the commit is by %q", got)
	}
	// What did not exist is not protected: no placeholder is made for it.
	u.works("git init -q new; cd new; git commit -q --allow-empty -m x; git log --format=%s", "x\n")
}

// goFlags give the agent the Go of whoever runs the tests, and its build cache: to compile the
// standard library anew would take a minute.
func (u *user) goFlags() []string {
	u.t.Helper()
	out, err := exec.Command("go", "env", "GOROOT", "GOCACHE").Output()
	if err != nil {
		u.t.Fatal(err)
	}
	goroot, gocache, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	u.Env = append(u.Env, "PATH="+goroot+"/bin:/usr/bin:/bin")
	// As TestMain built nono, so that the standard library is in the cache already.
	return []string{"--read", goroot, "--allow", gocache, "--env", "GOCACHE=" + gocache, "--env", "CGO_ENABLED=0", "--env", "GOTOOLCHAIN=local", "--env", "GOFLAGS="}
}

func TestGo(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	flags := u.goFlags()
	u.write("go.mod", "module example.com/sum\n\ngo 1.21\n")
	u.write("sum.go", "// Package sum adds.\npackage sum\n\n// Sum is a plus b.\nfunc Sum(a, b int) int { return a + b }\n")
	u.write("sum_test.go", "package sum\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tif Sum(1, 2) != 3 {\n\t\tt.Fatal()\n\t}\n}\n")
	u.write("cmd/main.go", "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/sum\"\n)\n\nfunc main() { fmt.Println(sum.Sum(1, 2)) }\n")
	u.works("go build -o main ./cmd; ./main; gofmt -l .; go vet ./...; go test ./... | cut -f 1,2", "3\nok  \texample.com/sum\n?   \texample.com/sum/cmd\n", flags...)
}

// The compiler, the archiver, the editor: each a program of the system that starts others and needs
// temporary files.
func TestSystemTools(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ needs, script, want string }{
		{"gcc", `printf '#include <stdio.h>\nint main(void) { puts("from C"); return 0; }\n' > c.c; gcc -o c c.c; ./c`, "from C\n"},
		{"make", `printf 'all: a b\na b:\n\t@echo made $@ | tee $@\n' > Makefile; make -s -j2 | sort; make -s`, "made a\nmade b\n"},
		{"tar", `mkdir d; echo x > d/f; ln -s f d/l; tar czf t.tgz d; rm -r d; tar xzf t.tgz; ls d | tr '\n' ' '; cat d/l`, "f l x\n"},
		{"vim", `echo one > v.txt; vim -es -u NONE -c '%s/one/two/' -c wq v.txt; cat v.txt`, "two\n"},
		{"perl", `perl -MPOSIX -e 'print "perl\n"'`, "perl\n"},
		{"bash", `bash -c 'cat <(echo substituted); echo here <<< x; read -r l <<< "a b"; echo $l'`, "substituted\nhere\na b\n"},
		{"find", `mkdir -p a/b; touch a/b/c; find . -name c | xargs -n1 basename`, "c\n"},
		{"sort", `seq 20000 | sort -rn -S 1k | head -1`, "20000\n"},
		{"javac", `printf 'class H { public static void main(String[] a) { System.out.println("from Java"); } }\n' > H.java; javac H.java; java -cp . H`, "from Java\n"},
		{"mvn", `mvn -v > out 2>&1; grep -c "Apache Maven" out`, "1\n"},
		{"groff", `printf '.TH t 1\nhello\n' > t.1; groff -man -Tascii t.1 | grep -c hello`, "1\n"},
		{"man", `printf '.TH t 1\nhello\n' > t.1; man ./t.1 | grep -c hello`, "1\n"},
		{"fc-list", `fc-list > fonts; test -s fonts && echo fonts`, "fonts\n"},
		{"lscpu", `lscpu | grep -c '^CPU(s):'`, "1\n"},
		{"script", `script -qec 'test -t 0 && echo a terminal' /dev/null < /dev/null | tr -d '\r'`, "a terminal\n"},
	} {
		t.Run(c.needs, func(t *testing.T) {
			t.Parallel()
			needs(t, c.needs)
			u := newUser(t)
			u.works(c.script, c.want)
		})
	}
}

// leftOut are the targets of links in /usr that are not inside, each for a reason.
var leftOut = map[string]string{
	"/etc/ssl/private":   "keys",
	"/etc/environment":   "the machine's variables, for logins; some hold passwords of proxies",
	"/etc/environment.d": "the same",
	"/etc/npmrc":         "may hold a token",
	"/etc/pip.conf":      "the same",
	"/etc/maven":         "its settings.xml may hold the passwords of servers; its other parts are there",
	"/etc/shadow":        "passwords",
	"/run":               "sockets and the state of services",
	"/proc":              "the session's own",
	"/sys":               "devices of the machine",
	"/dev":               "the session's own",
	"/tmp":               "the session's own",
}

// Programs in /usr are made of more than /usr: what its links lead to is inside, or left out for a
// reason, whatever this machine has installed.
func TestLinksOfUsr(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	var links []string
	err := filepath.WalkDir("/usr", func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return filepath.SkipDir // not this user's to read
		}
		if d.Type()&os.ModeSymlink == 0 || strings.HasPrefix(p, "/usr/local/etc/") {
			return nil
		}
		to, err := filepath.EvalSymlinks(p)
		if err != nil || strings.HasPrefix(to, "/usr/") {
			return nil //nolint:nilerr // it leads nowhere outside, too
		}
		for out := range leftOut {
			if to == out || strings.HasPrefix(to, out+"/") {
				return nil
			}
		}
		links = append(links, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	u.write("links", strings.Join(links, "\n")+"\n")
	r := u.works(`while read -r l; do test -e "$l" || echo "$l is not there"; done < links; echo all`, "all\n")
	t.Logf("%d links lead out of /usr\n%s", len(links), r.Stderr)
	u.tries([]string{"--allow-cwd"}, "no: cat /etc/maven/settings.xml", "no: ls /etc/ssl/private", "no: ls /sys/block", "no: cat /etc/shadow")
}

// TestDebuggers: what attaches to a process of the session's own, as a debugger does, works inside.
func TestDebuggers(t *testing.T) {
	t.Parallel()
	const leaks = `printf '#include <stdlib.h>\nint main(int n, char **v) { char *p = malloc(100); p = n > 1 ? 0 : p; free(p); return 0; }\n' > l.c; `
	const loops = `printf '#include <unistd.h>\nint spin(void) { for (;;) usleep(1000); }\nint main(void) { return spin(); }\n' > l.c; gcc -g -o l l.c; ./l & p=$!; `
	for _, c := range []struct{ name, needs, script, want string }{
		{"leak", "gcc", leaks + `gcc -fsanitize=leak -o l l.c; ./l; echo $?; ./l x 2>&1 | grep -o '100 byte.s. leaked'; ./l x 2>/dev/null || echo $?`, "0\n100 byte(s) leaked\n23\n"},
		{"address", "gcc", leaks + `gcc -fsanitize=address -o l l.c; ./l; echo $?; ./l x 2>&1 | grep -o '100 byte.s. leaked'`, "0\n100 byte(s) leaked\n"},
		{"gdb", "gdb", loops + `gdb -q -batch -p $p -ex bt 2>&1 | grep -o 'in main'; kill $p`, "in main\n"},
		{"strace", "strace", loops + `strace -qq -p $p 2>&1 | grep -m1 -o nanosleep; kill $p`, "nanosleep\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needs(t, "gcc")
			needs(t, c.needs)
			newUser(t).works(c.script, c.want)
		})
	}
}

func TestCommandNotFound(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	closed, bin := u.path("~/closed"), u.path("~/bin")
	u.write("~/closed/tool", "#!/bin/sh\n")
	u.write("~/bin/tool", "#!/bin/sh\necho the right one\n")
	u.write("~/bin/plain", "a text\n")
	u.mkdir("~/bin/directory")
	u.mkdir("~/bin/python3")
	if err := os.Remove(u.path("~/bin/python3")); err != nil {
		t.Fatal(err)
	}
	u.host("cp", "/bin/true", u.path("~/bin/python3"))
	if err := os.Chmod(bin+"/tool", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, command string
		code                int
		says                string
	}{
		{"nowhere", bin, "nonexist", 127, "cannot find the command nonexist in PATH"},
		{"behind a directory that may not be entered", closed + ":" + bin, "nonexist", 127, "cannot find the command nonexist in PATH"},
		{"behind a file", "/etc/passwd:" + bin, "nonexist", 127, "cannot find the command nonexist in PATH"},
		{"a directory", bin, "directory", 127, "cannot find the command directory in PATH"},
		{"not executable", bin, "plain", 126, "the file is not executable"},
		{"in the current directory only", ".:" + bin, "local", 127, "cannot find the command local in PATH"},
		{"another name", bin, "python", 127, "there is a python3: " + bin + "/python3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u.Env = []string{"PATH=" + c.path}
			u.write("local", "#!/bin/sh\n")
			r := u.nono("run", "--allow-cwd", "--read", bin, "--", c.command)
			if r.Code != c.code || !strings.Contains(r.Stderr, c.says) {
				t.Errorf("want %d and %q\n%s", c.code, c.says, r)
			}
		})
	}
	if os.Getuid() == 0 {
		return // may enter any directory
	}
	u.Env = []string{"PATH=" + closed + ":" + bin}
	if r := u.nono("run", "--read", bin, "--", "tool"); r.Code != 0 || r.Stdout != "the right one\n" {
		t.Errorf("the next directory is not looked in\n%s", r)
	}
}

// A tool that nothing grants is refused before anything starts, with a grant that suffices at once.
// One of the user's own directories of programs needs none.
func TestToolThatIsNotGranted(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	const ran = "#!/bin/sh\necho ran\n"
	for _, file := range []string{"~/opt/tool/bin/tool", "~/src/tool", "~/bin/tool", "~/.local/bin/tool", "~/js/node_modules/tool/cli/tool"} {
		u.program(file, ran)
	}
	u.program("~/src/script", "#!"+u.path("~/opt/sh/bin/sh")+"\necho ran\n")
	u.copyProgram("sh", "~/opt/sh/bin/sh")
	u.link("../tool/cli/tool", "~/js/node_modules/.bin/tool")
	for file, grants := range map[string][]string{
		"~/opt/tool/bin/tool":         {"~/opt/tool"},
		"~/src/tool":                  {"~/src/tool"},
		"~/src/script":                {"~/src/script", "~/opt/sh"},
		"~/js/node_modules/.bin/tool": {"~/js/node_modules"},
	} {
		want := "grant it:"
		var flags []string
		for _, g := range grants {
			want += " --read " + u.path(g)
			flags = append(flags, "--read", g)
		}
		r := u.nono("run", "--allow-cwd", "--", u.path(file))
		if r.Code != 126 || !strings.Contains(r.Stderr, want+"\n") {
			t.Errorf("%s: want 126 and %q\n%s", file, want, r)
		}
		args := append(append([]string{"run", "--allow-cwd"}, flags...), "--", u.path(file))
		if r := u.succeeds(u.nono(args...)); r.Stdout != "ran\n" {
			t.Errorf("%s: %s", file, r)
		}
	}
	for _, file := range []string{"~/bin/tool", "~/.local/bin/tool"} {
		if r := u.succeeds(u.nono("run", "--allow-cwd", "--", u.path(file))); r.Stdout != "ran\n" {
			t.Errorf("%s: %s", file, r)
		}
	}
}
