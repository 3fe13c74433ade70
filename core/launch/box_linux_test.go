package launch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/streams"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk/fragment"
)

// Programs that the tests run, built once: nono-init as it is delivered, nono-init that can leave
// steps out, and the prober.
var built struct {
	dir, init, omit, prober string
}

func TestMain(m *testing.M) {
	if spec := os.Getenv(hostEnv); spec != "" {
		runHost(spec)
	}
	if says := os.Getenv(saysEnv); says != "" {
		runSpeaker(says)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "nono-launch-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		built.dir = dir
		built.init = build(dir, "nono-init", "../../cmd/nono-init")
		built.omit = build(dir, "nono-init-omit", "../../cmd/nono-init", "-tags", "nono_omit")
		built.prober = build(dir, "prober", "./testdata/prober")
		return m.Run()
	}())
}

func build(dir, name, pkg string, flags ...string) string {
	out := filepath.Join(dir, name)
	args := append(append([]string{"build", "-buildvcs=false", "-o", out}, flags...), pkg)
	c := exec.Command("go", args...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := c.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building %s: %v\n%s", pkg, err, msg))
	}
	return out
}

// without is a nono-init that leaves steps out, by name: the positive control of an attack.
func without(t *testing.T, steps ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "omit-"+strings.Join(steps, "+"))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "nono-init")
	if err := os.Link(built.omit, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// hardening is the filter that every agent gets.
var hardening = sync.OnceValue(func() []byte {
	program, err := filter.Assemble(base.Calls())
	if err != nil {
		panic(err)
	}
	return program
})

// box is a sandbox in a test.
type box struct {
	options launch.Options
	recipe  *recipe.Recipe
	// The agent's streams; nil is closed.
	stdin, stdout, stderr *os.File
	// project is a directory of the host that is writable inside, under the same name.
	project string
	// early hands the mounts over before the rest.
	early bool
}

// newBox makes a sandbox around the prober: it sees itself, /proc, /dev and the project, and
// nothing else.
func newBox(t testing.TB, tries ...string) *box {
	t.Helper()
	project := t.TempDir()
	b := &box{
		options: launch.Options{Tier: recipe.TierA, Path: built.init},
		project: project,
		recipe: &recipe.Recipe{
			Mounts: fragment.List{
				fragment.Tmpfs{For: "base.mounts", Path: "/", Size: 1 << 20, Mode: 0o755},
				fragment.Tmpfs{For: "base.devices", Path: "/dev", Size: 1 << 20, Mode: 0o755},
				device("/dev/null"),
				device("/dev/tty"),
				fragment.Pseudo{For: "base.devices", Path: "/dev/pts", Type: fragment.Devpts},
				bind(t, built.prober, "/prober", false),
				fragment.Pseudo{For: "base.proc", Path: "/proc", Type: fragment.Procfs},
				bind(t, project, project, true),
			},
			Seccomp:    hardening(),
			Executable: "/prober",
			Args:       append([]string{"prober"}, tries...),
			Env:        []string{"PATH=/bin"},
			Dir:        project,
			Umask:      0o027,
		},
	}
	return b
}

// bind shows a path of the host.
func bind(t testing.TB, from, at string, writable bool) fragment.Bind {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		t.Fatal(err)
	}
	return fragment.Bind{For: "filesystem.allow.0", Path: at, From: from, Writable: writable, Device: st.Dev, Inode: st.Ino}
}

func device(path string) fragment.Bind {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		panic(err)
	}
	return fragment.Bind{For: "base.devices", Path: path, Writable: true, NoExec: true, Devices: true, Device: st.Dev, Inode: st.Ino}
}

// mount adds steps. They stand in the order in which they must be applied.
func (b *box) mount(steps ...fragment.Step) { b.recipe.Mounts = append(b.recipe.Mounts, steps...) }

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// begin starts the agent, with the lines that it says.
func (b *box) begin(t *testing.T) (*launch.Init, <-chan string) {
	t.Helper()
	lines := b.pipe(t)
	init, _, err := b.prepare(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := init.Go(deadline(t), false); err != nil {
		t.Fatal(err)
	}
	return init, lines
}

// until starts the agent, and returns when that has said a line, with those that follow.
func (b *box) until(t *testing.T, line string) (*launch.Init, <-chan string) {
	t.Helper()
	init, lines := b.begin(t)
	for said := range lines {
		if said == line {
			return init, lines
		}
	}
	t.Fatalf("the agent did not say %q", line)
	return nil, nil
}

// prepare brings the sandbox to the gate.
func (b *box) prepare(t *testing.T) (*launch.Init, *launch.Ready, error) {
	t.Helper()
	var err error
	if b.options.Streams, err = streams.Examine(b.stdin, b.stdout, b.stderr); err != nil {
		t.Fatal(err)
	}
	init, err := launch.Start(deadline(t), b.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { init.Close() })
	host, err := init.Tier(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.recipe.Landlock) > 0 && b.recipe.LandlockABI == 0 {
		if host.LandlockABI == 0 {
			t.Skip("this kernel has no Landlock")
		}
		b.recipe.LandlockABI = host.LandlockABI
	}
	if b.recipe.LandlockABI > host.LandlockABI {
		t.Skipf("this kernel has version %d of Landlock", host.LandlockABI)
	}
	if b.early {
		init.Begin(b.recipe.Mounts)
	}
	ready, err := init.Prepare(deadline(t), b.recipe)
	if err == nil {
		t.Cleanup(ready.Close)
	}
	return init, ready, err
}

// result is what a run came to.
type result struct {
	launch.Exit
	out string
	err error
}

// of gives the outcome of a try.
func (r result) of(try string) string {
	for line := range strings.Lines(r.out) {
		if v, ok := strings.CutPrefix(line, try+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	return "(nothing was said)"
}

// run runs the agent to its end.
func (b *box) run(t *testing.T) result {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b.stdout, b.stderr = out, out
	init, _, err := b.prepare(t)
	if err != nil {
		t.Fatalf("preparing: %v", err)
	}
	var exit launch.Exit
	// An agent that ends nono-init may do so before that has said that it started the agent.
	if err = init.Go(deadline(t), false); err == nil {
		exit, err = init.Wait()
	}
	text, _ := os.ReadFile(out.Name())
	if err != nil {
		t.Logf("output:\n%s", text)
	}
	return result{exit, string(text), err}
}

// want runs the agent and compares the outcome of each try.
func (b *box) want(t *testing.T, outcomes map[string]string) {
	t.Helper()
	r := b.run(t)
	if r.err != nil {
		t.Fatal(r.err)
	}
	for try, want := range outcomes {
		if got := r.of(try); got != want {
			t.Errorf("%s: got %q, want %q", try, got, want)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s", r.out)
	}
}

// hostEnv makes this test binary a host of its own, which a test can kill.
const hostEnv = "NONO_LAUNCH_TEST_HOST"

// runHost is a core with nothing else to do: "run PROBER INIT TRIES..." runs the prober in a
// sandbox, and "plain PROBER INIT TRIES..." in one of tier B; "mount PROBER INIT" is like the first,
// and mounts something beneath a grant in the meantime. It never returns.
func runHost(spec string) {
	f := strings.Fields(spec)
	mode, prober, init, tries := f[0], f[1], f[2], f[3:]
	r := &recipe.Recipe{
		Mounts: fragment.List{
			fragment.Tmpfs{Path: "/", Size: 1 << 20, Mode: 0o755},
			fragment.Pseudo{Path: "/proc", Type: fragment.Procfs},
			fragment.Tmpfs{Path: "/dev", Size: 1 << 20, Mode: 0o755},
			device("/dev/null"),
			hostBind(prober, "/prober"),
		},
		Seccomp: hardening(), Executable: "/prober", Dir: "/",
	}
	meanwhile := func() {}
	if mode == "mount" {
		// A mount namespace of our own is the host; its mounts are shared with whoever is made from it,
		// as on most systems.
		inOwnMounts()
		shared, err := os.MkdirTemp(filepath.Dir(prober), "shared-") // it goes with what the tests built
		must(err)
		must(os.Mkdir(filepath.Join(shared, "mounted"), 0o755))
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
		r.Mounts = append(r.Mounts, hostBind(shared, "/shared"))
		tries = []string{"stat=/shared/mounted/canary"}
		meanwhile = func() {
			must(unix.Mount("tmpfs", filepath.Join(shared, "mounted"), "tmpfs", 0, ""))
			must(os.WriteFile(filepath.Join(shared, "mounted", "canary"), nil, 0o644))
		}
	}
	r.Args = append([]string{"prober"}, tries...)
	tier := recipe.TierA
	plain := mode != "run" && mode != "mount"
	if mode == "listened" {
		underListener()
	}
	if plain {
		tier, r.Mounts, r.Executable = recipe.TierB, nil, prober
		r.Landlock = []fragment.Landlock{
			{Path: prober, Rights: []fragment.Right{fragment.RightRead, fragment.RightExecute}},
			{Path: "/proc", Rights: []fragment.Right{fragment.RightRead}},
			{Path: "/dev/null", Rights: []fragment.Right{fragment.RightRead, fragment.RightWrite}},
		}
	}

	ctx := context.Background()
	set, err := streams.Examine(nil, os.Stdout, os.Stderr)
	must(err)
	i, err := launch.Start(ctx, launch.Options{Tier: tier, Path: init, Streams: set})
	must(err)
	found, err := i.Tier(ctx)
	must(err)
	if plain {
		r.LandlockABI = found.LandlockABI
	}
	if mode == "listened" || mode == "unlistened" {
		tellOfListener(i, found, r)
	}
	_, err = i.Prepare(ctx, r)
	must(err)
	meanwhile()
	must(i.Go(ctx, false))
	_, err = i.Wait()
	must(err)
	os.Exit(0)
}

// saysEnv makes this test binary a nono-init that says what it should not.
const saysEnv = "NONO_LAUNCH_TEST_SAYS"

// runSpeaker says one thing after another, and waits to be ended.
func runSpeaker(says string) {
	listener := recipe.Descriptor{Kind: recipe.ListenerDescriptor, Name: "one"}
	for says := range strings.FieldsSeq(says) {
		switch says {
		case "host":
			must(recipe.Send(recipe.Lifeline, &recipe.Reply{Host: &recipe.Host{Tier: recipe.TierA}}))
		case "more":
			more := &recipe.Ready{Descriptors: []recipe.Descriptor{listener}, More: true}
			must(recipe.Send(recipe.Lifeline, &recipe.Reply{Ready: more}, 0))
		case "unnamed":
			must(recipe.Send(recipe.Lifeline, &recipe.Reply{Ready: &recipe.Ready{}}, 0))
		case "laden":
			must(recipe.Send(recipe.Lifeline, &recipe.Reply{Stopped: &recipe.Stopped{Signal: 19}}, 0))
		case "nonsense":
			must(unix.Send(recipe.Lifeline, []byte("nonsense"), 0))
		}
	}
	_, _ = unix.Read(recipe.Lifeline, make([]byte, 1))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func hostBind(from, at string) fragment.Bind {
	var st unix.Stat_t
	must(unix.Stat(from, &st))
	return fragment.Bind{Path: at, From: from, Device: st.Dev, Inode: st.Ino}
}

// inOwnMounts runs this program again as root of a user namespace with its own mounts, unless that
// has been done.
func inOwnMounts() {
	const done = "NONO_LAUNCH_TEST_OWN"
	if os.Getenv(done) != "" {
		return
	}
	exe, err := os.Executable()
	must(err)
	c := exec.Command(exe)
	c.Env = append(os.Environ(), done+"=1")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	id := func(n int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: n, HostID: n, Size: 1}}
	}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: id(os.Getuid()), GidMappings: id(os.Getgid()),
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN},
	}
	must(c.Run())
	os.Exit(0)
}

// processes counts the host's processes whose command line has a text.
func processes(text string) int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	n := 0
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(text)) {
			n++
		}
	}
	return n
}

// eventually waits for something that takes its time on a busy machine.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 6000 { // a minute, for a machine that has much else to do
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never came true: %s", what)
}

// tellOfListener says whether this host has a listener to give, and how it goes to ask for one.
func tellOfListener(i *launch.Init, found recipe.Host, r *recipe.Recipe) {
	asking, err := filter.AssembleNotices([]filter.Notice{{Calls: []string{"mkdirat"}}})
	must(err)
	fmt.Println("notify", found.Notify)
	r.Notify = asking
	_, err = i.Prepare(context.Background(), r)
	var step *launch.StepError
	switch {
	case err == nil:
		fmt.Println("ready")
	case errors.As(err, &step):
		fmt.Printf("step %s: %v\n", step.Step, step.Errno)
	default:
		fmt.Println(err)
	}
	must(i.Close())
	os.Exit(0)
}

// underListener runs this program again under a filter that has a listener, unless it does already.
// A filter stays over an exec, and the listener with whoever holds it.
func underListener() {
	const done = "NONO_LAUNCH_TEST_LISTENED"
	if os.Getenv(done) != "" {
		return
	}
	runtime.LockOSThread()
	must(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	all := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	program := unix.SockFprog{Len: 1, Filter: &all}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		panic(errno)
	}
	_, err := unix.FcntlInt(fd, unix.F_SETFD, 0) // to be held on
	must(err)
	exe, err := os.Executable()
	must(err)
	must(unix.Exec(exe, os.Args, append(os.Environ(), done+"=1")))
}
