//go:build linux

package e2e

import (
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Three questions at a terminal, and what was answered runs.
func TestInitAtATerminal(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("data", "")
	y := newTTY(t)
	y.bash(u)
	y.enter("nono init\n")
	y.expect("What is to be run?")
	y.enter("sh -c :>data&&:>/dev/null\n") // it is words that are asked for, and no line for a shell
	y.expect("May it change the files in this directory, or only read them? [change] ")
	y.enter("\n")
	y.expect("The network: closed, minimal")
	y.enter("c\n")
	y.expect("nono: wrote agent.hcl")
	y.expect(prompt)
	file := u.read("agent.hcl")
	if !strings.Contains(file, "command = [\"sh\", \"-c\", \":>data&&:>/dev/null\"]\n") || !strings.Contains(file, "\n  allow = [\".\"]\n") ||
		strings.Contains(file, "\n  open = true") || strings.Contains(file, "\n  profile =") {
		t.Errorf("the file is\n%s", file)
	}
	u.succeeds(u.nono("run", "-c", "agent.hcl"))
	if r := u.nono("init"); r.Code != 125 || !strings.Contains(r.Stderr, "is there already") || u.read("agent.hcl") != file {
		t.Errorf("the file was not left alone\n%s", r)
	}
	if r := u.succeeds(u.nono()); !strings.Contains(r.Stdout, "Here is an agent.hcl:\n  nono plan -c agent.hcl ") {
		t.Errorf("a newcomer is told\n%s", r)
	}
}

// Every example of docs/policy.md is one that a plan can be made of.
func TestExamplesOfTheReference(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	planned := 0
	for _, example := range examples {
		if strings.Contains(example[1], "acme/motd") {
			continue // a layer that nobody has
		}
		u := newUser(t)
		for _, name := range []string{"secrets/x", "deploy/x", "~/data/x", "~/out/x", "~/.kube/config", "~/trusted_root.json", "my_agent.py"} {
			u.write(name, "")
		}
		u.mkdir("~/run")
		socket, err := net.Listen("unix", u.path("~/run/database.sock"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = socket.Close() })
		u.write("agent.hcl", example[1])
		r := u.nono("plan", "-c", "agent.hcl", "--approve", "--", "true")
		if strings.Contains(r.Stderr, "may only be said by your own config.hcl") {
			u.write("~/.config/nono/config.hcl", example[1])
			r = u.nono("plan", "--", "true")
		}
		roots := os.Geteuid() == 0 && strings.Contains(r.Stderr, "root has no such limit")
		if r.Code != 0 && !roots {
			t.Errorf("no plan can be made of\n%s\n%s", example[1], r)
		}
		planned++
	}
	if planned < 5 {
		t.Errorf("only %d examples were found", planned)
	}
}
