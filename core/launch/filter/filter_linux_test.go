package filter_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk/fragment"
)

// machine runs an assembled program as the kernel would.
type machine struct {
	vm     *bpf.VM
	native *arch.Info
}

func assemble(t *testing.T, steps []fragment.Seccomp) machine {
	t.Helper()
	program, err := filter.Assemble(steps)
	if err != nil {
		t.Fatal(err)
	}
	var raw []bpf.RawInstruction
	for i := 0; i < len(program); i += 8 {
		b := program[i:]
		raw = append(raw, bpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		})
	}
	instructions, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the program has an instruction that cannot be read back")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	native, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d instructions", len(raw))
	return machine{vm, native}
}

// ask gives the program a call by number and says what it answers.
func (m machine) ask(t *testing.T, auditArch, number uint32, args ...uint64) string {
	t.Helper()
	// struct seccomp_data. The machine here reads words with the high byte first; the kernel reads
	// them in its own order, and so each word is put down turned round, at its own place.
	data := make([]byte, 64)
	put := func(off int, v uint32) { binary.BigEndian.PutUint32(data[off:], v) }
	put(0, number)
	put(4, auditArch)
	for i, a := range args {
		put(16+8*i, uint32(a))
		put(16+8*i+4, uint32(a>>32))
	}
	got, err := m.vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	answer := uint32(got)
	switch answer & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case unix.SECCOMP_RET_KILL_PROCESS:
		return "kill"
	case unix.SECCOMP_RET_ERRNO:
		return unix.ErrnoName(unix.Errno(answer & unix.SECCOMP_RET_DATA))
	}
	return fmt.Sprintf("%#x", answer)
}

// call asks by name, for this machine.
func (m machine) call(t *testing.T, name string, args ...uint64) string {
	t.Helper()
	number, ok := m.native.SyscallNames[name]
	if !ok {
		t.Skipf("%s has no system call %s", m.native.Name, name)
	}
	return m.ask(t, uint32(m.native.ID), uint32(number), args...)
}

const high = 1 << 32 // the lowest bit that a 32-bit comparison overlooks

// TestHardening is the specification of the filter that every agent runs under.
func TestHardening(t *testing.T) {
	m := assemble(t, base.Hardening())
	const (
		unixFamily, inet, inet6, ipx, netlink, packet, alg, vsock = 1, 2, 10, 4, 16, 17, 38, 40
		stream, dgram, raw, rdm, seqpacket                        = 1, 2, 3, 4, 5
		nonblock, cloexec                                         = 0o4000, 0o2000000
		icmp, tcp, udp, sctp, udplite, mptcp                      = 1, 6, 17, 132, 136, 262
		minusOne                                                  = ^uint64(0)
	)
	for _, test := range []struct {
		call string
		args []uint64
		want string
	}{
		// What programs need.
		{"read", nil, "allow"},
		{"execve", nil, "allow"},
		{"socket", []uint64{unixFamily, stream | cloexec, 0}, "allow"},
		{"socket", []uint64{unixFamily, dgram, 0}, "allow"},
		{"socketpair", []uint64{unixFamily, seqpacket | nonblock, 0}, "allow"},
		{"socket", []uint64{inet, stream | nonblock | cloexec, 0}, "allow"},
		{"socket", []uint64{inet6, stream, tcp}, "allow"},
		{"socket", []uint64{inet, dgram, 0}, "allow"},
		{"socket", []uint64{inet6, dgram | cloexec, udp}, "allow"},
		{"socket", []uint64{netlink, raw | cloexec, 0}, "allow"},
		{"clone", []uint64{0x11 | 0x4100}, "allow"},                // vfork
		{"clone", []uint64{0x3d0f00}, "allow"},                     // a thread
		{"clone", []uint64{0x80}, "allow"},                         // an odd exit signal, not a time namespace
		{"unshare", []uint64{0x400}, "allow"},                      // descriptors
		{"ptrace", []uint64{0}, "allow"},                           // TRACEME
		{"ptrace", []uint64{7, 1}, "allow"},                        // CONT
		{"ioctl", []uint64{0, 0x5413}, "allow"},                    // window size
		{"sendto", []uint64{3, 0, 0, 0x4000}, "allow"},             // NOSIGNAL
		{"sendmsg", []uint64{3, 0, 0x4000}, "allow"},               //
		{"personality", []uint64{0xffffffff}, "allow"},             // query
		{"personality", []uint64{minusOne}, "allow"},               // the same, as an int
		{"personality", []uint64{0x0040000}, "allow"},              // gdb
		{"personality", []uint64{0x0008}, "allow"},                 // setarch
		{"name_to_handle_at", nil, "allow"},                        //
		{"memfd_create", nil, "allow"},                             //
		{"seccomp", nil, "allow"},                                  // a browser's own sandbox
		{"prlimit64", nil, "allow"},                                //
		{"pidfd_open", nil, "allow"},                               //
		{"inotify_add_watch", nil, "allow"},                        //
		{"landlock_restrict_self", nil, "allow"},                   //
		{"fchmodat2", nil, "allow"},                                //
		{"rt_sigqueueinfo", []uint64{high | 1, high | 2}, "allow"}, //

		// E01, E02, E06 to E09: sockets past the allowlist.
		{"socket", []uint64{inet, stream, mptcp}, "EPROTONOSUPPORT"},
		{"socket", []uint64{inet6, stream | cloexec, mptcp}, "EPROTONOSUPPORT"},
		{"socket", []uint64{inet, stream, sctp}, "EPROTONOSUPPORT"},
		{"socket", []uint64{inet, dgram, icmp}, "EPROTONOSUPPORT"},
		{"socket", []uint64{inet, dgram, udplite}, "EPROTONOSUPPORT"},
		{"socket", []uint64{inet, dgram, tcp}, "EPROTONOSUPPORT"},
		{"socket", []uint64{netlink, raw, 9}, "EPROTONOSUPPORT"}, // audit
		{"socket", []uint64{netlink, dgram, 12}, "EPROTONOSUPPORT"},
		{"socket", []uint64{unixFamily, stream, 2}, "EPROTONOSUPPORT"},
		{"socket", []uint64{inet, raw, icmp}, "ESOCKTNOSUPPORT"},
		{"socket", []uint64{inet6, raw | nonblock, 58}, "ESOCKTNOSUPPORT"},
		{"socket", []uint64{inet, seqpacket, sctp}, "ESOCKTNOSUPPORT"},
		{"socket", []uint64{inet, rdm, 0}, "ESOCKTNOSUPPORT"},
		{"socket", []uint64{inet, 10, 0}, "ESOCKTNOSUPPORT"}, // PACKET
		{"socket", []uint64{unixFamily, raw, 0}, "ESOCKTNOSUPPORT"},
		{"socket", []uint64{packet, raw, 3}, "EAFNOSUPPORT"},
		{"socket", []uint64{vsock, stream, 0}, "EAFNOSUPPORT"},
		{"socket", []uint64{alg, seqpacket, 0}, "EAFNOSUPPORT"},
		{"socket", []uint64{ipx, dgram, 0}, "EAFNOSUPPORT"},
		{"socket", []uint64{0, stream, 0}, "EAFNOSUPPORT"},
		{"socketpair", []uint64{30, stream, 0}, "EAFNOSUPPORT"}, // TIPC
		// Bits that the kernel does not look at change nothing (E17).
		{"socket", []uint64{high | inet, high | stream, high | mptcp}, "EPROTONOSUPPORT"},
		{"socket", []uint64{high | vsock, stream, 0}, "EAFNOSUPPORT"},
		{"socket", []uint64{high | inet, stream, 0}, "allow"},

		// E04: TCP Fast Open.
		{"sendto", []uint64{3, 0, 0, 0x20000000}, "ENOTSUP"},
		{"sendto", []uint64{3, 0, 0, 0x20004000 | high}, "ENOTSUP"},
		{"sendmsg", []uint64{3, 0, 0x20000040}, "ENOTSUP"},
		{"sendmmsg", []uint64{3, 0, 1, 0x20000000}, "ENOTSUP"},

		// E31: namespaces and mounts.
		{"clone", []uint64{0x10000011}, "EPERM"},
		{"clone", []uint64{0x00020011}, "EPERM"},
		{"clone", []uint64{0x7e020000 | high}, "EPERM"},
		{"clone3", nil, "ENOSYS"},
		{"unshare", []uint64{0x10000000}, "EPERM"},
		{"unshare", []uint64{0x80}, "EPERM"},
		{"unshare", []uint64{0x40000400}, "EPERM"},
		{"setns", nil, "EPERM"},
		{"mount", nil, "EPERM"},
		{"umount2", nil, "EPERM"},
		{"open_tree", nil, "EPERM"},
		{"open_tree_attr", nil, "EPERM"},
		{"fsopen", nil, "EPERM"},
		{"move_mount", nil, "EPERM"},
		{"mount_setattr", nil, "EPERM"},
		{"pivot_root", nil, "EPERM"},
		{"chroot", nil, "EPERM"},
		{"open_by_handle_at", nil, "EPERM"},

		// E22: other processes.
		{"ptrace", []uint64{16, 1}, "EPERM"},
		{"ptrace", []uint64{0x4206, 1}, "EPERM"},
		{"ptrace", []uint64{high | 16, 1}, "allow"}, // a long: the kernel sees another request, and knows none
		{"process_vm_readv", nil, "ENOSYS"},
		{"process_vm_writev", nil, "ENOSYS"},
		{"pidfd_getfd", nil, "EPERM"},
		{"kcmp", nil, "EPERM"},

		// E37, E17: typing into a terminal.
		{"ioctl", []uint64{0, 0x5412}, "EPERM"},
		{"ioctl", []uint64{0, high | 0x5412}, "EPERM"},
		{"ioctl", []uint64{0, 0x541c}, "EPERM"},
		{"ioctl", []uint64{0, 0xffffffff0000541c}, "EPERM"},

		// E19, E21, E33 and the rest of the kernel's surface.
		{"io_uring_setup", nil, "ENOSYS"},
		{"io_uring_enter", nil, "ENOSYS"},
		{"io_uring_register", nil, "ENOSYS"},
		{"userfaultfd", []uint64{1}, "EPERM"},
		{"bpf", nil, "EPERM"},
		{"perf_event_open", nil, "EACCES"},
		{"keyctl", nil, "EPERM"},
		{"add_key", nil, "EPERM"},
		{"request_key", nil, "EPERM"},
		{"personality", []uint64{0x0400000}, "EPERM"}, // READ_IMPLIES_EXEC
		{"personality", []uint64{0x0100000}, "EPERM"}, // MMAP_PAGE_ZERO
		{"kexec_load", nil, "EPERM"},
		{"init_module", nil, "EPERM"},
		{"finit_module", nil, "EPERM"},
		{"reboot", nil, "EPERM"},
		{"swapon", nil, "EPERM"},
		{"acct", nil, "EPERM"},
		{"quotactl", nil, "EPERM"},
		{"syslog", nil, "EPERM"},
	} {
		t.Run(fmt.Sprintf("%s%x", test.call, test.args), func(t *testing.T) {
			if got := m.call(t, test.call, test.args...); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestHardeningAMD64 has the calls that only this machine has.
func TestHardeningAMD64(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("these calls exist on amd64 only")
	}
	m := assemble(t, base.Hardening())
	for call, want := range map[string]string{"iopl": "EPERM", "ioperm": "EPERM", "modify_ldt": "ENOSYS", "uselib": "ENOSYS", "arch_prctl": "allow"} {
		if got := m.call(t, call); got != want {
			t.Errorf("%s: got %s, want %s", call, got, want)
		}
	}
}

// TestForeignTables: E15 and E16, whatever the rules say.
func TestForeignTables(t *testing.T) {
	for name, steps := range map[string][]fragment.Seccomp{"no rules": nil, "hardening": base.Hardening()} {
		m := assemble(t, steps)
		read := uint32(m.native.SyscallNames["read"])
		for _, foreign := range []*arch.Info{arch.I386, arch.ARM, arch.PPC64LE} {
			if got := m.ask(t, uint32(foreign.ID), read); got != "kill" {
				t.Errorf("%s: a call for %s: got %s, want kill", name, foreign.Name, got)
			}
		}
		for _, number := range []uint32{1 << 30, 1<<30 | read, 1<<30 | 520, 1 << 31, ^uint32(0), 100000} {
			if got := m.ask(t, uint32(m.native.ID), number); got != "ENOSYS" {
				t.Errorf("%s: number %#x: got %s, want ENOSYS", name, number, got)
			}
		}
	}
}

// TestEveryCall: no call is refused that no rule names, wherever it lies in the search.
func TestEveryCall(t *testing.T) {
	var names []string
	native, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	for name := range native.SyscallNames {
		names = append(names, name)
	}
	for _, size := range []int{0, 1, 2, 3, 50, 200} {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		refused := map[string]bool{}
		for _, n := range names[:size] {
			refused[n] = true
		}
		var steps []fragment.Seccomp
		if size > 0 {
			steps = []fragment.Seccomp{{For: "r", Syscalls: names[:size], Errno: "EPERM"}}
		}
		m := assemble(t, steps)
		for _, name := range names {
			want := "allow"
			if refused[name] {
				want = "EPERM"
			}
			if got := m.call(t, name); got != want {
				t.Errorf("of %d: %s: got %s, want %s", size, name, got, want)
			}
		}
	}
}

// TestComparisons checks both operators, with and without a mask, in both halves, against their
// definition.
func TestComparisons(t *testing.T) {
	values := []uint64{0, 1, 5, high, high | 1, high | 5, ^uint64(0), 0xffffffff, 0xffffffff00000000}
	for _, op := range []fragment.Op{fragment.OpIn, fragment.OpNotIn} {
		for _, mask := range []uint64{0, 0xf, 0xffffffff, high, 0xffffffff00000000, high | 1} {
			for _, set := range [][]uint64{{0}, {1}, {high | 1}, {1, high}, {5, 0, high}} {
				if mask != 0 && set[len(set)-1]&^mask != 0 || mask != 0 && set[0]&^mask != 0 {
					continue
				}
				test := fragment.Comparison{Arg: 5, Mask: mask, Op: op, Values: set}
				m := assemble(t, []fragment.Seccomp{{
					For: "r", Syscalls: []string{"read"}, Errno: "EPERM", When: []fragment.Condition{{test}},
				}})
				for _, v := range values {
					masked := v
					if mask != 0 {
						masked &= mask
					}
					in := false
					for _, s := range set {
						in = in || s == masked
					}
					want := "allow"
					if in == (op == fragment.OpIn) {
						want = "EPERM"
					}
					if got := m.call(t, "read", 0, 0, 0, 0, 0, v); got != want {
						t.Errorf("%#x & %#x %s %#x: got %s, want %s", v, mask, op, set, got, want)
					}
				}
			}
		}
	}
}

// TestAlternatives: tests of a condition are joined by and, conditions by or, rules are asked in
// order.
func TestAlternatives(t *testing.T) {
	is := func(arg int, v uint64) fragment.Comparison {
		return fragment.Comparison{Arg: arg, Op: fragment.OpIn, Values: []uint64{v}}
	}
	m := assemble(t, []fragment.Seccomp{
		{For: "a", Syscalls: []string{"read"}, Errno: "EPERM", When: []fragment.Condition{{is(0, 1), is(1, 1)}, {is(2, 1)}}},
		{For: "b", Syscalls: []string{"read"}, Errno: "EACCES", When: []fragment.Condition{{is(0, 1)}}},
		{For: "c", Syscalls: []string{"write"}, Errno: "ENOSYS"},
		{For: "d", Syscalls: []string{"write"}, Errno: "EPERM"},
	})
	for _, test := range []struct {
		call string
		args []uint64
		want string
	}{
		{"read", []uint64{1, 1, 0}, "EPERM"},
		{"read", []uint64{0, 0, 1}, "EPERM"},
		{"read", []uint64{1, 0, 0}, "EACCES"},
		{"read", []uint64{0, 1, 0}, "allow"},
		{"write", nil, "ENOSYS"},
	} {
		if got := m.call(t, test.call, test.args...); got != test.want {
			t.Errorf("%s%d: got %s, want %s", test.call, test.args, got, test.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	in := func(test fragment.Comparison) []fragment.Condition { return []fragment.Condition{{test}} }
	for _, test := range []struct {
		step fragment.Seccomp
		want string
	}{
		{fragment.Seccomp{Syscalls: []string{"raed"}, Errno: "EPERM"}, `no system call named "raed"`},
		{fragment.Seccomp{Syscalls: []string{"read"}, Errno: "EPREM"}, `no error called "EPREM"`},
		{fragment.Seccomp{Syscalls: []string{"read"}}, `no error called ""`},
		{fragment.Seccomp{Errno: "EPERM"}, "names no system call"},
		{fragment.Seccomp{Syscalls: []string{"read"}, Errno: "EPERM", When: []fragment.Condition{{}}}, "without tests"},
		{fragment.Seccomp{Syscalls: []string{"read"}, Errno: "EPERM", When: in(fragment.Comparison{Op: "in"})}, "against no value"},
		{fragment.Seccomp{Syscalls: []string{"read"}, Errno: "EPERM", When: in(fragment.Comparison{Values: []uint64{1}})}, `no comparison called ""`},
		{fragment.Seccomp{
			Syscalls: []string{"read"}, Errno: "EPERM",
			When: in(fragment.Comparison{Arg: 6, Op: "in", Values: []uint64{1}}),
		}, "no argument 6"},
		{fragment.Seccomp{
			Syscalls: []string{"read"}, Errno: "EPERM",
			When: in(fragment.Comparison{Mask: 1, Op: "in", Values: []uint64{2}}),
		}, "bits outside the mask"},
	} {
		_, err := filter.Assemble([]fragment.Seccomp{test.step})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.step, err, test.want)
		}
	}
	// One that only other architectures have is no mistake.
	if _, err := filter.Assemble([]fragment.Seccomp{{Syscalls: []string{"socketcall"}, Errno: "EPERM"}}); err != nil {
		t.Error(err)
	}
}
