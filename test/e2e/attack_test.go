//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/machine"
)

// An attack is one way out that a sandbox has to close, and how to see whether it does.
type attack struct {
	// threat is its number among the threats that the sandbox is built against, and what it does.
	threat, does string
	// arrange puts into the arena what the attack is after.
	arrange func(a *arena) attempt
	// works is the outcome with no sandbox, where it is not "ok"; "*" is whatever is not a refusal.
	works string
	// refused are the outcomes that a sandbox may have. Where there are none, what happened says it
	// all.
	refused []string
	// kernel marks what has to hold with no filesystem layer too.
	kernel bool
	// lacks says what this host lacks for the attack; nil if it needs nothing special.
	lacks func(t *testing.T) string
}

func (k attack) name() string { return k.threat + " " + k.does }

// TestThreats tries each way out three or four times: with no sandbox, where it must work, or the
// test would prove nothing; and in each kind of sandbox, where it must not.
func TestThreats(t *testing.T) {
	tryAll(t, slices.Concat(networkAttacks(), kernelAttacks(), processAttacks(), fileAttacks(), serviceAttacks(), handOverAttacks()))
}

// TestThreatsOfRoot is what only root could do, and must not.
func TestThreatsOfRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has these rights to begin with")
	}
	tryAll(t, rootAttacks())
}

func tryAll(t *testing.T, attacks []attack) {
	t.Helper()
	lacks := map[string]string{}
	for _, k := range attacks {
		if k.lacks != nil {
			if why := k.lacks(t); why != "" {
				lacks[k.name()] = why
			}
		}
	}
	type ending struct {
		outcome  string
		happened bool
		looked   bool
	}
	endings := map[string]ending{} // by attack and arena
	for _, kind := range arenaKinds {
		a := newArena(t, kind)
		var names []string
		var attempts []attempt
		for _, k := range attacks {
			if lacks[k.name()] == "" && slices.Contains(k.arenas(), kind) {
				names = append(names, k.name())
				attempts = append(attempts, k.arrange(a))
			}
		}
		for i, outcome := range a.run(attempts) {
			e := ending{outcome: outcome, looked: attempts[i].happened != nil}
			if e.looked {
				e.happened = attempts[i].happened()
			}
			endings[names[i]+string(kind)] = e
		}
	}
	for _, k := range attacks {
		t.Run(k.name(), func(t *testing.T) {
			if why := lacks[k.name()]; why != "" {
				t.Skip("this host lacks what the attack needs: " + why)
			}
			works := k.works
			if works == "" {
				works = "ok"
			}
			for _, kind := range k.arenas() {
				e := endings[k.name()+string(kind)]
				refused := slices.Contains(k.refused, e.outcome)
				switch {
				case kind == bare && (works == "*" && refused || works != "*" && e.outcome != works || e.looked && !e.happened):
					t.Errorf("control: with no sandbox: %s (happened: %v); it should have worked", e.outcome, e.happened)
				case kind != bare && (len(k.refused) > 0 && !refused || len(k.refused) == 0 && !e.looked || e.happened):
					t.Errorf("%s: %s (happened: %v), want one of %q", kind, e.outcome, e.happened, k.refused)
				}
			}
		})
	}
}

// just is an attempt that needs nothing arranged.
func just(try string) func(*arena) attempt { return func(*arena) attempt { return attempt{try: try} } }

// at is an attempt on a path of the user's, whose outcome says it all.
func at(try, name string) func(*arena) attempt {
	return func(a *arena) attempt { return attempt{try: try + "=" + a.path(name)} }
}

// on is an attempt that would change a file.
func on(try, name, more string) func(*arena) attempt {
	return func(a *arena) attempt { return attempt{try + "=" + a.path(name) + more, a.changed(name)} }
}

// against is an attempt on a process of the user's.
func against(try string) func(*arena) attempt {
	return func(a *arena) attempt { return attempt{try: try + "=" + a.outsider()} }
}

// contact is an attempt to reach a service of the user's.
func contact(try, network, address string) func(*arena) attempt {
	return func(a *arena) attempt {
		at, reached := a.serve(network, address)
		return attempt{try + "=" + at, reached}
	}
}

// networkAttacks reach for what listens outside. All of it is on the host's loopback.
func networkAttacks() []attack {
	const local = "127.0.0.1:0"
	refused := []string{"ECONNREFUSED"}
	abstract := func(network string) func(*arena) attempt {
		return func(a *arena) attempt {
			try := map[string]string{"unix": "unix", "unixgram": "unixgram"}[network]
			return contact(try, network, fmt.Sprintf("@nono-%s-%d-%s", network, os.Getpid(), a.kind))(a)
		}
	}
	attacks := []attack{
		{
			threat: "E01", does: "MPTCP connect", arrange: contact("mptcp", "tcp4", local), refused: []string{"socket: EPROTONOSUPPORT"},
			kernel: true, lacks: noSocket(unix.AF_INET, unix.SOCK_STREAM, 262),
		},
		{
			threat: "E02", does: "MPTCP listen", arrange: just("listen"), refused: []string{"socket: EPROTONOSUPPORT"},
			kernel: true, lacks: noSocket(unix.AF_INET, unix.SOCK_STREAM, 262),
		},
		{threat: "E03", does: "listen without bind", arrange: visited, refused: []string{"nobody came"}, kernel: true},
		{threat: "E04", does: "TCP Fast Open", arrange: contact("fastopen", "tcp4", local), refused: []string{"ENOTSUP"}, kernel: true},
		{threat: "E05", does: "UDP", arrange: contact("udp", "udp4", local), refused: []string{"read: ECONNREFUSED"}, kernel: true},
		{
			threat: "E06", does: "ICMP by a ping socket", arrange: just("socket=2,2,1"), refused: []string{"EPROTONOSUPPORT"},
			kernel: true, lacks: noSocket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP),
		},
		{
			threat: "E07", does: "SCTP", arrange: just("socket=2,1,132"), refused: []string{"EPROTONOSUPPORT"},
			kernel: true, lacks: noSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP),
		},
		{
			threat: "E08", does: "vsock", arrange: just("socket=40,1,0"), refused: []string{"EAFNOSUPPORT"},
			kernel: true, lacks: noSocket(unix.AF_VSOCK, unix.SOCK_STREAM, 0),
		},
		{threat: "E09", does: "other families of sockets", arrange: just("families"), works: "*", refused: []string{"1 2 10 16"}, kernel: true},
		{threat: "E09", does: "other protocols of netlink", arrange: just("netlinks"), works: "*", refused: []string{"0"}, kernel: true},
		{threat: "E12", does: "abstract Unix socket", arrange: abstract("unix"), refused: refused, kernel: true},
		{threat: "E12", does: "abstract Unix socket, datagram", arrange: abstract("unixgram"), refused: refused, kernel: true},
		{
			threat: "E17", does: "family with bits above the lower half", arrange: just("socket=0x100000028,1,0"), refused: []string{"EAFNOSUPPORT"},
			kernel: true, lacks: noSocket(unix.AF_VSOCK, unix.SOCK_STREAM, 0),
		},
		{
			threat: "E57", does: "a question to the host's resolver", arrange: contact("udp", "udp4", "127.0.0.2:0"), refused: []string{"read: ECONNREFUSED"},
			kernel: true,
		},
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"} {
		k := attack{threat: "E47", does: "service on " + address, arrange: contact("connect", "tcp", address+":0"), refused: refused, kernel: true}
		if address == "[::1]" {
			k.lacks = noIPv6
		}
		attacks = append(attacks, k)
	}
	return attacks
}

// visited serves without having bound a port, and the host comes to visit.
func visited(a *arena) attempt {
	file := a.path("port")
	var reached atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			port, err := os.ReadFile(file)
			if err != nil {
				continue
			}
			c, err := net.Dial("tcp4", "127.0.0.1:"+string(port))
			if err == nil {
				reached.Store(true)
				c.Close()
			}
			return
		}
	}()
	return attempt{"served=" + file, func() bool { <-done; return reached.Load() }}
}

// kernelAttacks go for the kernel itself.
func kernelAttacks() []attack {
	const typed = "0x100000000"
	pattern := func(format string, args ...any) func(*arena) attempt { return just(fmt.Sprintf(format, args...)) }
	return []attack{
		{threat: "E15", does: "the 32-bit table: socket", arrange: just("int80=359,2,1,262"), refused: []string{"killed by SIGSYS"}, kernel: true, lacks: no32Bit},
		{threat: "E15", does: "the 32-bit table: getpid", arrange: just("int80=20"), refused: []string{"killed by SIGSYS"}, kernel: true, lacks: no32Bit},
		{threat: "E16", does: "the x32 table", arrange: just("x32"), refused: []string{"ENOSYS"}, kernel: true, lacks: noX32},
		{threat: "E17", does: "TIOCSTI with bits above the lower half", arrange: just("sti=" + typed), refused: []string{"EPERM"}, kernel: true, lacks: noSTI},
		{threat: "E19", does: "io_uring", arrange: just("io-uring"), refused: []string{"ENOSYS"}, kernel: true, lacks: noRing},
		{
			threat: "E21", does: "userfaultfd", arrange: pattern("syscall=%d,1", unix.SYS_USERFAULTFD), refused: []string{"EPERM"}, kernel: true,
			lacks: noCall("userfaultfd", unix.SYS_USERFAULTFD, 1),
		},
		{threat: "E31", does: "a user namespace", arrange: pattern("namespace-new=%#x", unix.CLONE_NEWUSER), refused: []string{"EPERM"}, kernel: true},
		{threat: "E31", does: "user and mount namespace", arrange: pattern("namespace-new=%#x", unix.CLONE_NEWUSER|unix.CLONE_NEWNS), refused: []string{"EPERM"}, kernel: true},
		{threat: "E31", does: "user and network namespace", arrange: pattern("namespace-new=%#x", unix.CLONE_NEWUSER|unix.CLONE_NEWNET), refused: []string{"EPERM"}, kernel: true},
		{threat: "E31", does: "clone3, whose flags no filter sees", arrange: just("clone3"), works: "EINVAL", refused: []string{"ENOSYS"}, kernel: true},
		{threat: "E33", does: "the user's keyring", arrange: hideKey, refused: []string{"EPERM"}, kernel: true, lacks: noKeyring},
		{threat: "E37", does: "TIOCSTI", arrange: just("sti="), refused: []string{"EPERM"}, kernel: true, lacks: noSTI},
		{threat: "E37", does: "TIOCLINUX", arrange: just("linux="), works: "ENOTTY", refused: []string{"EPERM"}, kernel: true},
		{threat: "E37", does: "a line discipline", arrange: just("ldisc"), refused: []string{"EPERM"}, kernel: true},
		{threat: "E31", does: "bpf", arrange: pattern("syscall=%d,0,0,0", unix.SYS_BPF), works: "*", refused: []string{"EPERM"}, kernel: true},
		{threat: "E31", does: "perf_event_open", arrange: pattern("syscall=%d,0,0,0,0,0", unix.SYS_PERF_EVENT_OPEN), works: "EFAULT", refused: []string{"EACCES"}, kernel: true},
		{threat: "E31", does: "a persona that makes memory executable", arrange: pattern("syscall=%d,%#x", unix.SYS_PERSONALITY, 0x400000), refused: []string{"EPERM"}, kernel: true},
		{
			threat: "E21", does: "a lease, which holds others still", refused: []string{"EINVAL"}, kernel: true,
			arrange: func(a *arena) attempt {
				a.write("leased", "")
				return attempt{try: "lease=" + a.path("leased")}
			},
		},
		{threat: "E28", does: "fanotify", arrange: pattern("syscall=%d,%#x,0", unix.SYS_FANOTIFY_INIT, unix.FAN_REPORT_FID), refused: []string{"EPERM"}, kernel: true, lacks: noCall("fanotify_init", unix.SYS_FANOTIFY_INIT, unix.FAN_REPORT_FID)},
		{threat: "E29", does: "a whiteout by renaming", arrange: at("whiteout", "whiteout"), refused: []string{"EINVAL"}, kernel: true, lacks: noWhiteout},
		{threat: "E29", does: "a whiteout by its number", arrange: at("whiteout-node", "node"), refused: []string{"EPERM"}, kernel: true},
		{threat: "E09", does: "out-of-band data on a Unix socket", arrange: just("out-of-band"), refused: []string{"ENOTSUP"}, kernel: true, lacks: noOutOfBand},
		{
			threat: "E09", does: "ESP inside UDP", arrange: pattern("option=%d,%d,100,2", unix.SOCK_DGRAM, unix.IPPROTO_UDP), refused: []string{"ENOPROTOOPT"}, kernel: true,
			lacks: noESP,
		},
		{threat: "E09", does: "another protocol on top of TCP", arrange: pattern("option=%d,%d,%d,0", unix.SOCK_STREAM, unix.IPPROTO_TCP, unix.TCP_ULP), works: "*", refused: []string{"ENOPROTOOPT"}, kernel: true},
		{threat: "E39", does: "memory hidden from the kernel", arrange: pattern("syscall=%d,0", unix.SYS_MEMFD_SECRET), refused: []string{"ENOSYS"}, kernel: true, lacks: noCall("memfd_secret", unix.SYS_MEMFD_SECRET)},
		{threat: "E31", does: "memory lent to a pipe", arrange: pattern("syscall=%d,0xffffffff,0,0,0", unix.SYS_VMSPLICE), works: "EBADF", refused: []string{"ENOSYS"}, kernel: true},
		{threat: "E31", does: "mappings in another order", arrange: pattern("syscall=%d,0,0,0,0,0", unix.SYS_REMAP_FILE_PAGES), works: "EINVAL", refused: []string{"ENOSYS"}, kernel: true},
		{threat: "E27", does: "what is in the page cache", arrange: pattern("syscall=%d,0xffffffff,0,0,0", unix.SYS_CACHESTAT), works: "*", refused: []string{"ENOSYS"}, kernel: true, lacks: missing(unix.SYS_CACHESTAT)},
		{threat: "E22", does: "advice on another's memory", arrange: pattern("syscall=%d,0xffffffff,0,0,0,0", unix.SYS_PROCESS_MADVISE), works: "*", refused: []string{"ENOSYS"}, kernel: true},
		{threat: "E22", does: "the memory of one that ends", arrange: pattern("syscall=%d,0xffffffff,0", unix.SYS_PROCESS_MRELEASE), works: "EBADF", refused: []string{"ENOSYS"}, kernel: true, lacks: missing(unix.SYS_PROCESS_MRELEASE)},
		{threat: "E22", does: "where pages lie", arrange: pattern("syscall=%d,0,0,0,0,0,0", unix.SYS_MOVE_PAGES), works: "*", refused: []string{"ENOSYS"}, kernel: true, lacks: missing(unix.SYS_MOVE_PAGES)},
		{threat: "E22", does: "moving all pages", arrange: pattern("syscall=%d,0,0,0,0", unix.SYS_MIGRATE_PAGES), works: "*", refused: []string{"ENOSYS"}, kernel: true, lacks: missing(unix.SYS_MIGRATE_PAGES)},
		{threat: "E31", does: "another label", arrange: pattern("syscall=%d,0,0,0,0", unix.SYS_LSM_SET_SELF_ATTR), works: "*", refused: []string{"ENOSYS"}, kernel: true, lacks: missing(unix.SYS_LSM_SET_SELF_ATTR)},
		{threat: "E26", does: "attributes by the newest call", arrange: pattern("syscall=%d,0xffffffff,0,0,0,0", unix.SYS_FILE_SETATTR), works: "*", refused: []string{"ENOSYS"}, kernel: true, lacks: missing(unix.SYS_FILE_SETATTR)},
		{threat: "E39", does: "a device of the host's", arrange: openDevice, refused: []string{"ENOENT"}, kernel: true, lacks: noDevice},
	}
}

// processAttacks reach for the user's other processes, for what they share, and for the one that
// keeps the agent.
func processAttacks() []attack {
	gone := []string{"ESRCH", "ENOENT", "no threads to be seen"}
	var attacks []attack
	for _, try := range []string{"signal", "pidfd"} {
		attacks = append(attacks, attack{threat: "E13", does: try, arrange: against(try), refused: gone, kernel: true})
	}
	for _, try := range []string{"priority", "io-priority", "prlimit", "affinity"} {
		attacks = append(attacks, attack{threat: "E14", does: try, arrange: against(try), refused: gone, kernel: true})
	}
	closed := []string{"EPERM", "EACCES", "ENOSYS"}
	for _, try := range []string{"ptrace", "vm-read", "steal-fd", "kcmp", "memory", "threads", "environ", "root", "descriptor", "namespace", "map-files"} {
		attacks = append(attacks,
			attack{
				threat: "E22", does: try + " of another process", arrange: against(try), kernel: true, lacks: yama,
				refused: slices.Concat(gone, closed, []string{"pidfd_open: ESRCH"}),
			},
			attack{
				threat: "E22", does: try + " of the one that keeps it", kernel: true, lacks: yama, refused: closed,
				arrange: func(a *arena) attempt { return attempt{try: try + "=" + a.keeper()} },
			})
	}
	return append(attacks,
		attack{
			threat: "E23", does: "arguments of another process", kernel: true, refused: []string{"nowhere"},
			arrange: func(a *arena) attempt { return attempt{try: "cmdlines=" + a.secret} },
		},
		attack{threat: "E24", does: "a secret in the user's environment", kernel: true, arrange: just("env=" + secretName), works: secretName, refused: []string{"none"}},
		attack{threat: "E25", does: "an inherited descriptor", kernel: true, refused: []string{"none"}, arrange: leaveOpen},
		attack{threat: "E32", does: "a System V queue", kernel: true, refused: []string{"ENOENT"}, arrange: sysv("sysv-msg", unix.SYS_MSGGET, 0, unix.SYS_MSGCTL)},
		attack{threat: "E32", does: "a System V segment", kernel: true, refused: []string{"ENOENT"}, arrange: sysv("sysv-shm", unix.SYS_SHMGET, 4096, unix.SYS_SHMCTL)},
		attack{threat: "E32", does: "System V semaphores", kernel: true, refused: []string{"ENOENT"}, arrange: sysv("sysv-sem", unix.SYS_SEMGET, 1, unix.SYS_SEMCTL)},
		attack{threat: "E32", does: "a POSIX queue", kernel: true, refused: []string{"ENOENT"}, arrange: posixQueue},
		attack{threat: "E32", does: "POSIX shared memory", kernel: true, refused: []string{"ENOENT"}, arrange: sharedMemory},
	)
}

// fileAttacks reach for files that were not granted, or more than was granted.
func fileAttacks() []attack {
	absent, stub, fixed := []string{"ENOENT"}, []string{"EACCES"}, []string{"EROFS", "EACCES"}
	attacks := []attack{
		{threat: "E27", does: "read what is not granted", arrange: at("read", "~/notes.txt"), refused: absent},
		{threat: "E27", does: "see that it is there", arrange: at("stat", "~/notes.txt"), refused: absent},
		{threat: "E27", does: "read what is denied by default", arrange: at("read", "~/.ssh/id_ed25519"), refused: stub},
		{threat: "E27", does: "list what is denied by default", arrange: at("list", "~/.ssh"), refused: stub},
		{threat: "E28", does: "watch what is denied by default", arrange: at("watch", "~/.ssh"), refused: stub},
		{threat: "E28", does: "watch what is not granted", arrange: at("watch", "~/notes.txt"), refused: absent},
		{threat: "E29", does: "link a file in from outside", refused: absent, arrange: func(a *arena) attempt {
			return attempt{"link=" + a.path("~/notes.txt") + ",linked", a.appears("linked")}
		}},
		{threat: "E29", does: "link a file in from what can be read", refused: []string{"EXDEV"}, arrange: func(a *arena) attempt {
			return attempt{"link=" + a.path("~/ref/r.txt") + ",hard", a.appears("hard")}
		}},
		{threat: "E29", does: "exchange with what can be read", refused: []string{"EXDEV", "EROFS"}, arrange: func(a *arena) attempt {
			a.write("~/ref/x.txt", "reference")
			a.write("x.txt", "mine")
			return attempt{"exchange=x.txt," + a.path("~/ref/x.txt"), a.changed("~/ref/x.txt")}
		}},
		{threat: "E29", does: "move something there", refused: []string{"EXDEV", "EROFS"}, arrange: func(a *arena) attempt {
			a.write("moved.txt", "mine")
			return attempt{"rename=moved.txt," + a.path("~/ref/moved.txt"), a.appears("~/ref/moved.txt")}
		}},
		{threat: "E30", does: "truncate what can be read", refused: fixed, arrange: func(a *arena) attempt {
			a.write("~/ref/t.txt", "reference")
			return on("truncate", "~/ref/t.txt", "")(a)
		}},
		{threat: "E34", does: "start a program where nothing may be executed", refused: stub, arrange: func(a *arena) attempt {
			return attempt{try: "run=" + copyOf(a, "/bin/true", "~/out/true")}
		}},
		{threat: "E35", does: "start it by the loader", works: "ok", refused: []string{"exit status 127"}, lacks: noLoader, arrange: func(a *arena) attempt {
			return attempt{try: "run=" + loader() + " " + copyOf(a, "/bin/true", "~/out/true2")}
		}},
		{threat: "E74", does: "leave something in a start-up file", arrange: on("create", "~/.bashrc", ",evil")},
		{threat: "E74", does: "leave a program in ~/.local/bin", arrange: func(a *arena) attempt {
			a.mkdir("~/.local/bin")
			return attempt{"create=" + a.path("~/.local/bin/git") + ",evil", a.appears("~/.local/bin/git")}
		}},
		{threat: "E75", does: "read through a link", refused: absent, arrange: func(a *arena) attempt { return attempt{try: "read=" + a.symlink("a-link", "~/notes.txt")} }},
		{threat: "E75", does: "read through a link what is denied", refused: stub, arrange: func(a *arena) attempt {
			return attempt{try: "read=" + a.symlink("b-link", "~/.ssh/id_ed25519")}
		}},
		{threat: "E75", does: "write through a link", refused: fixed, arrange: func(a *arena) attempt {
			a.write("~/ref/l.txt", "reference")
			link := a.symlink("c-link", "~/ref/l.txt")
			return attempt{"append=" + link + ",evil", a.changed("~/ref/l.txt")}
		}},
	}
	for i, try := range []string{"chmod", "utimes", "setxattr"} {
		readable := fmt.Sprintf("~/ref/m%d.txt", i)
		attacks = append(attacks,
			attack{threat: "E26", does: try + " of what is not granted", arrange: on(try, "~/notes.txt", ""), refused: absent},
			attack{threat: "E26", does: try + " of what can be read", refused: fixed, arrange: func(a *arena) attempt {
				a.write(readable, "reference")
				return on(try, readable, "")(a)
			}})
	}
	return append(attacks,
		attack{threat: "E86", does: "a file system that a path rule does not reach", arrange: just("stat=/"), lacks: func(*testing.T) string {
			return "a 9p mount, which needs a host that serves one"
		}},
	)
}

// serviceAttacks ask the user's daemons to act for the agent. Each has a socket at a place of its
// own: outside every grant, or in the runtime directory, which the policy grants as a whole, and
// where the defaults deny them one by one.
func serviceAttacks() []attack {
	absent, masked := []string{"ENOENT"}, []string{"EACCES", "ECONNREFUSED"}
	socket := func(name string) func(*arena) attempt {
		return func(a *arena) attempt {
			return contact("unix", "unix", strings.Replace(name, "RUNTIME", a.runtime, 1))(a)
		}
	}
	attacks := []attack{
		{threat: "E10", does: "a Unix socket", arrange: socket("~/s/s"), refused: absent},
		{threat: "E10", does: "a Unix socket, seqpacket", arrange: contact("unixpacket", "unixpacket", "~/s/p"), refused: absent},
		{threat: "E11", does: "a Unix socket, datagram without connect", arrange: contact("unixgram", "unixgram", "~/s/d"), refused: absent},
		{threat: "E42", does: "GVFS", refused: absent, arrange: func(a *arena) attempt {
			a.mkdir("~/.gvfs")
			return attempt{try: "list=" + a.path("~/.gvfs")}
		}},
		{threat: "E44", does: "an ssh-agent in /tmp", refused: []string{"ENOENT", "EACCES"}, arrange: func(a *arena) attempt {
			dir, err := os.MkdirTemp("/tmp", "ssh-")
			if err != nil {
				a.t.Fatal(err)
			}
			a.t.Cleanup(func() { _ = machine.RemoveAll(dir) })
			return contact("unix", "unix", dir+"/agent.1")(a)
		}},
		{threat: "E45", does: "X11 by its abstract socket", refused: []string{"ECONNREFUSED"}, kernel: true, arrange: func(a *arena) attempt {
			return contact("unix", "unix", fmt.Sprintf("@/tmp/.X11-unix/X%d-%d", os.Getpid(), len(a.kind)))(a)
		}},
		{threat: "E83", does: "a build daemon", arrange: socket("~/.local/state/watchman/sock"), refused: absent},
	}
	for _, s := range [][2]string{
		{"E41", "bus"},
		{"E41", "systemd/private"},
		{"E43", "docker.sock"},
		{"E43", "podman/podman.sock"},
		{"E44", "gnupg/S.gpg-agent"},
		{"E44", "keyring/control"},
		{"E44", "ssh-agent.socket"},
		{"E45", "wayland-0"},
		{"E45", "pipewire-0"},
		{"E46", "vscode-ipc-1.sock"},
		{"E46", "tmux-1/default"},
		{"E59", "nono/socket"},
	} {
		attacks = append(attacks, attack{threat: s[0], does: s[1] + " in a directory that can be read", arrange: socket("RUNTIME/" + s[1]), refused: masked})
	}
	return attacks
}

// handOverAttacks leave something behind that the user, or a tool of theirs, runs outside later; or
// switch the sandbox off.
func handOverAttacks() []attack {
	fixed := []string{"EROFS", "EACCES"}
	pinned := []string{"EBUSY"}
	// spring is an attempt that sets a trap in a repository.
	spring := func(name string, try func(a *arena, dir, command string) string) func(*arena) attempt {
		return func(a *arena) attempt {
			dir := a.repository(name)
			command, sprung := a.trap(dir)
			return attempt{try(a, dir, command), sprung}
		}
	}
	config := func(format string) func(a *arena, dir, command string) string {
		return func(_ *arena, dir, command string) string {
			return "append=" + dir + "/.git/config," + fmt.Sprintf(format, command)
		}
	}
	attributes := func(a *arena, dir, line string) {
		a.write(dir+"/.gitattributes", line) // which the agent could as well
	}
	// elsewhere is the same for settings that lie outside of the repository's own .git.
	elsewhere := func(name string, settings func(a *arena, dir string) string) func(*arena) attempt {
		return spring(name, func(a *arena, dir, command string) string {
			return "append=" + settings(a, dir) + fmt.Sprintf(",\n[core]\n\tfsmonitor = %q\n", command)
		})
	}
	attacks := []attack{
		{threat: "E66", does: "a hook in the directory that core.hooksPath names", refused: fixed, arrange: spring("kept", func(a *arena, dir, command string) string {
			a.mkdir(dir + "/tools")
			a.git(dir, "config", "core.hooksPath", "tools")
			return "create=" + dir + "/tools/pre-commit,#!/bin/sh\n" + command + "\n"
		})},
		{threat: "E67", does: "a file that the settings include", refused: fixed, arrange: elsewhere("included", func(a *arena, dir string) string {
			a.write(dir+"/shared.inc", "")
			a.git(dir, "config", "include.path", "../shared.inc")
			return dir + "/shared.inc"
		})},
		{threat: "E68", does: "the settings of a repository in the index", refused: fixed, arrange: elsewhere("outer", func(a *arena, dir string) string {
			a.nested(dir, "a/b/c/d/inner")
			a.git(dir, "add", "a/b/c/d/inner")
			a.git(dir, "commit", "-qm", "two")
			return dir + "/a/b/c/d/inner/.git/config"
		})},
		{threat: "E68", does: "the settings of a submodule", refused: fixed, arrange: elsewhere("super", func(a *arena, dir string) string {
			a.submodule(dir)
			return dir + "/.git/modules/sub/config"
		})},
		{threat: "E69", does: "the file .git of a submodule", refused: fixed, arrange: spring("supers", func(a *arena, dir, command string) string {
			a.submodule(dir)
			a.nested(dir, "evil")
			a.write(dir+"/evil/.git/config", fmt.Sprintf("[core]\n\trepositoryformatversion = 0\n\tfsmonitor = %q\n", command))
			return "create=" + dir + "/sub/.git,gitdir: ../evil/.git\n"
		})},
		{threat: "E69", does: "what a worktree shares", refused: fixed, arrange: func(a *arena) attempt {
			dir, tree := a.repository("shared"), a.path("~/trees/shared") // the worktree is not granted
			a.git(dir, "worktree", "add", "-q", tree)
			a.nested(dir, "evil")
			command, sprung := a.trap(tree)
			a.write(dir+"/evil/.git/config", fmt.Sprintf("[core]\n\trepositoryformatversion = 0\n\tfsmonitor = %q\n", command))
			return attempt{"create=" + dir + "/.git/worktrees/shared/commondir,../../../evil/.git\n", sprung}
		}},
		{threat: "E75", does: "a link in the place of hooks, replaced", refused: pinned, arrange: linked(".git/hooks", "../shared")},
		{threat: "E75", does: "a link on the way to another agent's settings, replaced", refused: pinned, arrange: linked(".claude", "shared")},
		{threat: "E75", does: "a link that leads out, replaced", refused: pinned, arrange: linked(".claude", "/usr/share")},
		{threat: "E75", does: "a link in a circle, replaced", refused: pinned, arrange: linked(".mcp.json", ".mcp.json")},
		{threat: "E66", does: "a hook", refused: fixed, arrange: spring("hook", func(_ *arena, dir, command string) string {
			return "create=" + dir + "/.git/hooks/pre-commit,#!/bin/sh\n" + command + "\n"
		})},
		{threat: "E67", does: "core.fsmonitor", refused: fixed, arrange: spring("fsmonitor", config("\n[core]\n\tfsmonitor = %q\n"))},
		{threat: "E67", does: "diff.external", refused: fixed, arrange: spring("diff", config("\n[diff]\n\texternal = %q\n"))},
		{threat: "E67", does: "core.hooksPath", refused: fixed, arrange: spring("hookspath", func(a *arena, dir, command string) string {
			a.write(dir+"/tools/pre-commit", "#!/bin/sh\n"+command+"\n")
			if err := os.Chmod(dir+"/tools/pre-commit", 0o755); err != nil {
				a.t.Fatal(err)
			}
			return "append=" + dir + "/.git/config,\n[core]\n\thooksPath = tools\n"
		})},
		{threat: "E67", does: "include.path", refused: fixed, arrange: spring("include", func(a *arena, dir, command string) string {
			a.write(dir+"/more", fmt.Sprintf("[core]\n\tfsmonitor = %q\n", command))
			return "append=" + dir + "/.git/config,\n[include]\n\tpath = ../more\n"
		})},
		{threat: "E67", does: "filter.clean", refused: fixed, arrange: spring("clean", func(a *arena, dir, command string) string {
			attributes(a, dir, "*.txt filter=x\n")
			return config("\n[filter \"x\"]\n\tclean = %q\n")(a, dir, command)
		})},
		{threat: "E67", does: "diff.textconv", refused: fixed, arrange: spring("textconv", func(a *arena, dir, command string) string {
			attributes(a, dir, "*.txt diff=x\n")
			return config("\n[diff \"x\"]\n\ttextconv = %q\n")(a, dir, command)
		})},
		{threat: "E67", does: "info/attributes for a filter that is there", refused: fixed, arrange: spring("attributes", func(a *arena, dir, command string) string {
			a.git(dir, "config", "filter.x.clean", command)
			return "append=" + dir + "/.git/info/attributes,*.txt filter=x\n"
		})},
		{threat: "E69", does: "another .git in its place", refused: pinned, arrange: func(a *arena) attempt {
			dir := a.repository("replaced")
			return attempt{"rename=" + dir + "/.git," + dir + "/.git2", a.appears(dir + "/.git2")}
		}},
		{threat: "E69", does: "an exchange of .git", refused: pinned, arrange: func(a *arena) attempt {
			dir := a.repository("exchanged")
			a.write(dir+"/evil/config", "")
			return attempt{"exchange=" + dir + "/.git," + dir + "/evil", a.changed(dir + "/.git/config")}
		}},
		{threat: "E69", does: "the file .git of a worktree", refused: fixed, arrange: worktree("append", ",gitdir: evil")},
		{threat: "E69", does: "the file .git of a worktree, removed", refused: pinned, arrange: worktree("remove", "")},
		{threat: "E70", does: "git's own option to write a file", arrange: func(a *arena) attempt {
			dir := a.repository("output")
			hook := dir + "/.git/hooks/pre-commit"
			return attempt{"run=git -C " + dir + " diff --output=" + hook, a.appears(hook)}
		}},
		{threat: "E76", does: "another case", arrange: just("stat=/"), lacks: caseMatters},
		{threat: "E78", does: "variables that load or run something", arrange: injected, works: "*", refused: []string{"none"}, kernel: true},
		{threat: "E79", does: "start nono again, without its layer", kernel: true, refused: []string{"exit status 125"}, arrange: func(a *arena) attempt {
			return attempt{try: "run=" + programs + "/nono run -s --disable filesystem -- cat " + a.path("~/notes.txt")}
		}},
		{threat: "E79", does: "replace nono", refused: fixed, arrange: func(*arena) attempt {
			return attempt{try: "open-w=" + programs + "/nono-short"}
		}},
	}
	for _, name := range []string{
		".claude/settings.json", ".claude/hooks/x.sh", ".mcp.json", ".cursor/mcp.json", ".cursor/hooks.json", ".codex/config.toml", ".gemini/settings.json",
	} {
		attacks = append(attacks, attack{threat: "E72", does: name, refused: fixed, arrange: func(a *arena) attempt {
			a.write(name, "{}\n")
			return on("append", name, ",evil")(a)
		}})
	}
	return attacks
}

// rootAttacks are what root's files would let it do, without a single capability.
func rootAttacks() []attack {
	fixed, absent := []string{"EROFS"}, []string{"ENOENT"}
	file := func(name string) func(*testing.T) string {
		return func(*testing.T) string {
			if _, err := os.Stat(name); err != nil {
				return name
			}
			return ""
		}
	}
	attacks := []attack{
		{threat: "E15", does: "core_pattern, which the host executes", arrange: just("open-w=/proc/sys/kernel/core_pattern"), refused: fixed, kernel: true},
		{
			threat: "E15", does: "modprobe, which the host executes", arrange: just("open-w=/proc/sys/kernel/modprobe"), refused: fixed, kernel: true,
			lacks: file("/proc/sys/kernel/modprobe"),
		},
		{threat: "E15", does: "a setting of the kernel", arrange: just("open-w=/proc/sys/vm/overcommit_memory"), refused: fixed, kernel: true},
		{threat: "E15", does: "sysrq", arrange: just("open-w=/proc/sysrq-trigger"), refused: []string{"EACCES"}, kernel: true, lacks: file("/proc/sysrq-trigger")},
		{
			threat: "E15", does: "uevent_helper, which the host executes", arrange: just("open-w=/sys/kernel/uevent_helper"),
			refused: []string{"ENOENT", "EROFS"}, kernel: true, lacks: file("/sys/kernel/uevent_helper"),
		},
		{threat: "E26", does: "the mode of what /proc shows of the machine", arrange: just("chmod-same=/proc/version"), refused: fixed, kernel: true},
		{threat: "E26", does: "the mode of a directory of /proc", arrange: just("chmod-same=/proc/tty"), refused: fixed, kernel: true},
		{
			threat: "E27", does: "what only root may read in /proc", arrange: just("open=/proc/kpageflags"), refused: []string{"EACCES"}, kernel: true,
			lacks: file("/proc/kpageflags"),
		},
		{threat: "E27", does: "a file of root's", arrange: just("read=/etc/shadow"), refused: absent},
		{threat: "E27", does: "the machine's keys", arrange: just("list=/etc/ssl/private"), refused: []string{"EACCES"}, lacks: file("/etc/ssl/private")},
		{
			threat: "E15", does: "a setting of the kernel in /sys", arrange: just("open-w=/sys/kernel/mm/transparent_hugepage/enabled"),
			refused: []string{"ENOENT", "EROFS"}, kernel: true, lacks: file("/sys/kernel/mm/transparent_hugepage/enabled"),
		},
		{threat: "E27", does: "what the machine is made of, by /sys", arrange: just("list=/sys/class"), refused: absent},
		{threat: "E31", does: "a mount namespace", arrange: just(fmt.Sprintf("namespace-new=%#x", unix.CLONE_NEWNS)), refused: []string{"EPERM"}, kernel: true},
		{threat: "E31", does: "a file by its handle", arrange: just("by-handle=/etc/passwd"), refused: []string{"EPERM"}, kernel: true},
		{threat: "E09", does: "raw sockets", arrange: just("socket=2,3,1"), refused: []string{"ESOCKTNOSUPPORT"}, kernel: true},
		{threat: "E09", does: "packet sockets", arrange: just("socket=17,3,0"), refused: []string{"EAFNOSUPPORT"}, kernel: true},
		{threat: "E39", does: "the kernel's log", arrange: just(fmt.Sprintf("syscall=%d,10,0,0", unix.SYS_SYSLOG)), refused: []string{"EPERM"}, kernel: true},
		{threat: "E39", does: "a device of the agent's own making", arrange: func(a *arena) attempt {
			return attempt{"mknod-null=" + a.path("null"), a.appears("null")}
		}, refused: []string{"EPERM", "EACCES"}, kernel: true},
	}
	for _, try := range []string{"chmod-same", "chown-same"} {
		attacks = append(attacks, attack{threat: "E26", does: try + " of a device", arrange: just(try + "=/dev/null"), refused: fixed, kernel: true})
	}
	return attacks
}

// What is put into an arena.

// symlink plants a link in the project.
func (a *arena) symlink(name, to string) string {
	a.t.Helper()
	if err := os.Symlink(a.path(to), a.path(name)); err != nil {
		a.t.Fatal(err)
	}
	return a.path(name)
}

func copyOf(a *arena, from, to string) string {
	a.t.Helper()
	a.write(to, readAll(a.t, from))
	if err := os.Chmod(a.path(to), 0o755); err != nil {
		a.t.Fatal(err)
	}
	return a.path(to)
}

// worktree is a repository whose .git is a file.
func worktree(try, more string) func(*arena) attempt {
	return func(a *arena) attempt {
		dir := a.path("~/repos/worktree-" + try)
		a.mkdir(dir)
		a.mkdir("~/gits")
		a.git(dir, "init", "-q", "--separate-git-dir", a.path("~/gits/"+try))
		a.allow = append(a.allow, dir)
		return on(try, dir+"/.git", more)(a)
	}
}

// nested makes a repository with a commit in another one.
func (a *arena) nested(dir, name string) {
	a.t.Helper()
	dir = filepath.Join(dir, name)
	a.mkdir(dir)
	a.git(dir, "init", "-q")
	a.git(dir, "commit", "-q", "--allow-empty", "-m", "one")
}

// submodule gives a repository one, called sub.
func (a *arena) submodule(dir string) {
	a.t.Helper()
	a.nested(a.path("~/repos"), "of-"+filepath.Base(dir))
	a.git(dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", a.path("~/repos/of-"+filepath.Base(dir)), "sub")
	a.git(dir, "commit", "-qm", "two")
}

// linked is a project in which a protected name is a link.
func linked(name, to string) func(*arena) attempt {
	return func(a *arena) attempt {
		dir := a.repository("linked-" + strings.NewReplacer("/", "-", ".", "").Replace(name+to))
		a.mkdir(dir + "/shared")
		if err := machine.RemoveAll(dir + "/.git/hooks"); err != nil {
			a.t.Fatal(err)
		}
		if err := os.Symlink(to, dir+"/"+name); err != nil {
			a.t.Fatal(err)
		}
		other := dir + "/" + name + "2" // in the same directory, or the mount above would refuse it
		return attempt{"rename=" + dir + "/" + name + "," + other, a.appears(other)}
	}
}

// injected gives the user every variable that makes a program load or run something.
func injected(a *arena) attempt {
	names := []string{
		"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "PROMPT_COMMAND", "NODE_OPTIONS", "NODE_PATH", "PYTHONSTARTUP", "PYTHONPATH",
		"PYTHONHOME", "PERL5OPT", "PERL5LIB", "RUBYOPT", "JAVA_TOOL_OPTIONS", "DOTNET_STARTUP_HOOKS", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF",
		"GIT_CONFIG_GLOBAL", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "TMUX", "VSCODE_GIT_IPC_HANDLE", "DISPLAY", "WAYLAND_DISPLAY",
	}
	for _, name := range names {
		a.Env = append(a.Env, name+"=/nonexistent")
	}
	return attempt{try: "env=" + strings.Join(names, ",")}
}

// leaveOpen is a file that is open when nono starts, without being marked close-on-exec.
func leaveOpen(a *arena) attempt {
	a.write("~/open.txt", "open")
	f, err := os.OpenFile(a.path("~/open.txt"), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { f.Close() })
	a.extra = append(a.extra, f)
	return attempt{"inherited=" + f.Name(), a.changed("~/open.txt")}
}

// sysv makes an object of System V's, which everybody who knows its number can open.
func sysv(try string, get, size, control uintptr) func(*arena) attempt {
	return func(a *arena) attempt {
		key := uintptr(0x6e6f0000 + os.Getpid()<<3 + len(a.kind))
		args := [3]uintptr{key, size, 0o600 | unix.IPC_CREAT}
		if get == unix.SYS_MSGGET {
			args = [3]uintptr{key, 0o600 | unix.IPC_CREAT}
		}
		id, _, errno := syscall.Syscall(get, args[0], args[1], args[2])
		if errno != 0 {
			a.t.Fatal(errno)
		}
		a.t.Cleanup(func() {
			if get == unix.SYS_SEMGET {
				_, _, _ = syscall.Syscall(control, id, 0, unix.IPC_RMID)
			} else {
				_, _, _ = syscall.Syscall(control, id, unix.IPC_RMID, 0)
			}
		})
		return attempt{try: fmt.Sprintf("%s=%d", try, key)}
	}
}

func posixQueue(a *arena) attempt {
	name := fmt.Sprintf("nono-%d-%d", os.Getpid(), len(a.kind))
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		a.t.Fatal(err)
	}
	fd, _, errno := syscall.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0)
	if errno != 0 {
		a.t.Fatal(errno)
	}
	_ = unix.Close(int(fd))
	a.t.Cleanup(func() { _, _, _ = syscall.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0) })
	return attempt{try: "posix-mq=" + name}
}

func sharedMemory(a *arena) attempt {
	f, err := os.CreateTemp("/dev/shm", "nono-")
	if err != nil {
		a.t.Fatal(err)
	}
	f.Close()
	a.t.Cleanup(func() { _ = os.Remove(f.Name()) })
	return attempt{try: "read=" + f.Name()}
}

// hideKey puts a key into the user's keyring, which every process of the user's may read.
func hideKey(a *arena) attempt {
	name := fmt.Sprintf("nono-%d-%s", os.Getpid(), a.kind)
	id, err := addKey(name)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0) })
	return attempt{try: "keyring=" + name}
}

func addKey(name string) (int, error) {
	id, err := unix.AddKey("user", name, []byte("key"), unix.KEY_SPEC_USER_KEYRING)
	if err != nil {
		return 0, err
	}
	const userMay = 0x3f3f0000
	return id, unix.KeyctlSetperm(id, userMay)
}

// What a host may lack.

func noSocket(family, kind, protocol int) func(*testing.T) string {
	return func(*testing.T) string {
		fd, err := unix.Socket(family, kind, protocol)
		if err != nil {
			return fmt.Sprintf("a socket of family %d, type %d, protocol %d: %v", family, kind, protocol, err)
		}
		_ = unix.Close(fd)
		return ""
	}
}

func noCall(name string, number uintptr, args ...uintptr) func(*testing.T) string {
	return func(*testing.T) string {
		var a [3]uintptr
		copy(a[:], args)
		fd, _, errno := syscall.Syscall(number, a[0], a[1], a[2])
		if errno != 0 {
			return name + ": " + errno.Error()
		}
		_ = unix.Close(int(fd))
		return ""
	}
}

// missing is what a kernel lacks that answers ENOSYS.
func missing(number uintptr) func(*testing.T) string {
	return func(*testing.T) string {
		// Bad descriptors and addresses everywhere, so that nothing happens.
		if _, _, errno := syscall.Syscall6(number, ^uintptr(0), 0, 0, 0, 0, 0); errno == unix.ENOSYS {
			return fmt.Sprintf("a kernel with system call %d", number)
		}
		return ""
	}
}

func noWhiteout(t *testing.T) string {
	from := filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, from+"2", unix.RENAME_WHITEOUT); err != nil {
		return "a file system with whiteouts: " + err.Error()
	}
	return ""
}

func noOutOfBand(t *testing.T) string { return noTry(t, "out-of-band", "ok") }

func noESP(t *testing.T) string {
	return noTry(t, fmt.Sprintf("option=%d,%d,100,2", unix.SOCK_DGRAM, unix.IPPROTO_UDP), "ok")
}

func noIPv6(*testing.T) string {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return err.Error()
	}
	l.Close()
	return ""
}

// noTry asks the prober, where the test itself could not say without harm.
func noTry(t *testing.T, try string, unless ...string) string {
	t.Helper()
	out, err := exec.Command(prober, try).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); !slices.Contains(unless, got) {
		return try + ": " + got
	}
	return ""
}

func no32Bit(t *testing.T) string { return noTry(t, "int80=20", "ok") }
func noX32(t *testing.T) string   { return noTry(t, "x32", "ok") }
func noSTI(t *testing.T) string   { return noTry(t, "sti=", "ok") }
func noRing(t *testing.T) string  { return noTry(t, "io-uring", "ok") }

func noKeyring(*testing.T) string {
	id, err := addKey(fmt.Sprintf("nono-%d-try", os.Getpid()))
	if err != nil {
		return err.Error()
	}
	_, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0)
	return ""
}

// yama keeps a process from another that is not its child, with no sandbox.
func yama(*testing.T) string {
	if b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err == nil && strings.TrimSpace(string(b)) != "0" {
		return "Yama keeps processes from each other here"
	}
	return ""
}

func loader() string {
	for _, p := range []string{"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return ""
}

func noLoader(*testing.T) string {
	if loader() == "" {
		return "the C library's loader at a place that is known"
	}
	return ""
}

// device is one of the host's that this user can open.
func device() string {
	for _, pattern := range []string{"fuse", "kvm", "net/tun", "vsock", "vhost-vsock", "loop-control", "dri/*", "input/event*", "snd/*", "sd?", "vd?", "nvme?n?"} {
		names, _ := filepath.Glob("/dev/" + pattern)
		for _, name := range names {
			fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err == nil {
				_ = unix.Close(fd)
				return name
			}
		}
	}
	return ""
}

func noDevice(*testing.T) string {
	if device() == "" {
		return "a device that this user can open"
	}
	return ""
}

func openDevice(*arena) attempt { return attempt{try: "open=" + device()} }

// caseMatters is so on nearly every file system of Linux: then .GIT is nobody's repository.
func caseMatters(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "A")); err != nil {
		return "a file system that takes .GIT for .git"
	}
	return ""
}
