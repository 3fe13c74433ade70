//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nono-run/nono/sdk/bytejson"
)

// Arguments, variables and paths are bytes to the kernel, and whoever runs a program hands it
// whatever was typed: a file name in Latin-1, a piece of binary. What follows holds both with the
// filesystem layer, where they travel to a layer and back, and without.

// latin1 is "café" as Latin-1 has it.
const latin1 = "caf\xe9"

// withAndWithout runs a test with the filesystem layer and with it disabled.
func withAndWithout(t *testing.T, test func(t *testing.T, u *user, flags ...string)) {
	t.Run("with the filesystem layer", func(t *testing.T) { test(t, newUser(t), "--allow-cwd") })
	t.Run("without", func(t *testing.T) { test(t, newUser(t), "--disable", "filesystem") })
}

func TestBytesOfArguments(t *testing.T) {
	withAndWithout(t, func(t *testing.T, u *user, flags ...string) {
		for _, argument := range []string{
			"a\xffb", latin1, "\xed\xa0\x80", "\uef80\ufffd", "\x01\x7f\xc2",
		} {
			args := append(append([]string{"run"}, flags...), "--", "printf", "%s", argument)
			if got := u.succeeds(u.nono(args...)).Stdout; got != argument {
				t.Errorf("%q arrived as %q", argument, got)
			}
		}
	})
}

func TestBytesOfVariables(t *testing.T) {
	withAndWithout(t, func(t *testing.T, u *user, flags ...string) {
		u.Env = append(u.Env, "INHERITED="+latin1, "LC_"+latin1+"=name")
		args := append(
			append([]string{"run"}, flags...), "--env", "INHERITED", "--env", "GIVEN=\xff\xfe", "--", "env",
			"-0",
		)
		got := strings.Split(u.succeeds(u.nono(args...)).Stdout, "\x00")
		for _, want := range []string{"INHERITED=" + latin1, "GIVEN=\xff\xfe", "LC_" + latin1 + "=name"} {
			if !slices.Contains(got, want) {
				t.Errorf("%q is not among %q", want, got)
			}
		}
	})
}

func TestBytesOfFileNames(t *testing.T) {
	withAndWithout(t, func(t *testing.T, u *user, flags ...string) {
		u.write(latin1+".txt", "au lait")
		args := append(append([]string{"run"}, flags...), "--", "cat", latin1+".txt")
		if got := u.succeeds(u.nono(args...)).Stdout; got != "au lait" {
			t.Errorf("got %q", got)
		}
	})
}

// TestBytesOfCommands: the name of the program itself, here a script that is told its own name.
func TestBytesOfCommands(t *testing.T) {
	withAndWithout(t, func(t *testing.T, u *user, flags ...string) {
		u.write(latin1, "#!/bin/sh\nprintf %s \"$0\"\n")
		if err := os.Chmod(u.path(latin1), 0o755); err != nil {
			t.Fatal(err)
		}
		args := append(append([]string{"run"}, flags...), "--", "./"+latin1)
		if got := u.succeeds(u.nono(args...)).Stdout; got != "./"+latin1 && got != u.path(latin1) {
			t.Errorf("got %q", got)
		}
		// What nono says of one that is not there is escaped.
		args[len(args)-1] = "./no" + latin1
		r := u.nono(args...)
		if r.Code != 127 || !strings.Contains(r.Stderr, `/nocaf\xe9: there is no such file`) {
			t.Errorf("a command that is not there\n%s", r)
		}
	})
}

// TestBytesOfDirectories: a current directory whose name is not UTF-8, and grants of such a
// directory by flag and through a link.
func TestBytesOfDirectories(t *testing.T) {
	u := newUser(t)
	u.Project = filepath.Join(u.Home, latin1)
	u.write("inside", "here")
	u.write("denied/key", "secret")
	u.write("~/\xff/data", "there")
	u.write("~/real\xfe/data", "linked")
	if err := os.Symlink("real\xfe", u.path("~/link")); err != nil {
		t.Fatal(err)
	}
	u.write(
		"agent.hcl",
		"filesystem {\n  allow = [\".\"]\n  read = [\"../link\", \"../real$xfe\"]\n  deny = [\"denied\"]\n}\n",
	)
	// The shell says where it is by asking the kernel: pwd -P.
	const script = `pwd -P; cat inside "$1" "$2"; echo new > made; cat denied/key; echo no > "$1"`
	args := []string{
		"-c", "agent.hcl", "--approve", "--read", "../\xff", "--",
		"sh", "-c", script, "sh", "../\xff/data", "../real\xfe/data",
	}
	r := u.nono(append([]string{"run"}, args...)...)
	if want := u.Project + "\nherethere" + "linked"; r.Stdout != want {
		t.Errorf("got %q, want %q\n%s", r.Stdout, want, r)
	}
	if got := u.read("made"); got != "new\n" {
		t.Errorf("what it made holds %q", got)
	}
	for _, want := range []string{"denied/key: Permission denied", "Read-only file system"} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("want %q\n%s", want, r)
		}
	}
	if got := u.read("~/\xff/data"); got != "there" {
		t.Errorf("a read-only file holds %q", got)
	}
	// What nono says itself is escaped; what the agent says is the agent's.
	start, _, _ := strings.Cut(r.Stderr, "\n")
	if !strings.Contains(start, `rw ~/caf\xe9`) || !strings.Contains(start, `\xff`) {
		t.Errorf("the start line: %q", start)
	}
}

// TestBytesInPlans: a plan for people shows bytes escaped, and one for machines is JSON that gives
// them back.
func TestBytesInPlans(t *testing.T) {
	u := newUser(t)
	u.Project = filepath.Join(u.Home, latin1)
	u.mkdir(".")
	u.Env = append(u.Env, "LC_"+latin1+"=x")
	args := []string{"--allow-cwd", "--", "printf", "%s", "a\xffb\uef80"}

	text := u.succeeds(u.nono(append([]string{"plan"}, args...)...)).Stdout
	for _, want := range []string{`printf %s a\xffb`, `~/caf\xe9`, `LC_caf\xe9`} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in\n%s", want, text)
		}
	}
	if !utf8.ValidString(text) {
		t.Errorf("the plan has bytes that no terminal can show: %q", text)
	}

	data := u.succeeds(u.nono(append([]string{"plan", "--json"}, args...)...)).Stdout
	if !json.Valid([]byte(data)) {
		t.Fatalf("not JSON: %s", data)
	}
	var plan any
	if err := bytejson.Unmarshal([]byte(data), &plan); err != nil {
		t.Fatal(err)
	}
	command := plan.(map[string]any)["command"].(map[string]any)
	args = []string{"printf", "%s", "a\xffb\uef80"}
	if got := fmt.Sprint(command["args"], command["dir"]); got != fmt.Sprint(args, u.Project) {
		t.Errorf("the command is %q, want %q in %q", got, args, u.Project)
	}
	again, err := bytejson.MarshalIndent(plan, "", "  ")
	var second any
	if err == nil {
		err = bytejson.Unmarshal(again, &second)
	}
	if err != nil || !reflect.DeepEqual(second, plan) {
		t.Errorf("the plan does not survive being read and written: %v", err)
	}
}
