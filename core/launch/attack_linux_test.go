package launch_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// TestAttacks: each tried in a sandbox as it is, and in one that lacks the step which should
// prevent it.
func TestAttacks(t *testing.T) {
	const mptcp, icmp, vsock = 262, 1, 40
	for _, attack := range []struct {
		threat  string
		try     string
		refused string
		without []string // steps of the launcher
		works   string   // empty: anything but the filter's answer
	}{
		{"hijack of another thread of pid 1", "pid1-memory", "EACCES", []string{"dumpable"}, "ok"},
		{"E22 attaching to pid 1", "trace=attach,1", "EPERM", []string{"dumpable"}, "ok"},
		{"E22 seizing pid 1", "trace=seize,1", "EPERM", []string{"dumpable"}, "ok"},
		{"E22 reading the memory of pid 1", "trace=vm-read,1", "EPERM", []string{"dumpable"}, "ok"},
		{"E22 writing the memory of pid 1", "trace=vm-write,1", "EPERM", []string{"dumpable"}, "ok"},
		{"E22 opening the memory of pid 1", "trace=memory,1", "EACCES", []string{"dumpable"}, "ok"},
		{"E22 a descriptor of pid 1", "trace=steal-fd,1", "EPERM", []string{"dumpable", "seccomp"}, "ok"},
		{"E22 comparing with pid 1", "trace=kcmp,1", "EPERM", []string{"dumpable", "seccomp"}, "ok"},
		{"signals to pid 1", "pid1-signals", "survived", []string{"signals"}, "(nothing was said)"},
		{"E01 MPTCP", fmt.Sprintf("socket=%d,%d,%d", unix.AF_INET, unix.SOCK_STREAM, mptcp), "EPROTONOSUPPORT", []string{"seccomp"}, "ok"},
		{"E04 TCP Fast Open", "fastopen", "ENOTSUP", []string{"seccomp"}, "ok"},
		{"E08 vsock", fmt.Sprintf("socket=%d,%d,0", vsock, unix.SOCK_STREAM), "EAFNOSUPPORT", []string{"seccomp"}, "ok"},
		{
			"E09 netlink", fmt.Sprintf("socket=%d,%d,%d", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT),
			"EPROTONOSUPPORT",
			[]string{"seccomp"},
			"ok",
		},
		{"E31 a user namespace", "user-ns", "EPERM", []string{"seccomp", "namespaces"}, "ok"},
		{"E37 typing into a terminal", "sti", "EPERM EPERM", []string{"seccomp"}, ""},
		{"E21 userfaultfd", fmt.Sprintf("syscall=%d,1", unix.SYS_USERFAULTFD), "EPERM", []string{"seccomp"}, "ok"},
		{"E33 keyrings", fmt.Sprintf("syscall=%d,0,0xfffffffd", unix.SYS_KEYCTL), "EPERM", []string{"seccomp"}, "ok"},
		{"E19 io_uring", fmt.Sprintf("syscall=%d,0,0", unix.SYS_IO_URING_SETUP), "ENOSYS", []string{"seccomp"}, "EFAULT"},
	} {
		t.Run(attack.threat, func(t *testing.T) {
			b := newBox(t, attack.try)
			b.want(t, map[string]string{attack.try: attack.refused})

			b = newBox(t, attack.try)
			b.options.Path = without(t, attack.without...)
			got := b.run(t).of(attack.try)
			works := got == attack.works
			if attack.works == "" {
				works = !strings.Contains(got, "EPERM") && got != "(nothing was said)"
			}
			if works {
				return
			}
			if strings.HasPrefix(attack.try, "trace=") && yama() {
				t.Skip("no control: Yama keeps processes from each other here")
			}
			if slices.Contains(attack.without, "seccomp") { // the only ones that may be tried outside
				out, _ := exec.Command(built.prober, attack.try).Output()
				if outside := (result{out: string(out)}).of(attack.try); outside == got {
					t.Skipf("no control: this host answers %s outside any sandbox too", got)
				}
			}
			t.Errorf("control: without %v: got %q, want %q", attack.without, got, attack.works)
		})
	}
}

// yama keeps a process from another that is not its child.
func yama() bool {
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	return err == nil && strings.TrimSpace(string(b)) != "0"
}

// TestUndumpable: what keeps pid 1's descriptors from the agent does so without the filter too.
func TestUndumpable(t *testing.T) {
	const steal, compare = "trace=steal-fd,1", "trace=kcmp,1"
	b := newBox(t, steal, compare)
	b.options.Path = without(t, "seccomp")
	b.want(t, map[string]string{steal: "EPERM", compare: "EPERM"})
}

// TestDebuggers: to the session's own processes a debugger may do what it does.
func TestDebuggers(t *testing.T) {
	want := map[string]string{}
	for _, try := range []string{"attach", "seize", "vm-read", "vm-write", "memory"} {
		want["trace="+try+",child"] = "ok"
	}
	newBox(t, slices.Sorted(maps.Keys(want))...).want(t, want)
}

// TestTraced: the end of the main process is the end of the run, also where its tracer says nothing.
func TestTraced(t *testing.T) { endTraced(t, newBox(t, "held")) }

// endTraced runs an agent that has itself traced, and ends.
func endTraced(t *testing.T, b *box) {
	t.Helper()
	if yama() {
		t.Skip("Yama lets no process trace its parent here")
	}
	// A signal would stop it, for its tracer to look at, and Go's runtime sends itself one now and then.
	b.recipe.Env = append(b.recipe.Env, "GODEBUG=asyncpreemptoff=1")
	r := b.run(t)
	if r.of("held") != "ok" || r.err != nil || r.Code != 7 || r.of("the tracer") == "outlived it" {
		t.Errorf("got %+v", r)
	}
}

// TestWatches: half of what the user may have of inotify is left to the user.
func TestWatches(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	if err != nil {
		t.Skip("this kernel has no inotify: ", err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	half, more := fmt.Sprintf("inotify=%d", limit/2), fmt.Sprintf("inotify=%d", limit/2+1)
	newBox(t, half, more).want(t, map[string]string{half: "ok", more: "EMFILE"})

	control := newBox(t, more)
	control.options.Path = without(t, "watches")
	if r := control.run(t); r.of(more) == "EMFILE" {
		t.Skip("no control: the user's other programs have half of them already")
	} else if r.of(more) != "ok" {
		t.Errorf("control: %s", r.of(more))
	}
}

// TestSpeculation: the filter switches nothing on that slows the agent down.
func TestSpeculation(t *testing.T) {
	out, err := exec.Command(built.prober, "speculation", "speculation=off").Output()
	if err != nil {
		t.Fatal(err)
	}
	outside := result{out: string(out)}
	if outside.of("speculation") == outside.of("speculation=off") {
		t.Skipf("no control: this host always answers %q", outside.of("speculation"))
	}
	newBox(t, "speculation").want(t, map[string]string{"speculation": outside.of("speculation")})
}

// TestUserNamespace: of the two defences against a new user namespace (E31) each stands by itself.
func TestUserNamespace(t *testing.T) {
	for step, want := range map[string]string{"seccomp": "ENOSPC", "namespaces": "EPERM"} {
		b := newBox(t, "user-ns")
		b.options.Path = without(t, step)
		b.want(t, map[string]string{"user-ns": want})
	}
}

// TestInt80 is E15: a call of the 32-bit table, by a 64-bit process.
func TestInt80(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("only amd64 has a second table that a process can call")
	}
	b := newBox(t, "int80")
	if r := b.run(t); r.err != nil || r.Signal != unix.SIGSYS {
		t.Errorf("got %+v, want the end by SIGSYS", r)
	}
	b = newBox(t, "int80")
	b.options.Path = without(t, "seccomp")
	r := b.run(t)
	if r.Signal == unix.SIGSEGV {
		t.Skip("control: this kernel has no 32-bit table (CONFIG_IA32_EMULATION)")
	}
	if got := r.of("int80"); got != "ok" {
		t.Errorf("control: got %s, want a socket", got)
	}
}

// TestX32 is E16.
func TestX32(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("only amd64 has x32")
	}
	newBox(t, "x32").want(t, map[string]string{"x32": "ENOSYS"})
}

// TestInheritedDescriptor is E25: a file that core has open without close-on-exec.
func TestInheritedDescriptor(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := unix.Open(secret, unix.O_RDWR, 0) // no O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(first)
	// Those up to this number nono-init is given, or they are closed for it.
	fd, err := unix.FcntlInt(uintptr(first), unix.F_DUPFD, recipe.Room+1)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	newBox(t, "descriptors").want(t, map[string]string{"descriptors": ""})

	b := newBox(t, "descriptors")
	b.options.Path = without(t, "descriptors")
	if got := b.run(t).of("descriptors"); !strings.Contains(got, "secret") {
		t.Errorf("control: got %q, want the file", got)
	}
}

// TestUDP is E05: a datagram to the host's loopback arrives nowhere, although the host listens.
func TestUDP(t *testing.T) {
	for open, want := range map[bool]bool{false: false, true: true} {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b := newBox(t, "udp="+c.LocalAddr().String())
		b.options.HostNetwork = open
		if r := b.run(t); r.err != nil {
			t.Fatal(r.err)
		}
		// The loopback delivers before the sender's call returns; so what is not here now will not come.
		if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, _, err := c.ReadFrom(make([]byte, 100))
		if got := err == nil && n > 0; got != want {
			t.Errorf("the host's network open: %v; a datagram arrived: %v", open, got)
		}
		c.Close()
	}
}

// TestRename: renaming an ancestor of a protected path, and making a new one in its place.
func TestRename(t *testing.T) {
	for pinned, want := range map[bool]string{true: "EBUSY", false: "ok"} {
		b := newBox(t, "rename=.git,.git2", "mkdir=.git", "mkdir=.git/hooks", "write=.git/hooks/pre-commit")
		hooks := filepath.Join(b.project, ".git", "hooks")
		if err := os.MkdirAll(hooks, 0o755); err != nil {
			t.Fatal(err)
		}
		git := filepath.Dir(hooks)
		if pinned {
			b.mount(bind(t, git, git, true)) // onto itself
		}
		b.mount(bind(t, hooks, hooks, false))
		r := b.run(t)
		if got := r.of("rename=.git,.git2"); got != want {
			t.Errorf("pinned %v: rename: got %s, want %s", pinned, got, want)
		}
		_, err := os.Stat(filepath.Join(b.project, ".git", "hooks", "pre-commit"))
		if written := err == nil; written == pinned {
			t.Errorf("pinned %v: the hook was written: %v\n%s", pinned, written, r.out)
		}
	}
}

// TestSwappedSource: while sandboxes are made, something of the user's swaps a granted directory
// for a link to a secret one. What is mounted must be what was planned with, or nothing.
func TestSwappedSource(t *testing.T) {
	const tries = 60
	seen := func(t *testing.T, init string) (secret, granted, refused int) {
		dir := t.TempDir()
		for name, content := range map[string]string{"granted": "granted", "secret": "secret"} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name, "file"), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "granted")
		planned := bind(t, path, "/granted", false)
		// In the middle of it all, granted and a link to secret change places. RENAME_EXCHANGE leaves no
		// moment without either.
		link := filepath.Join(dir, "link")
		if err := os.Symlink("secret", link); err != nil {
			t.Fatal(err)
		}
		var stop atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			for !stop.Load() {
				_ = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
				time.Sleep(200 * time.Microsecond)
			}
		}()
		defer func() { stop.Store(true); <-done }()
		for range tries {
			b := newBox(t, "read=/granted/file")
			b.options.Path = init
			b.mount(planned)
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			b.stdout = out
			init, _, err := b.prepare(t)
			if err == nil {
				if err := init.Go(deadline(t), false); err != nil {
					t.Fatal(err)
				}
				if _, err := init.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			text, _ := os.ReadFile(out.Name())
			out.Close()
			init.Close()
			switch got := (result{out: string(text)}).of("read=/granted/file"); {
			case err != nil:
				refused++
			case got == "secret":
				secret++
			case got == "granted":
				granted++
			default:
				t.Errorf("got %q", got)
			}
		}
		return secret, granted, refused
	}
	secret, granted, refused := seen(t, built.init)
	t.Logf("granted %d, refused %d", granted, refused)
	if secret > 0 || granted+refused != tries || refused == 0 {
		t.Errorf("the secret was seen %d times, the granted directory %d, refused %d", secret, granted, refused)
	}
	if secret, _, _ = seen(t, without(t, "source")); secret == 0 {
		t.Error("control: the secret was never seen, so the race was never won")
	}
}

// TestCorePattern: what real root could write to in /proc without any capability, and the host
// would run. An ordinary user is kept out by the files' modes as well; that the guard stands is
// seen by him in the mount.
func TestCorePattern(t *testing.T) {
	const pattern = "open-w=/proc/sys/kernel/core_pattern"
	guarded, open := map[string]string{"read-only=/proc/sys": "true"}, map[string]string{"read-only=/proc/sys": "false"}
	if os.Getuid() == 0 {
		guarded[pattern], open[pattern] = "EROFS", "ok"
	}
	newBox(t, pattern, "read-only=/proc/sys").want(t, guarded)
	control := newBox(t, pattern, "read-only=/proc/sys")
	control.options.Path = without(t, "proc-guard")
	control.want(t, open)

	for _, name := range []string{"kcore", "kmsg", "keys", "timer_list", "sysrq-trigger"} {
		if _, err := os.Stat("/proc/" + name); err != nil {
			continue // a kernel without it
		}
		read, write := "read=/proc/"+name, "open-w=/proc/"+name
		newBox(t, read, write).want(t, map[string]string{read: "EACCES", write: "EACCES"})
		if name == "keys" { // the one that everybody can read
			control := newBox(t, read)
			control.options.Path = without(t, "proc-guard")
			if r := control.run(t); r.err != nil || r.of(read) == "EACCES" {
				t.Errorf("control: %s: got %q, %v, where nothing covers it", read, r.of(read), r.err)
			}
		}
	}
}

// TestCores: the host's handler of crashes, which would be run by the kernel and often as root,
// hears of none inside. The sign for that is a limit of 1, and the agent cannot take it away.
func TestCores(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < 2 && os.Getuid() != 0 {
		t.Skip("no control: the limit on core dumps is low here already")
	}
	own := fmt.Sprintf("%d/%d", limit.Cur, limit.Max)
	for step, want := range map[string]string{
		"": "1/1 ok ok ok 1/1 ok", "cores": own + " ok ok ok " + own + " ok", "seccomp": "1/1 ok ok ok 0/0 ok",
	} {
		b := newBox(t, "cores")
		if step != "" {
			b.options.Path = without(t, step)
		}
		b.want(t, map[string]string{"cores": want})
	}
}

// TestSecret: a variable of the agent's is in nothing of pid 1's that can be read.
func TestSecret(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	try := "pid1-secrets=correct-horse"
	b := newBox(t, try, "env=KEY")
	b.recipe.Env = []string{"KEY=" + secret}
	r := b.run(t)
	if got := r.of(try); got != "readable: cmdline comm status" {
		t.Errorf("of pid 1: %s", got)
	}
	if got := r.of("env=KEY"); got != secret {
		t.Errorf("the agent's own: %q", got)
	}
}

// TestZombies: orphans that end are reaped.
func TestZombies(t *testing.T) {
	newBox(t, "zombies").want(t, map[string]string{"zombies": "none"})
}

// TestDescendants: two hundred processes, in sessions of their own, end with the main process.
func TestDescendants(t *testing.T) {
	r := newBox(t, "leave=200").run(t)
	if r.err != nil || r.Left != 200 {
		t.Errorf("got %+v", r)
	}
}

// TestOver: when a run is said to be over, nothing is left inside but nono-init, which goes.
func TestOver(t *testing.T) {
	b := newBox(t, "leave=20", "stop-on", "exit=3")
	init, _ := b.until(t, "waiting")
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", init.PID()))
	if err != nil {
		t.Fatal(err)
	}
	besides := func() (n int) {
		all, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
		for _, name := range all {
			link, err := os.Readlink(name)
			if err == nil && link == space && name != fmt.Sprintf("/proc/%d/ns/pid", init.PID()) {
				n++
			}
		}
		return n
	}
	if n := besides(); n != 21 {
		t.Fatalf("control: there are %d", n)
	}
	if err := init.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if exit, err := init.Wait(); err != nil || exit.Code != 3 || exit.Left != 20 {
		t.Errorf("got %+v, %v", exit, err)
	}
	if n := besides(); n > 0 {
		t.Errorf("%d are left", n)
	}
}

// TestForkOn: processes that go on forking do not keep a run once the main process has ended, and
// none of them outlives it. They are children of pid 1, which is hardly ever without one that has
// just ended: waiting for that moment took up to a minute.
func TestForkOn(t *testing.T) {
	b := newBox(t, "fork-on=200", "exit=3")
	init, _, err := b.prepare(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := init.Go(deadline(t), false); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(30*time.Second, init.Kill).Stop()
	if exit, err := init.Wait(); err != nil || exit.Code != 3 || exit.Left == 0 {
		t.Errorf("got %+v, %v", exit, err)
	}
}

// TestProcessLimit: there are never more processes and threads inside than the limit says, and
// hardly fewer, whoever among them forks. The agent is not traced any more. Real root has no such
// limit, which is why core refuses him one.
func TestProcessLimit(t *testing.T) {
	const limit, tries = 60, 300
	count := func(most uint64, try string) (int, string) {
		t.Helper()
		b := newBox(t, "status=TracerPid", try, "exit=3")
		b.recipe.Processes = most
		r := b.run(t)
		if r.err != nil || r.Code != 3 || r.of("status=TracerPid") != "0" {
			t.Fatalf("got %+v", r)
		}
		var n int
		var how string
		if _, err := fmt.Sscan(r.of(try), &n, &how); err != nil {
			t.Fatalf("%s: %v", r.out, err)
		}
		return n, how
	}
	crowd := fmt.Sprintf("crowd=%d", tries)
	if n, how := count(0, crowd); n != tries || how != "ok" {
		t.Fatalf("control: there are %d, %s", n, how)
	}
	n, how := count(limit, crowd)
	t.Logf("there are %d, %s", n, how)
	if os.Getuid() == 0 {
		if n != tries {
			t.Errorf("root has a limit: %d, %s", n, how)
		}
	} else if n > limit || n < limit-16 || how != "EAGAIN" {
		t.Errorf("the limit is %d, and there are %d, %s", limit, n, how)
	}
}

// TestEndedInItsExec: a program that the kernel ends in the middle of its exec, where the agent is
// held for its limit, ends the run as any signal does. Its one segment is at no address of a process's.
func TestEndedInItsExec(t *testing.T) {
	machine, ok := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	if !ok {
		t.Skip("there is no such program for this machine")
	}
	const headers, segment = 64, 56 // their sizes
	var program bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
			Phoff: headers, Ehsize: headers, Phentsize: segment, Phnum: 1,
		},
		elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
			Vaddr: 0xffff800000000000, Filesz: headers, Memsz: headers, Align: 4096,
		},
	} {
		if err := binary.Write(&program, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	b := newBox(t)
	damaged := filepath.Join(b.project, "damaged")
	if err := os.WriteFile(damaged, program.Bytes(), 0o700); err != nil {
		t.Fatal(err)
	}
	b.recipe.Executable, b.recipe.Processes = damaged, 60
	if r := b.run(t); r.err != nil || r.Signal != unix.SIGSEGV {
		t.Errorf("got %+v", r)
	}
}

// TestForkBomb: processes that use up all there may be, and never stop trying, are held by the
// limit; nono-init goes on beside them and ends the run with the agent's code.
func TestForkBomb(t *testing.T) {
	const limit, doublings = 60, 8 // 256 processes, where nothing holds them
	if os.Getuid() == 0 {
		t.Skip("root has no such limit")
	}
	b := newBox(t, fmt.Sprintf("bomb=%d", doublings), "exit=3")
	b.recipe.Processes = limit
	r := b.run(t)
	if r.err != nil || r.Code != 3 || r.of(fmt.Sprintf("bomb=%d", doublings)) != "EAGAIN" {
		t.Errorf("got %+v", r)
	}
	t.Logf("%d were left", r.Left)
	if r.Left == 0 || r.Left > limit {
		t.Errorf("the limit is %d, and %d were left", limit, r.Left)
	}
}

// TestCoreKilled: after core is gone by SIGKILL there is nothing left, however far it had come.
func TestCoreKilled(t *testing.T) { killCore(t, "run") }

// killCore kills a core that begins such a run, at one moment after the other.
func killCore(t *testing.T, kind string) {
	t.Helper()
	const moments = 20 // over the time that a start takes, and one when all runs
	for n := range moments {
		mark := fmt.Sprintf("say=mark-%d-%d", os.Getpid(), n)
		host := hostCommand(t, kind, built.init, mark, "leave=20", "sleep=1h")
		if err := host.Start(); err != nil {
			t.Fatal(err)
		}
		delay := time.Duration(n) * 700 * time.Microsecond
		if n < moments-1 {
			eventually(t, "core starts nono-init", func() bool { return len(descendants(host.Process.Pid)) > 0 })
			time.Sleep(delay)
		} else {
			eventually(t, "the agent and what it started run", func() bool { return len(descendants(host.Process.Pid)) >= 22 })
		}
		before := descendants(host.Process.Pid)
		if err := host.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = host.Wait()
		for pid := range before {
			eventually(t, fmt.Sprintf("process %d is gone, core killed %v after the start", pid, delay), func() bool { return !alive(pid) })
		}
		eventually(t, "the agent is gone", func() bool { return processes(mark) == 0 })
	}
}

// TestLifeline: where the signal of core's death is lost, the end of the lifeline is the end of
// everything inside.
func TestLifeline(t *testing.T) {
	b := newBox(t, "leave=3", "say=started", "sleep=1h")
	init, lines := b.until(t, "started")
	if err := init.CutLifeline(); err != nil {
		t.Fatal(err)
	}
	if _, err := init.Wait(); err == nil {
		t.Error("Wait says how an agent ended that was ended with everything else")
	}
	b.stdout.Close()
	for range lines { // ends when the last process that holds the output has ended
	}
}

// TestByHand: nono-init run by someone changes nothing and says so.
func TestByHand(t *testing.T) {
	out, err := exec.Command(built.init).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "started by nono") {
		t.Errorf("got %v: %s", err, out)
	}
}

// TestInitKilled: the loss of nono-init is not the agent's end.
func TestInitKilled(t *testing.T) {
	b := newBox(t, "say=started", "sleep=1h")
	init, lines := b.begin(t)
	<-lines
	init.Kill()
	if exit, err := init.Wait(); err == nil || !strings.Contains(err.Error(), "without a word") {
		t.Errorf("got %+v, %v", exit, err)
	}
	if err := init.Signal(unix.SIGTERM); err == nil {
		t.Error("a signal was sent to nobody")
	}
}

// hostCommand is this test binary as a core of its own.
func hostCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), hostEnv+"="+strings.Join(append([]string{args[0], built.prober}, args[1:]...), " "))
	return c
}

// descendants are the processes that a process started, and those that they started.
func descendants(pid int) map[int]bool {
	found := map[int]bool{}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, s := range strings.Fields(string(b)) {
			child, _ := strconv.Atoi(s)
			found[child] = true
			for d := range descendants(child) {
				found[d] = true
			}
		}
	}
	return found
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}
