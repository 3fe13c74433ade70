package filter_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk/fragment"
)

// machine runs an assembled program as the kernel would.
type machine struct {
	filter.Machine
	program []bpf.RawInstruction
	vm      *bpf.VM
}

// audits are how the kernel calls machines.
var audits = map[filter.Machine]uint32{filter.AMD64: 0xc000003e, filter.ARM64: 0xc00000b7}

func assemble(t *testing.T, on filter.Machine, allowed []string, refused []fragment.Seccomp) machine {
	t.Helper()
	program, err := filter.AssembleFor(on, allowed, refused)
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
	return machine{on, raw, vm}
}

// onBoth tests what every agent runs under, on each machine.
func onBoth(t *testing.T, test func(t *testing.T, m machine)) {
	for _, on := range []filter.Machine{filter.AMD64, filter.ARM64} {
		t.Run(string(on), func(t *testing.T) {
			allowed, refused := base.Calls()
			m := assemble(t, on, allowed, refused)
			t.Logf("%d instructions", len(m.program))
			test(t, m)
		})
	}
}

// refusing is a filter that allows everything which the rules do not refuse.
func refusing(t *testing.T, refused ...fragment.Seccomp) machine {
	t.Helper()
	return assemble(t, filter.Native, filter.Names(filter.Native), refused)
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
	return name(uint32(got))
}

// name says what a filter's answer means.
func name(answer uint32) string {
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

// call asks by name.
func (m machine) call(t *testing.T, name string, args ...uint64) string {
	t.Helper()
	number, ok := filter.Number(m.Machine, name)
	if !ok {
		t.Skipf("%s has no system call %s", m.Machine, name)
	}
	return m.ask(t, audits[m.Machine], number, args...)
}

const high = 1 << 32 // the lowest bit that a 32-bit comparison overlooks

// TestHardening is the specification of the filter that every agent runs under.
func TestHardening(t *testing.T) {
	const (
		unixFamily, inet, inet6, ipx, netlink, packet, alg, vsock = 1, 2, 10, 4, 16, 17, 38, 40
		stream, dgram, raw, rdm, seqpacket                        = 1, 2, 3, 4, 5
		nonblock, cloexec                                         = 0o4000, 0o2000000
		icmp, tcp, udp, sctp, udplite, mptcp                      = 1, 6, 17, 132, 136, 262
		minusOne                                                  = ^uint64(0)
	)
	tests := []struct {
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
		{"ptrace", []uint64{16, 1}, "allow"},     // ATTACH: pid 1 is undumpable
		{"ptrace", []uint64{0x4206, 1}, "allow"}, // SEIZE
		{"process_vm_readv", nil, "allow"},
		{"process_vm_writev", nil, "allow"},
		{"pidfd_getfd", nil, "EPERM"},
		{"kcmp", nil, "EPERM"},

		// E37, E17: typing into a terminal.
		{"ioctl", []uint64{0, 0x5412}, "EPERM"},
		{"ioctl", []uint64{0, high | 0x5412}, "EPERM"},
		{"ioctl", []uint64{0, 0x541c}, "EPERM"},
		{"ioctl", []uint64{0, 0xffffffff0000541c}, "EPERM"},
		// E27: what is denied, shown once more by btrfs.
		{"ioctl", []uint64{0, 0x50009401}, "EPERM"},
		{"ioctl", []uint64{0, high | 0x50009417}, "EPERM"},
		{"ioctl", []uint64{0, 0x40049409}, "allow"}, // FICLONE: a copy of what may be read

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

		// Judged again.
		{"fanotify_init", nil, "EPERM"},
		{"fanotify_mark", nil, "EPERM"},
		{"memfd_secret", nil, "ENOSYS"},
		{"lsm_get_self_attr", nil, "allow"},
		{"lsm_set_self_attr", nil, "ENOSYS"},
		{"process_madvise", nil, "ENOSYS"},
		{"process_mrelease", nil, "ENOSYS"},
		{"move_pages", nil, "ENOSYS"},
		{"migrate_pages", nil, "ENOSYS"},
		{"vmsplice", nil, "ENOSYS"},
		{"splice", nil, "allow"},
		{"cachestat", nil, "ENOSYS"},
		{"listns", nil, "ENOSYS"},
		{"file_setattr", nil, "ENOSYS"},
		{"statmount", nil, "allow"},
		{"setxattrat", nil, "allow"},
		{"mseal", nil, "allow"},
		{"map_shadow_stack", nil, "allow"},
		{"pkey_alloc", nil, "allow"},
		{"rseq", nil, "allow"},
		{"shmget", nil, "allow"},
		{"mq_open", nil, "allow"},
		{"fcntl", []uint64{3, 1024, 1}, "EINVAL"},        // a lease
		{"fcntl", []uint64{3, high | 1024, 1}, "EINVAL"}, //
		{"fcntl", []uint64{3, 1040, 1}, "EINVAL"},        // a delegation
		{"fcntl", []uint64{3, 1030}, "allow"},            // DUPFD_CLOEXEC
		{"renameat2", []uint64{0, 0, 0, 0, 4}, "EINVAL"},
		{"renameat2", []uint64{0, 0, 0, 0, high | 5}, "EINVAL"},
		{"renameat2", []uint64{0, 0, 0, 0, 3}, "allow"}, // NOREPLACE, EXCHANGE
		{"mknod", []uint64{0, 0x21a4, 0}, "EPERM"},
		{"mknod", []uint64{0, 0x11a4, 0}, "allow"}, // a FIFO
		{"mknodat", []uint64{0, 0, 0x61a4, 0}, "EPERM"},
		{"mknodat", []uint64{0, 0, high | 0x21a4, 0}, "EPERM"},
		{"mknodat", []uint64{0, 0, 0xc1a4, 0}, "allow"}, // a socket
		{"sendto", []uint64{3, 0, 0, 1}, "ENOTSUP"},     // MSG_OOB
		{"sendmsg", []uint64{3, 0, 0x4001}, "ENOTSUP"},
		{"sendmmsg", []uint64{3, 0, 1, high | 1}, "ENOTSUP"},
		{"setsockopt", []uint64{3, 17, 100}, "ENOPROTOOPT"}, // ESP in UDP
		{"setsockopt", []uint64{3, high | 17, high | 100}, "ENOPROTOOPT"},
		{"setsockopt", []uint64{3, 6, 31}, "ENOPROTOOPT"}, // ESP or TLS in TCP
		{"setsockopt", []uint64{3, 0, 64}, "ENOPROTOOPT"},
		{"setsockopt", []uint64{3, 6, 1}, "allow"},   // TCP_NODELAY
		{"setsockopt", []uint64{3, 1, 31}, "allow"},  // of the socket, not of TCP
		{"setsockopt", []uint64{3, 41, 67}, "allow"}, // IPV6_TCLASS
	}
	onBoth(t, func(t *testing.T, m machine) {
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s%x", test.call, test.args), func(t *testing.T) {
				if _, ok := filter.Number(m.Machine, test.call); !ok {
					return // another machine has it
				}
				if got := m.call(t, test.call, test.args...); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		}
	})
}

// TestHardeningAMD64 has the calls that only this machine has.
func TestHardeningAMD64(t *testing.T) {
	allowed, refused := base.Calls()
	m := assemble(t, filter.AMD64, allowed, refused)
	for call, want := range map[string]string{
		"iopl": "EPERM", "ioperm": "EPERM", "modify_ldt": "ENOSYS", "uselib": "ENOSYS", "arch_prctl": "allow",
		"uretprobe": "allow", "set_thread_area": "ENOSYS", "epoll_ctl_old": "ENOSYS",
	} {
		if got := m.call(t, call); got != want {
			t.Errorf("%s: got %s, want %s", call, got, want)
		}
	}
}

// TestForeignTables: E15 and E16, whatever the rules say.
func TestForeignTables(t *testing.T) {
	allowed, refused := base.Calls()
	for _, on := range []filter.Machine{filter.AMD64, filter.ARM64} {
		for name, m := range map[string]machine{
			"no rules":  assemble(t, on, filter.Names(on), nil),
			"hardening": assemble(t, on, allowed, refused),
		} {
			read, _ := filter.Number(on, "read")
			const i386, arm, ppc64le = 0x40000003, 0x40000028, 0xc0000015
			for _, foreign := range []uint32{i386, arm, ppc64le, audits[filter.AMD64], audits[filter.ARM64]} {
				if foreign == audits[on] {
					continue
				}
				if got := m.ask(t, foreign, read); got != "kill" {
					t.Errorf("%s on %s: a call for %#x: got %s, want kill", name, on, foreign, got)
				}
			}
			for _, number := range []uint32{1 << 30, 1<<30 | read, 1<<30 | 520, 1 << 31, ^uint32(0), 100000} {
				if got := m.ask(t, audits[on], number); got != "ENOSYS" {
					t.Errorf("%s on %s: number %#x: got %s, want ENOSYS", name, on, number, got)
				}
			}
		}
	}
}

// TestNoName: every number without a name is a call that nobody judged.
func TestNoName(t *testing.T) {
	onBoth(t, func(t *testing.T, m machine) {
		named := map[uint32]bool{}
		for _, name := range filter.Names(m.Machine) {
			number, _ := filter.Number(m.Machine, name)
			named[number] = true
		}
		gaps := 0
		for number := range uint32(2000) {
			if named[number] {
				continue
			}
			gaps++
			if got := m.ask(t, audits[m.Machine], number); got != "ENOSYS" {
				t.Errorf("number %d: got %s, want ENOSYS", number, got)
			}
		}
		if gaps < 1500 {
			t.Errorf("only %d numbers have no name", gaps)
		}
	})
}

// TestEveryCall: every call gets what its rules say, wherever its number lies.
func TestEveryCall(t *testing.T) {
	names := filter.Names(filter.Native)
	in := func(v uint64) []fragment.Condition {
		return []fragment.Condition{{{Arg: 0, Op: fragment.OpIn, Values: []uint64{v}}}}
	}
	for _, size := range []int{1, 2, 3, 50, 200, len(names)} {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		allowed := names[:size]
		third := max(size/3, 1)
		always, sometimes, unheard := names[:third], names[third/2:size], names[size:]
		refused := []fragment.Seccomp{
			{For: "r", Syscalls: always, Errno: "EPERM"},
			{For: "r", Syscalls: sometimes, Errno: "EACCES", When: in(7)},
		}
		if len(unheard) > 0 {
			refused = append(refused, fragment.Seccomp{For: "r", Syscalls: unheard[:1], Errno: "EBUSY"},
				fragment.Seccomp{For: "r", Syscalls: unheard, Errno: "EXDEV", When: in(7)})
		}
		m := assemble(t, filter.Native, allowed, refused)
		for i, name := range names {
			want, seven := "allow", "allow"
			switch {
			case i < third:
				want, seven = "EPERM", "EPERM"
			case i == size:
				want, seven = "EBUSY", "EBUSY"
			case i > size:
				want, seven = "ENOSYS", "ENOSYS"
			case i >= third/2:
				seven = "EACCES"
			}
			if got := m.call(t, name); got != want {
				t.Errorf("of %d: %s: got %s, want %s", size, name, got, want)
			}
			if got := m.call(t, name, 7); got != seven {
				t.Errorf("of %d: %s(7): got %s, want %s", size, name, got, seven)
			}
		}
	}
}

// TestBitmap: the kernel sees of every call that is always allowed that it is, and so answers for
// it without running the filter.
func TestBitmap(t *testing.T) {
	onBoth(t, func(t *testing.T, m machine) {
		always := map[string]bool{}
		for _, j := range base.Judgements() {
			for _, name := range j.Names() {
				always[name] = j.Errno == ""
			}
		}
		for _, name := range filter.Names(m.Machine) {
			number, _ := filter.Number(m.Machine, name)
			if got := m.constant(audits[m.Machine], number); got != always[name] {
				t.Errorf("%s: the kernel sees that it is always allowed: %v, want %v", name, got, always[name])
			}
		}
	})
}

// constant is seccomp_is_const_allow of the kernel's: it follows the program for as long as that
// looks at nothing but the number and the architecture.
func (m machine) constant(audit, number uint32) bool {
	var a uint32
	for pc := 0; pc < len(m.program); pc++ {
		i := m.program[pc]
		jump := func(taken bool) {
			if taken {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		}
		switch i.Op {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			switch i.K {
			case 0:
				a = number
			case 4:
				a = audit
			default:
				return false
			}
		case unix.BPF_RET | unix.BPF_K:
			return name(i.K) == "allow"
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(a == i.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(a >= i.K)
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			jump(a > i.K)
		default:
			return false
		}
	}
	return false
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
				m := refusing(t, fragment.Seccomp{
					For: "r", Syscalls: []string{"read"}, Errno: "EPERM", When: []fragment.Condition{{test}},
				})
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
	m := refusing(t,
		fragment.Seccomp{For: "a", Syscalls: []string{"read"}, Errno: "EPERM", When: []fragment.Condition{{is(0, 1), is(1, 1)}, {is(2, 1)}}},
		fragment.Seccomp{For: "b", Syscalls: []string{"read"}, Errno: "EACCES", When: []fragment.Condition{{is(0, 1)}}},
		fragment.Seccomp{For: "c", Syscalls: []string{"write"}, Errno: "ENOSYS"},
		fragment.Seccomp{For: "d", Syscalls: []string{"write"}, Errno: "EPERM"},
	)
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
		_, err := filter.Assemble([]string{"read"}, []fragment.Seccomp{test.step})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.step, err, test.want)
		}
	}
	// One that only other architectures have is no mistake.
	socketcall := []fragment.Seccomp{{Syscalls: []string{"socketcall"}, Errno: "EPERM"}}
	if _, err := filter.Assemble([]string{"read", "umount"}, socketcall); err != nil {
		t.Error(err)
	}
	for want, allowed := range map[string][]string{
		"no system call at all": nil, `no system call named "raed"`: {"raed"},
	} {
		if _, err := filter.Assemble(allowed, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q allowed: got %v, want %q", allowed, err, want)
		}
	}
	if _, err := filter.AssembleFor("riscv64", []string{"read"}, nil); err == nil {
		t.Error("a machine whose numbers nobody knows has a filter")
	}
}
