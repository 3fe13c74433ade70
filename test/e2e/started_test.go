//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	accounts "os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests start nono as other programs do, each with the surroundings that it gives.

// mcpServer answers each line, which is a JSON-RPC request, with a line. It ends with its input.
const mcpServer = `
import json, os, sys
with open(os.path.join(os.path.dirname(__file__), "started"), "w") as f:
    f.write(os.environ["NOTES_TOKEN"])
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": request["params"]}), flush=True)
print("bye", file=sys.stderr)
`

// editor starts an MCP server as editors do: with node's child_process, whose pipes are sockets, in
// another directory and with an environment of its own. It sends a thousand requests at once, and
// then some one by one, and ends the server's input.
const editor = `
const { spawn } = require("child_process");
const [nono, ...args] = process.argv.slice(2);
const child = spawn(nono, args, { cwd: "/", stdio: ["pipe", "pipe", "pipe"],
  env: { HOME: process.env.HOME, PATH: "/usr/bin:/bin", XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR, NOTES_TOKEN: "t" } });
const many = 1000, more = 50, big = "x".repeat(20000);
let sent = 0, got = 0, rest = "", said = "";
const send = () => child.stdin.write(JSON.stringify({ jsonrpc: "2.0", id: sent++, method: "m", params: { text: sent % 100 ? "é" : big } }) + "\n");
for (let i = 0; i < many; i++) send();
child.stderr.on("data", d => said += d);
child.stdout.on("data", d => {
  const lines = (rest + d).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    const answer = JSON.parse(line);
    if (answer.id !== got++) { console.log("out of order:", line); process.exit(1); }
    if (got < many) continue;
    if (got === many + more) child.stdin.end(); else send();
  }
});
child.on("close", (code, signal) => console.log(JSON.stringify({ got, rest, code, signal, bye: said.includes("bye") })));
`

// entry is the MCP server of docs/started.md, in a home.
func entry(t *testing.T, home string) (args []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/started.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	text, _, _ := strings.Cut(rest, "```")
	var settings struct {
		Servers map[string]struct{ Args []string } `json:"mcpServers"`
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "/home/you", home)), &settings); err != nil {
		t.Fatal(err)
	}
	return settings.Servers["notes"].Args
}

// TestStartedByAnEditor: an MCP server inside, started as the documentation says, answers every
// request, and ends when the editor ends its input.
func TestStartedByAnEditor(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	u := newUser(t)
	u.write("~/notes/server.py", mcpServer)
	u.write("~/editor.js", editor)
	nono := u.command()
	cmd := exec.Command(node, append([]string{u.path("~/editor.js"), nono.Path}, entry(t, u.Home)...)...)
	cmd.Env = nono.Env
	r := u.succeeds(u.finish(u.begin(cmd, "")))
	var end struct {
		Got, Code int
		Rest      string
		Signal    any
		Bye       bool
	}
	if err := json.Unmarshal([]byte(r.Stdout), &end); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if end.Got != 1050 || end.Code != 0 || end.Rest != "" || end.Signal != nil || !end.Bye {
		t.Errorf("got %s", r)
	}
	if got := u.read("~/notes/started"); got != "t" {
		t.Errorf("the server's token is %q", got)
	}
}

// TestStartedByCron: with hardly an environment, no terminal, in the home directory, and the output
// into one pipe, whose end is what cron waits for to send its mail.
func TestStartedByCron(t *testing.T) {
	u := newUser(t)
	u.write("~/agent.hcl", fmt.Sprintf("command = [\"sh\", \"-c\", \"echo worked > done; echo out; echo err >&2\"]\nfilesystem { allow = [%q] }\n", u.Project))
	u.write("~/job", "cd proj && $NONO run -s -c ~/agent.hcl --approve\n")
	r, w := u.pipe()
	cmd := exec.Command("/bin/sh", u.path("~/job"))
	cmd.Dir = u.Home
	cmd.Env = []string{"HOME=" + u.Home, "LOGNAME=u", "SHELL=/bin/sh", "PATH=/usr/bin:/bin", "NONO=" + filepath.Join(u.Programs, u.Program)}
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	job := u.launch(cmd)
	w.Close()
	mail, err := io.ReadAll(r)
	if err != nil || string(mail) != "out\nerr\n" {
		t.Errorf("the mail is %q, %v", mail, err)
	}
	u.succeeds(u.finish(job))
	if got := u.read("done"); got != "worked\n" {
		t.Errorf("got %q", got)
	}
}

// TestStartedAsAService: as systemd does where no user is named: /dev/null, one socket of the
// journal's for both outputs, no HOME, in the root directory; and ended by SIGTERM.
func TestStartedAsAService(t *testing.T) {
	account, err := accounts.Current()
	if err != nil {
		t.Skip("the system does not know who runs this: ", err)
	}
	u := newUser(t)
	journal, theirs := u.pair()
	cmd := u.command("run", "-s", "--allow", u.Project, "--", "sh", "-c",
		"cd "+u.Project+`; trap 'echo ended; exit 7' TERM; echo $HOME; echo up >&2; while :; do sleep 0.1; done`)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin", "XDG_RUNTIME_DIR=" + u.runtime, "INVOCATION_ID=1"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = u.opened("/dev/null", os.O_RDONLY), theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	service := u.launch(cmd)
	theirs.Close()
	wait(t, journal, account.HomeDir+"\nup\n")
	if err := service.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(journal); err != nil || string(rest) != "ended\n" {
		t.Errorf("got %q, %v", rest, err)
	}
	if r := u.finish(service); r.Code != 7 {
		t.Errorf("want 7\n%s", r)
	}
}

// wait reads exactly a text.
func wait(t *testing.T, f *os.File, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(f, b); err != nil || string(b) != want {
		t.Fatalf("got %q, %v; want %q", b, err, want)
	}
}

// TestStartedForAConnection: as inetd and systemd (Accept=yes) do: one socket for all three streams.
func TestStartedForAConnection(t *testing.T) {
	u := newUser(t)
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := conn.File()
	conn.Close()
	if err != nil {
		t.Fatal(err)
	}
	cmd := u.command("run", "-s", "--allow-cwd", "--", "sh", "-c", `while read line; do echo "got $line"; done; echo end`)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	server := u.launch(cmd)
	theirs.Close()
	_ = client.SetDeadline(time.Now().Add(time.Minute))
	if _, err := client.Write([]byte("one\ntwo\n")); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); err != nil || string(got) != "got one\ngot two\nend\n" {
		t.Errorf("got %q, %v", got, err)
	}
	u.succeeds(u.finish(server))
}

// TestStartedByMake: make's own descriptors stay outside, its jobs' output stays whole, and Ctrl-C,
// which reaches make and nono alike, ends both.
func TestStartedByMake(t *testing.T) {
	makes, err := exec.LookPath("make")
	if err != nil {
		t.Skip("make is not installed")
	}
	u := newUser(t)
	nono := u.command()
	u.write("Makefile", `
all: a b c
a b c:
	+@$(NONO) run -s --allow-cwd -- sh -c 'for i in 1 2 3 4 5 6 7 8 9; do echo $@$@$@ $$i; done; echo $$(ls /proc/self/fd) > $@.fds'
wait:
	@$(NONO) run -s --allow-cwd -- sh -c 'trap "echo interrupted; exit 9" INT; echo up; while :; do sleep 0.1; done'
`)
	run := func(args ...string) *exec.Cmd {
		cmd := exec.Command(makes, args...)
		cmd.Dir, cmd.Env = nono.Dir, append(nono.Env, "NONO="+nono.Path)
		return cmd
	}
	r := u.succeeds(u.finish(u.begin(run("-j3"), "")))
	for line := range strings.Lines(r.Stdout) {
		if len(line) != len("aaa 1\n") {
			t.Errorf("a line that is not whole: %q", line)
		}
	}
	if lines := strings.Count(r.Stdout, "\n"); lines != 27 {
		t.Errorf("got %d lines\n%s", lines, r)
	}

	for _, job := range []string{"a", "b", "c"} {
		if got := u.read(job + ".fds"); got != "0 1 2 3\n" { // the last is the directory that is listed
			t.Errorf("a job has the descriptors %q", got)
		}
	}

	out, w := u.pipe()
	cmd := run("wait")
	cmd.Stdout = w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	job := u.launch(cmd)
	w.Close()
	wait(t, out, "up\n")
	if err := unix.Kill(-job.Process.Pid, unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(out); err != nil || !strings.Contains(string(rest), "interrupted") {
		t.Errorf("got %q, %v", rest, err)
	}
	if r := u.finish(job); r.Code == 0 {
		t.Errorf("make took an interrupted job for a success\n%s", r)
	}
}

// TestStartedBySSH: a command by ssh, one that a shell there reads from its input, and one with a
// terminal. The server is the test's own, on the loopback.
func TestStartedBySSH(t *testing.T) {
	u := newUser(t)
	ssh := u.sshd()
	nono := "XDG_RUNTIME_DIR=" + u.runtime + " " + filepath.Join(u.Programs, u.Program)
	run := "cd " + u.Project + " && " + nono + " run -s --allow-cwd -- "
	if r := u.succeeds(u.finish(u.begin(ssh(run+"sh -c 'cat; echo err >&2'"), "input\n"))); r.Stdout != "input\n" || !strings.Contains(r.Stderr, "err\n") {
		t.Errorf("a command: %s", r)
	}
	if r := u.finish(u.begin(ssh(run+"sh -c 'exit 3'"), "")); r.Code != 3 {
		t.Errorf("its exit code: %s", r)
	}
	script := run + "true\necho and then this\n"
	if r := u.succeeds(u.finish(u.begin(ssh("bash"), script))); r.Stdout != "and then this\n" {
		t.Errorf("a shell's input: %s", r)
	}
}

// sshd starts an SSH server for this user, and returns what runs a command there.
func (u *user) sshd() (ssh func(command string) *exec.Cmd) {
	u.t.Helper()
	const server = "/usr/sbin/sshd"
	for _, program := range []string{server, "/usr/bin/ssh", "/usr/bin/ssh-keygen"} {
		if _, err := os.Stat(program); err != nil {
			u.t.Skip(program + " is not installed")
		}
	}
	account, err := accounts.Current()
	if err != nil {
		u.t.Skip("the system does not know who runs this: ", err)
	}
	for _, key := range []string{"host", "user"} {
		if out, err := exec.Command("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", u.path("~/"+key)).CombinedOutput(); err != nil {
			u.t.Fatalf("%v\n%s", err, out)
		}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		u.t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	u.write("~/sshd_config", fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\n",
		port, u.path("~/host"), u.path("~/user.pub")))
	cmd := exec.Command(server, "-D", "-e", "-f", u.path("~/sshd_config"))
	log, err := os.Create(u.path("~/log"))
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { log.Close() })
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp4", address)
		if err == nil {
			c.Close()
			break
		}
		if said := u.read("~/log"); strings.Contains(said, "rivilege separation") {
			u.t.Skip("sshd does not run here: " + strings.TrimSpace(said))
		}
		if !errors.Is(err, unix.ECONNREFUSED) || time.Now().After(deadline) {
			u.t.Fatalf("%v\n%s", err, u.read("~/log"))
		}
	}
	return func(command string) *exec.Cmd {
		return exec.Command("/usr/bin/ssh", "-F", "none", "-i", u.path("~/user"), "-p", fmt.Sprint(port), "-o", "StrictHostKeyChecking=no",
			"-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", account.Username+"@127.0.0.1", command)
	}
}
