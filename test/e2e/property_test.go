//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/test/machine"
)

// One decision: what `nono plan` says of a path, what policy.Decider says of it, what `nono why`
// says of it, and what the kernel does when a program inside tries it, are the same. This is tried
// with random policies about random trees, by a program that opens, executes, writes and makes
// everything by its path, and then by one that removes it, or tries whatever it can to have it out
// of the way. That nothing of nono's is imported has its one exception here: the decision itself.

// propertyCases is how many policies are tried for each filesystem layer. Those that are refused
// are not counted.
const propertyCases = 16

// questions is how many answers of `nono why` are held against the kernel for each layer.
var questions = flag.Int("questions", 1000, "how many answers of `nono why` the kernel is asked for")

func TestTheKernelDoesWhatThePlanSays(t *testing.T) {
	for _, layer := range []arenaKind{landlock, binds} {
		t.Run(string(layer), func(t *testing.T) {
			tried, asked := 0, 0
			for seed := uint64(1); tried < propertyCases || asked < *questions; seed++ {
				if tried == 0 && seed > 6*propertyCases {
					t.Fatalf("all of %d policies were refused", seed-1)
				}
				c := newPropertyCase(t, layer, seed)
				if c.try() {
					tried++
					asked += c.asked
				}
				c.remove()
			}
			t.Logf("%d policies, %d questions", tried, asked)
		})
	}
}

// propertyCase is one random policy about one random tree.
type propertyCase struct {
	*user
	rand  *rand.Rand
	dirs  []string
	files []string // some can be executed, and exit with 42
	links []string
	flags []string
	hcl   string
	seed  uint64
	says  map[string]map[string]answer // of `nono why`, by path and operation
	asked int                          // how many of these were held against the kernel
}

// answer is what `nono why` says.
type answer struct {
	Path, Op, Why, Note string
	Allowed             bool
}

// What every directory and every file of the tree holds, so that it is known for the host's own
// when it is seen inside.
const (
	marker  = ".marker"
	content = "#!/bin/sh\nexit 42 # the host's own\n"
)

func newPropertyCase(t *testing.T, layer arenaKind, seed uint64) *propertyCase {
	t.Helper()
	c := &propertyCase{user: newUser(t), rand: rand.New(rand.NewPCG(seed, 42)), seed: seed}
	c.tree()
	c.flags = []string{"-c", c.path("~/policy.hcl"), "--approve"}
	c.hcl = c.policy()
	if layer == binds {
		c.hcl += fmt.Sprintf("layer \"filesystem\" {\n  plugin = \"test/binds\"\n}\nplugin \"test/binds\" {\n  path = %q\n}\n", layers+"/nono-layer-binds")
	}
	if c.one(3) {
		c.flags = append(c.flags, "--allow-cwd")
	}
	c.write("~/policy.hcl", c.hcl)
	return c
}

// remove removes what the case made, for there may be thousands of them.
func (c *propertyCase) remove() {
	for _, dir := range []string{c.Home, c.runtime} {
		if err := machine.RemoveAll(dir); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *propertyCase) one(in int) bool { return c.rand.IntN(in) == 0 }

func pick[T any](c *propertyCase, from []T) T { return from[c.rand.IntN(len(from))] }

// tree makes directories with names that are hard to handle, files in them, and links among them;
// beside them what is denied and protected by default.
func (c *propertyCase) tree() {
	names := []string{"a", "b b", "q\"uote", "new\nline", "-dash", "\u00fcn\u00ef", "back\\slash", "~", ".hidden", "A", "$id", "st*r?"}
	add := func(dir string) {
		c.mkdir(dir)
		c.write(filepath.Join(dir, marker), content)
		c.dirs = append(c.dirs, dir)
		for _, name := range []string{"data", "program"}[:1+c.rand.IntN(2)] {
			c.file(filepath.Join(dir, name), 0o644)
			if name == "program" {
				c.file(filepath.Join(dir, name), 0o755)
			}
		}
	}
	add(c.path("~/t"))
	for range 5 + c.rand.IntN(5) {
		if dir := filepath.Join(pick(c, c.dirs), pick(c, names)); !c.exists(dir) {
			add(dir)
		}
	}
	for _, dir := range []string{"~/.ssh", "~/proj", "~/proj/.git", "~/proj/.git/hooks"} {
		add(c.path(dir))
	}
	for _, file := range []string{"~/.netrc", "~/proj/.git/config", "~/proj/.mcp.json"} {
		c.file(c.path(file), 0o644)
	}
	for i := range c.rand.IntN(4) {
		link := filepath.Join(pick(c, c.dirs[:len(c.dirs)-4]), fmt.Sprintf("link%d", i))
		if err := os.Symlink(pick(c, slices.Concat(c.dirs, c.files)), link); err != nil {
			c.t.Fatal(err)
		}
		c.links = append(c.links, link)
	}
}

func (c *propertyCase) file(path string, mode os.FileMode) {
	if !slices.Contains(c.files, path) {
		c.write(path, content)
		c.files = append(c.files, path)
	}
	if err := os.Chmod(path, mode); err != nil {
		c.t.Fatal(err)
	}
}

// policy is a few rules about what is in the tree, and sometimes about what is not.
func (c *propertyCase) policy() string {
	accesses := []string{"allow", "allow", "allow", "read", "read", "write", "write", "deny", "deny", "protect", "protect"}
	rules := map[string][]string{}
	for range 2 + c.rand.IntN(5) {
		access, place := pick(c, accesses), c.someplace()
		rules[access] = append(rules[access], hclString(c.spelling(place)))
		// A grant through a link is taken where what it leads to is named as well.
		if slices.Contains(c.links, place) && access != "deny" && access != "protect" {
			to, err := filepath.EvalSymlinks(place)
			if err != nil {
				c.t.Fatal(err)
			}
			rules[access] = append(rules[access], hclString(to))
		}
	}
	var b strings.Builder
	b.WriteString("filesystem {\n")
	if c.one(4) {
		place := pick(c, []string{"~/.ssh", "~/.ssh/data", "~/.netrc"})
		rules["lift"] = append(rules["lift"], hclString(place))
		if c.one(2) {
			rules["write"] = append(rules["write"], hclString(place))
		}
	}
	if c.one(4) {
		access, pattern := pick(c, []string{"deny", "protect"}), pick(c, []string{"~/t/**/program", "~/t/*/data", "~/t/?"})
		rules[access] = append(rules[access], `"`+pattern+`"`)
	}
	for _, access := range []string{"allow", "read", "write", "deny", "protect", "lift"} {
		if list := rules[access]; len(list) > 0 {
			fmt.Fprintf(&b, "  %s = [%s]\n", access, strings.Join(list, ", "))
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func (c *propertyCase) someplace() string {
	switch c.rand.IntN(12) {
	case 0:
		return c.Home
	case 1:
		return filepath.Join(pick(c, c.dirs), "missing")
	case 2, 3:
		return pick(c, slices.Concat(c.links, c.dirs[:1]))
	case 4, 5, 6:
		return pick(c, c.files)
	}
	return pick(c, c.dirs)
}

// spelling is one of the ways to write a path.
func (c *propertyCase) spelling(path string) string {
	switch c.rand.IntN(6) {
	case 0:
		if rest, ok := strings.CutPrefix(path, c.Home); ok {
			path = "~" + rest
		}
	case 1:
		path = strings.Replace(path, "/t", "//t/./", 1)
	case 2:
		path = strings.Replace(path, c.Home, c.Home+"/proj/..", 1)
	case 3:
		if !slices.Contains(c.files, path) {
			path += "/"
		}
	}
	return path
}

func hclString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`,
		"$", "$$", "*", "$*", "?", "$?").Replace(s) + `"`
}

// try runs the case, and reports whether it was not refused.
func (c *propertyCase) try() bool {
	c.t.Helper()
	decide, ok := c.plan()
	if !ok {
		return false
	}
	c.ask()
	c.opening(decide)
	switch {
	case c.t.Failed():
	case c.one(2):
		c.deleting()
	default:
		c.removing(decide)
	}
	if c.t.Failed() {
		c.t.Logf("seed %d: flags %q, policy\n%s", c.seed, c.flags, c.hcl)
		c.t.FailNow()
	}
	return true
}

func (c *propertyCase) run(program string, paths []string) result {
	c.t.Helper()
	list, err := json.Marshal(paths)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.finish(c.start(string(list), slices.Concat([]string{"run"}, c.flags, []string{"--", "/usr/bin/python3", "-c", program})...))
}

// plan asks for the plan, and gives the decision about its rules.
func (c *propertyCase) plan() (*policy.Decider, bool) {
	c.t.Helper()
	p, ok := c.planned()
	return policy.NewDecider(&p), ok
}

// planned are the rules of the plan, if there is one.
func (c *propertyCase) planned() (p policy.Policy, ok bool) {
	c.t.Helper()
	r := c.nono(slices.Concat([]string{"plan", "--json"}, c.flags, []string{"--", "/usr/bin/python3"})...)
	switch {
	case r.Code == 125 && strings.Contains(r.Stderr, "nono: error: "):
		return p, false
	case r.Code != 0:
		c.t.Fatalf("seed %d: the plan failed\n%s\n%s", c.seed, r, c.hcl)
	}
	var plan struct {
		Rules []struct {
			ID     policy.RuleID
			Source policy.Source
			Access policy.Access
			Path   string
			Type   policy.FileType
			Lifted []policy.Lift
		}
	}
	if err := json.Unmarshal([]byte(r.Stdout), &plan); err != nil {
		c.t.Fatal(err)
	}
	for _, r := range plan.Rules {
		if r.Access != "" {
			p.Filesystem = append(p.Filesystem, policy.PathRule{ID: r.ID, Source: r.Source, Access: r.Access, Path: r.Path, Type: r.Type, Lifted: r.Lifted})
		}
	}
	return p, true
}

// created is a name in a directory that nothing has.
func created(dir string) string { return filepath.Join(dir, ".created") }

// ask asks `nono why` about everything, for each operation.
func (c *propertyCase) ask() {
	c.t.Helper()
	args := slices.Concat([]string{"why", "--json"}, c.flags)
	for _, path := range slices.Concat(c.dirs, c.files, c.links) {
		args = append(args, "--path", path)
	}
	for _, dir := range c.dirs {
		args = append(args, "--path", created(dir))
	}
	r := c.nono(append(args, "--", "/usr/bin/python3")...)
	var report struct{ Answers []answer }
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil || r.Code > 1 {
		c.t.Fatalf("seed %d: %v\n%s\n%s", c.seed, err, r, c.hcl)
	}
	c.says = map[string]map[string]answer{}
	for _, a := range report.Answers {
		if c.says[a.Path] == nil {
			c.says[a.Path] = map[string]answer{}
		}
		c.says[a.Path][a.Op] = a
	}
}

// agree holds an answer of `nono why` against what happened.
func (c *propertyCase) agree(path, op string, did bool) {
	c.t.Helper()
	a, ok := c.says[path][op]
	c.asked++
	if !ok || a.Allowed != did {
		c.t.Errorf("%s %q: the kernel says %v, `nono why` (%v) %v: %s; %s", op, path, did, ok, a.Allowed, a.Why, a.Note)
	}
}

// opener opens everything by its path. Of a directory it tells whether it holds what the host's own
// holds; and it leaves something in each.
const opener = `
import json, os, subprocess, sys
marker, content = ".marker", b"the host's own"
def attempt(f):
    try:
        return bool(f())
    except OSError:
        return False
def read(p):
    if os.path.isdir(p):
        return marker in os.listdir(p)
    with open(p, "rb") as f:
        return content in f.read()
def execute(p):
    return subprocess.run([p], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 42
def write(p):
    if os.path.isdir(p):
        with open(os.path.join(p, ".written"), "w"):
            return True
    with open(p, "ab") as f:
        return f.write(b"# written\n")
told = {}
paths = json.load(sys.stdin)
for p in paths:
    told[p] = {"read": attempt(lambda: read(p)), "execute": attempt(lambda: execute(p))}
for p in paths:
    attempt(lambda: write(p))
    if os.path.isdir(p):
        attempt(lambda: os.open(os.path.join(p, ".created"), os.O_CREAT | os.O_EXCL))
json.dump(told, sys.stdout)
`

// opening holds each open against the decision about the path. A name that leads through a link may
// be missing inside; what it gives must have been granted all the same.
func (c *propertyCase) opening(decide *policy.Decider) {
	c.t.Helper()
	real := slices.Concat(c.dirs, c.files)
	r := c.run(opener, slices.Concat(real, c.links))
	c.succeeds(r)
	told := map[string]struct{ Read, Execute bool }{}
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil {
		c.t.Fatalf("%v\n%s", err, r)
	}
	for _, path := range real {
		may := func(op policy.Op) policy.Decision { return decide.Path(path, op) }
		c.same(path, policy.OpRead, told[path].Read, may(policy.OpRead))
		c.same(path, policy.OpWrite, c.written(path), may(policy.OpWrite))
		c.agree(path, "read", told[path].Read)
		c.agree(path, "write", c.written(path))
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			c.agree(path, "list", told[path].Read)
			c.agree(created(path), "create", c.exists(created(path)))
		case info.Mode()&0o111 != 0:
			c.same(path, policy.OpExecute, told[path].Execute, may(policy.OpExecute))
			fallthrough
		default:
			c.agree(path, "execute", told[path].Execute)
		}
	}
	for _, link := range c.links {
		to, err := filepath.EvalSymlinks(link)
		if err != nil {
			c.t.Fatal(err)
		}
		c.agree(link, "read", told[link].Read)
		if d := decide.Path(to, policy.OpRead); told[link].Read && !d.Allowed {
			c.t.Errorf("%s was read through the link %s: %s", to, link, d.Why)
		}
		if d := decide.Path(to, policy.OpExecute); told[link].Execute && !d.Allowed {
			c.t.Errorf("%s was executed through the link %s: %s", to, link, d.Why)
		}
	}
}

func (c *propertyCase) same(path string, op policy.Op, did bool, may policy.Decision) {
	c.t.Helper()
	if did != may.Allowed {
		c.t.Errorf("%s %q: the kernel says %v, the decision %v: %s", op, path, did, may.Allowed, may.Why)
	}
}

// written reports what the opener left on the host.
func (c *propertyCase) written(path string) bool {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return c.exists(filepath.Join(path, ".written"))
	}
	return strings.HasSuffix(c.read(path), "# written\n")
}

// deleter removes everything that it can, the deepest first.
const deleter = `
import json, os, shutil, sys
for p in sorted(json.load(sys.stdin), reverse=True):
    try:
        os.unlink(p)
    except OSError:
        shutil.rmtree(p, ignore_errors=True)
`

// deleting holds what is gone afterwards against what may be deleted.
func (c *propertyCase) deleting() {
	c.t.Helper()
	all := slices.Concat(c.dirs, c.files, c.links)
	c.succeeds(c.run(deleter, all))
	for _, path := range all {
		c.agree(path, "delete", !c.exists(path))
	}
}

// remover tries to put everything out of the way, deepest first and then from above, gives itself
// all rights that it can, and makes everything anew.
const remover = `
import json, os, shutil, sys
def attempt(f, *args):
    try:
        f(*args)
    except OSError:
        pass
paths = json.load(sys.stdin)
for order in (False, True):
    for p in sorted(paths, reverse=order):
        attempt(os.chmod, p, 0o777)
        attempt(os.rename, p, p + ".moved")
        attempt(os.unlink, p)
        attempt(os.truncate, p, 0)
        attempt(os.symlink, "/etc", p)
        shutil.rmtree(p, ignore_errors=True)
        attempt(os.makedirs, p)
`

// removing holds that what may not be written is still there afterwards: the same file, at the same
// path, with the same content and mode.
func (c *propertyCase) removing(decide *policy.Decider) {
	c.t.Helper()
	kept := map[string]string{}
	for _, path := range slices.Concat(c.dirs, c.files, []string{c.path("~/policy.hcl")}) {
		if !decide.Path(path, policy.OpWrite).Allowed || path == c.path("~/policy.hcl") {
			kept[path] = state(c.t, path)
		}
	}
	c.succeeds(c.run(remover, slices.Concat(c.dirs, c.files, c.links, []string{c.path("~/policy.hcl")})))
	for path, before := range kept {
		if after := state(c.t, path); after != before {
			c.t.Errorf("%q may not be written (%s), and was %s, and is %s", path, decide.Path(path, policy.OpWrite).Why, before, after)
		}
	}
}

// state is what stands at a path.
func state(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "gone"
	}
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	if info.Mode().IsRegular() {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = string(content)
	}
	return fmt.Sprintf("%s %d %q", info.Mode(), info.Sys().(*syscall.Stat_t).Ino, text)
}
