//go:build linux

package e2e

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/remembered"
	"github.com/nono-run/nono/sdk/layerpb"
)

const countedBinds = "~/.local/share/nono/plugins/test/binds/nono-layer-binds"

// countBinds puts test/binds in the place of landlock, as a script that counts its starts.
func (u *user) countBinds() {
	u.t.Helper()
	u.write(countedBinds, fmt.Sprintf("#!/bin/sh\necho >> %s\nexec %s/nono-layer-binds\n", u.path("~/starts"), layers))
	if err := os.Chmod(u.path(countedBinds), 0o755); err != nil {
		u.t.Fatal(err)
	}
	u.locks(map[string]string{"test/binds": countedBinds})
	u.write("~/.config/nono/config.hcl", "layer \"filesystem\" { plugin = \"test/binds\" }\n")
}

// answers are the files in which answers are remembered.
func (u *user) answers() []string {
	u.t.Helper()
	files, err := filepath.Glob(u.path("~/.local/state/nono/remembered/answers/*.json"))
	if err != nil {
		u.t.Fatal(err)
	}
	return files
}

// A layer that would give the same answer again is not asked for it: and it is asked where anything
// differs, or something is wrong with what was remembered.
func TestARememberedAnswer(t *testing.T) {
	u := newUser(t)
	u.countBinds()
	u.write("file", "content")
	want := 0
	run := func(what string, asked bool, args ...string) {
		t.Helper()
		if asked {
			want++
		}
		r := u.succeeds(u.nono(append(append([]string{"run"}, args...), "--", "cat", "file")...))
		if r.Stdout != "content" {
			t.Errorf("%s: the command saw %q", what, r.Stdout)
		}
		if n := u.starts(); n != want {
			t.Errorf("%s: the layer was started %d times by now, wanted %d", what, n, want)
			want = n
		}
	}
	run("at first", true, "--allow-cwd")
	run("now that nono's own directories are there", true, "--allow-cwd")
	run("once more", false, "--allow-cwd")
	run("with --fresh", true, "--allow-cwd", "--fresh")
	run("and again", false, "--allow-cwd")
	run("with another rule", true, "--allow-cwd", "--deny", "secret")
	run("that again", false, "--allow-cwd", "--deny", "secret")
	run("without that rule", false, "--allow-cwd")
	u.write("more.hcl", "# the same rules, but layers are told of this file\n")
	run("with a file of policy", true, "--allow-cwd", "-c", "more.hcl")
	run("without that file", false, "--allow-cwd")
	run("and with it again", false, "--allow-cwd", "-c", "more.hcl")

	u.write("secret", "something") // the rule is about a file by now
	run("with a file that was not there", true, "--allow-cwd", "--deny", "secret")
	run("with the same file", false, "--allow-cwd", "--deny", "secret")
	if err := os.Rename(u.path("secret"), u.path("other")); err != nil {
		t.Fatal(err)
	}
	u.write("secret", "something")
	run("with another file in its place", true, "--allow-cwd", "--deny", "secret")

	plan := u.succeeds(u.nono("plan", "--allow-cwd", "--json", "--", "cat", "file"))
	var said struct {
		Layers []struct {
			Remembered bool `json:"remembered"`
		} `json:"layers"`
	}
	if err := json.Unmarshal([]byte(plan.Stdout), &said); err != nil || len(said.Layers) != 1 || !said.Layers[0].Remembered {
		t.Errorf("the plan does not say that the answer was remembered: %v\n%s", err, plan)
	}
	run("the plan asked nobody", false, "--allow-cwd")

	for _, file := range u.answers() {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content[:len(content)/2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run("with damaged files", true, "--allow-cwd")
	run("mended", false, "--allow-cwd")
	for _, file := range u.answers() {
		if err := os.Chmod(file, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	run("with files that others can write", true, "--allow-cwd")

	// Another program asks again: here the same one with a comment more.
	u.write(countedBinds, u.read(countedBinds)+"# changed\n")
	u.locks(map[string]string{"test/binds": countedBinds})
	run("with another program", true, "--allow-cwd")
	// And one that nobody has permitted is not believed either.
	u.write(countedBinds, u.read(countedBinds)+"# once more\n")
	u.refused(u.nono("run", "--allow-cwd", "--", "cat", "file"), "test/binds")
}

// remembers reports whether a plan has the layer's answer from an earlier run.
func (u *user) remembers(layer string, args ...string) bool {
	u.t.Helper()
	plan := u.succeeds(u.nono(append([]string{"plan", "--json"}, args...)...))
	var said struct {
		Layers []struct {
			Name       string `json:"name"`
			Remembered bool   `json:"remembered"`
		} `json:"layers"`
	}
	if err := json.Unmarshal([]byte(plan.Stdout), &said); err != nil {
		u.t.Fatalf("%v\n%s", err, plan)
	}
	for _, l := range said.Layers {
		if l.Name == layer {
			return l.Remembered
		}
	}
	u.t.Fatalf("the layer is not there\n%s", plan)
	return false
}

// What the snapshot layer answers follows from its request, though it has a directory of its own.
func TestASnapshotIsPlannedFromMemory(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	command := []string{"--allow-cwd", "--snapshot", "--", "true"}
	for range 2 { // nono's own directories are there from the second time on
		u.succeeds(u.nono(append([]string{"run"}, command...)...))
	}
	if !u.remembers("snapshot", command...) {
		t.Error("its answer is not remembered")
	}
}

// A layer that stays is started where its answer is remembered, beside all that does not need it:
// it is there before the agent runs, or the run is refused.
func TestARememberedAnswerOfALayerThatStays(t *testing.T) {
	const gate = "~/.local/share/nono/plugins/test/gate/nono-layer-gate"
	u := newUser(t)
	u.write(gate, fmt.Sprintf("#!/bin/sh\n[ -e %s ] && exit 3\necho >> %s\nexec %s/nono-layer-gate\n",
		u.path("~/broken"), u.path("~/starts"), layers))
	if err := os.Chmod(u.path(gate), 0o755); err != nil {
		t.Fatal(err)
	}
	u.locks(map[string]string{"test/gate": gate})
	u.write("~/.config/nono/config.hcl", "layer \"network\" { plugin = \"test/gate\" }\n")

	flags := []string{"--allow-cwd", "--allow-domain", "a.example"}
	command := []string{"--", "sh", "-c", "echo it ran"}
	remembered := func(more ...string) bool {
		t.Helper()
		return u.remembers("test/gate", slices.Concat(flags, more, command)...)
	}
	run := func(more ...string) result {
		t.Helper()
		return u.nono(slices.Concat([]string{"run", "-v"}, flags, more, command)...)
	}
	for range 2 { // nono's own directories are there from the second time on
		u.succeeds(run())
	}
	started := u.starts()
	if !remembered() {
		t.Error("the layer's answer is not remembered")
	}
	if n := u.starts(); n != started {
		t.Errorf("a plan that needs nobody started the layer %d times", n-started)
	}
	r := u.succeeds(run())
	if n := u.starts(); n != started+1 {
		t.Errorf("a run started it %d times, and not once", n-started)
	}
	if !strings.Contains(r.Stderr, "[test/gate] gate.closed") {
		t.Errorf("it was not armed:\n%s", r)
	}

	// The request with a secret in it is asked each time.
	secret := []string{"--upstream-proxy", "http://user:word@127.0.0.1:9"}
	for range 2 {
		u.succeeds(run(secret...))
	}
	if remembered(secret...) {
		t.Error("an answer to a secret is remembered")
	}

	u.write("~/broken", "")
	if !remembered() {
		t.Error("the answer was forgotten")
	}
	r = u.refused(run(), "test/gate")
	if strings.Contains(r.Stdout, "it ran") {
		t.Errorf("the agent ran without its layer:\n%s", r)
	}
}

// Whatever stands in the memory, it is held against the policy as what a layer says now: so who
// could write there gains what who replaces the layer would, and no more.
func TestAPoisonedAnswer(t *testing.T) {
	u := newUser(t)
	u.write("~/outside/secret", "of the user's")
	info, err := os.Stat(u.path("~/outside"))
	if err != nil {
		t.Fatal(err)
	}
	run := []string{"run", "--allow-cwd", "--", "ls", u.path("~/outside")}
	u.succeeds(u.nono("run", "--allow-cwd", "--", "true")) // makes nono's own directories
	for _, file := range u.answers() {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if r := u.nono(run...); r.Code == 0 || r.Code == 125 {
		t.Fatalf("control: it should run, and not see what was not granted\n%s", r)
	}
	files := u.answers()
	if len(files) != 1 {
		t.Fatalf("%d answers are remembered", len(files))
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var entry struct {
		Program            remembered.Program
		Request            []byte
		Described, Planned []byte
	}
	if err := json.Unmarshal(text, &entry); err != nil {
		t.Fatal(err)
	}
	answer := &layerpb.PlanResponse{}
	if err := proto.Unmarshal(entry.Planned, answer); err != nil {
		t.Fatal(err)
	}
	is := info.Sys().(*syscall.Stat_t)
	answer.Steps = append(answer.Steps, &layerpb.Step{Step: &layerpb.Step_Bind{Bind: &layerpb.Bind{
		Path: []byte(u.path("~/outside")), Device: is.Dev, Inode: is.Ino,
	}}})
	poisoned, err := proto.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	at := remembered.Place{Layer: "landlock"}
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(files[0]), "landlock-"), ".json")
	if _, err := hex.Decode(at.Situation[:], []byte(name)); err != nil {
		t.Fatal(err)
	}
	memory := remembered.In(dirs.Dirs{State: u.path("~/.local/state/nono")})
	if err := memory.Keep(at, entry.Program, remembered.Digest(entry.Request), entry.Described, poisoned); err != nil {
		t.Fatal(err)
	}
	if r := u.refused(u.nono(run...), "~/outside", "--fresh"); strings.Contains(r.Stdout, "secret") {
		t.Errorf("the agent saw it\n%s", r)
	}
	if r := u.nono(append([]string{"run", "--fresh"}, run[1:]...)...); r.Code == 125 {
		t.Errorf("--fresh should have mended it\n%s", r)
	}
	if r := u.nono(run...); r.Code == 125 {
		t.Errorf("it was mended, and is not\n%s", r)
	}
}
