//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A vendor has the documentation and nothing else. These tests do what it says, from its own text.

// section is the part of a document beneath a heading, up to the next one of its level.
func section(t *testing.T, file, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(readAll(t, file), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no %q", file, heading)
	}
	level := strings.Repeat("#", strings.Count(strings.Fields(heading)[0], "#")) + " "
	if before, _, more := strings.Cut(after, "\n"+level); more {
		return before
	}
	return after
}

// fenced are the blocks of one language in a text.
func fenced(t *testing.T, text, language string) []string {
	t.Helper()
	var blocks []string
	for {
		_, after, ok := strings.Cut(text, "```"+language+"\n")
		if !ok {
			break
		}
		block, rest, _ := strings.Cut(after, "```")
		blocks, text = append(blocks, block), rest
	}
	if len(blocks) == 0 {
		t.Fatalf("there is no %s in:\n%s", language, text)
	}
	return blocks
}

// commands are the lines of a console block that are typed.
func commands(block string) []string {
	var lines []string
	for line := range strings.Lines(block) {
		if typed, ok := strings.CutPrefix(line, "$ "); ok {
			lines = append(lines, strings.TrimSpace(typed))
		}
	}
	return lines
}

// typed runs a command line in a directory, as the user of this test.
func typed(dir, line string) (string, error) {
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestTutorial builds the first layer of docs/layers.md, tests it as the page does, and runs it
// with the policy of the page. What the page says of fetching nono's module is left out: it is this
// checkout.
func TestTutorial(t *testing.T) {
	u := newUser(t)
	root := repository(t)
	page := filepath.Join(root, "docs/layers.md")
	first := section(t, page, "## The smallest one")

	dir := u.path("~/motd")
	u.write("~/motd/main.go", fenced(t, first, "go")[0])
	u.write("~/motd/main_test.go", fenced(t, section(t, page, "## Testing it"), "go")[0])
	for _, line := range []string{"go work init", "go work use " + root} {
		if out, err := typed(dir, line); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	for _, line := range commands(fenced(t, first, "console")[0]) {
		if strings.HasPrefix(line, "go get ") {
			continue
		}
		if out, err := typed(dir, line); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		if strings.HasPrefix(line, "go mod init ") {
			if out, err := typed(dir, "go work use ."); err != nil {
				t.Fatalf("go work use: %v\n%s", err, out)
			}
		}
	}
	if out, err := typed(dir, "go test ./..."); err != nil || !strings.Contains(out, "ok") {
		t.Fatalf("the page's own test: %v\n%s", err, out)
	}
	policy := fenced(t, first, "hcl")[0]
	const shown = "/opt/acme/nono-layer-motd"
	if !strings.Contains(policy, shown) {
		t.Fatalf("the page's policy does not name %s", shown)
	}
	u.write("agent.hcl", strings.ReplaceAll(policy, shown, filepath.Join(dir, "nono-layer-motd")))
	for _, line := range commands(fenced(t, first, "console")[1]) {
		words := strings.Fields(strings.ReplaceAll(line, shown, filepath.Join(dir, "nono-layer-motd")))
		u.succeeds(u.nono(words[1:]...))
	}
	r := u.succeeds(u.nono("run", "-c", "agent.hcl", "--approve", "--", "sh", "-c", "echo $MOTD"))
	if r.Stdout != "be kind\n" {
		t.Errorf("the agent's MOTD is %q", r.Stdout)
	}
	for _, line := range commands(fenced(t, section(t, page, "## Testing it"), "console")[0]) {
		words := strings.Fields(strings.ReplaceAll(line, shown, filepath.Join(dir, "nono-layer-motd")))
		r := u.succeeds(u.nono(words[1:]...))
		if !strings.Contains(r.Stdout, "\n21 kept, 0 not kept, 0 not tried\n") {
			t.Errorf("%s: not as the page shows it\n%s", line, r)
		}
	}
}

// vendorPolicy has what a filesystem layer has to deal with: writes, denials and protections inside
// them, links, single files, what is missing.
const vendorPolicy = `
filesystem {
  allow   = [".", "~/link", "~/real"]
  read    = ["~/data"]
  write   = ["~/out"]
  deny    = ["secrets", "~/data/key", "gone"]
  protect = ["deploy"]
}
`

// TestLayerInAnotherLanguage builds the Python layer as its README says, and holds it against the
// one in Go: the same policy is the same view, and the agent has the same rights.
func TestLayerInAnotherLanguage(t *testing.T) {
	u := newUser(t)
	dir := buildPythonLayer(t, u)
	u.succeeds(u.nono("plugin", "verify", filepath.Join(dir, "venv/bin/nono-layer-pybinds")))
	u.succeeds(u.nono("plugin", "lock", "acme/pybinds", filepath.Join(dir, "venv/bin/nono-layer-pybinds")))

	for _, file := range []string{"~/data/key", "~/data/open", "~/real/x", "~/out/old", "secrets/a", "deploy/run", ".git/config", ".git/hooks/pre"} {
		u.write(file, "content of "+file)
	}
	if err := os.Symlink("real", u.path("~/link")); err != nil {
		t.Fatal(err)
	}
	u.succeeds(u.nono("run", "--allow-cwd", "--", "true")) // makes nono's own directories, which both plans then see
	views := map[string][]json.RawMessage{}
	for name, program := range map[string]string{
		"test/binds":   layers + "/nono-layer-binds",
		"acme/pybinds": filepath.Join(dir, "venv/bin/nono-layer-pybinds"),
	} {
		u.write("agent.hcl", vendorPolicy+fmt.Sprintf(
			"layer \"filesystem\" { plugin = %q }\nplugin %q { path = %q }\n", name, name, program))
		views[name] = mountsOf(t, u.succeeds(u.nono("plan", "-c", "agent.hcl", "--approve", "--json", "--", "true")).Stdout, name)
		u.write("agent.sh", `
try() { "$@" >/dev/null 2>&1 && echo "yes $*" || echo "no $*"; }
try cat ~/data/open; try cat ~/data/key; try cat ~/link/x; try cat secrets/a
try touch new; try touch deploy/new; try touch ~/data/new; try touch ~/out/new; try touch .git/hooks/new
try mv deploy moved; try ls /root/x; try cat `+u.path("agent.hcl")+"\n")
		r := u.succeeds(u.nono("run", "-c", "agent.hcl", "--approve", "--", "sh", "agent.sh"))
		want := []string{
			"yes cat ~/data/open", "no cat ~/data/key", "yes cat ~/link/x", "no cat secrets/a",
			"yes touch new", "no touch deploy/new", "no touch ~/data/new", "yes touch ~/out/new", "no touch .git/hooks/new",
			"no mv deploy moved", "no ls /root/x", "yes cat agent.hcl",
		}
		got := strings.Split(strings.TrimSpace(strings.NewReplacer(u.Home, "~", u.Project+"/", "").Replace(r.Stdout)), "\n")
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], "~/proj/", "")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: what the agent can do (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(views["test/binds"], views["acme/pybinds"]); diff != "" {
		t.Errorf("the views differ (-Go +Python):\n%s", diff)
	}
}

// buildPythonLayer types what examples/python-layer/README.md says, in a copy of it.
func buildPythonLayer(t *testing.T, u *user) string {
	t.Helper()
	root := repository(t)
	dir := u.path("~/nono/examples/python-layer")
	for _, part := range []string{"examples/python-layer", "sdk/proto"} {
		to := u.path("~/nono/" + part)
		u.mkdir(filepath.Dir(to))
		if err := os.CopyFS(to, os.DirFS(filepath.Join(root, part))); err != nil {
			t.Fatal(err)
		}
	}
	lines := commands(fenced(t, readAll(t, filepath.Join(dir, "README.md")), "console")[0])
	for _, line := range lines {
		out, err := typed(dir, line)
		if err != nil && strings.Contains(line, "pip install") {
			t.Skipf("this host lacks what pip is to install: %s: %v\n%s", line, err, out)
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	return dir
}

// mountsOf are the mounts of a plan in JSON, without the layer that sent each.
func mountsOf(t *testing.T, plan, layer string) []json.RawMessage {
	t.Helper()
	var p struct{ Mounts []json.RawMessage }
	if err := json.Unmarshal([]byte(strings.ReplaceAll(plan, layer, "LAYER")), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Mounts) < 10 || slices.ContainsFunc(p.Mounts, func(m json.RawMessage) bool { return len(m) == 0 }) {
		t.Fatalf("a plan with %d mounts", len(p.Mounts))
	}
	return p.Mounts
}
