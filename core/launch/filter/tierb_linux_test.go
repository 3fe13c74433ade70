package filter_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/plan/base"
)

// TestShared is the specification of the filter where a session shares the host's namespaces: what
// those would have kept apart is refused, and what the kernel's Landlock does not see yet.
func TestShared(t *testing.T) {
	const (
		unixFamily, inet, inet6, netlink, vsock = 1, 2, 10, 16, 40
		stream, dgram, raw, packets, cloexec    = 1, 2, 3, 5, 0o2000000
		mptcp                                   = 262
		at                                      = 1<<64 - 100 // AT_FDCWD
	)
	newest, middle, oldest := base.Shared{LandlockABI: 7}, base.Shared{LandlockABI: 4}, base.Shared{LandlockABI: 2}
	open := base.Shared{LandlockABI: 7, Network: true}
	closed := base.Shared{LandlockABI: 7, Supervised: true}
	led := base.Shared{LandlockABI: 7, Supervised: true, Connected: true}
	truncated := uint64(unix.O_RDONLY | unix.O_TRUNC | unix.O_CLOEXEC)
	tests := []struct {
		name string
		on   base.Shared
		call string
		args []uint64
		want string
	}{
		{"chattr", newest, "ioctl", []uint64{0, 0x40086602}, "EPERM"},
		{"verity", newest, "ioctl", []uint64{0, high | 0x40806685}, "EPERM"},
		{"the key of what is encrypted, removed", newest, "ioctl", []uint64{0, 0xc0406618}, "EPERM"},
		{"encryption", newest, "ioctl", []uint64{0, 0x800c6613}, "EPERM"},
		{"a subvolume, made", newest, "ioctl", []uint64{0, 0x50009418}, "EPERM"},
		{"a subvolume, removed", newest, "ioctl", []uint64{0, high | 0x5000940f}, "EPERM"},
		{"a copy of what may be read", newest, "ioctl", []uint64{0, 0x40049409}, "allow"},
		{"TCP", newest, "socket", []uint64{inet, stream, 0}, "EACCES"},
		{"TCP, with high bits", newest, "socket", []uint64{high | inet, stream, 0}, "EACCES"},
		{"TCP over IPv6", newest, "socket", []uint64{inet6, stream | cloexec, 0}, "EACCES"},
		{"UDP", newest, "socket", []uint64{inet, dgram, 0}, "EACCES"},
		{"MPTCP", newest, "socket", []uint64{inet, stream, mptcp}, "EACCES"},
		{"a Unix socket", newest, "socket", []uint64{unixFamily, stream, 0}, "EACCES"},
		{"a vsock", newest, "socket", []uint64{vsock, stream, 0}, "EACCES"},
		{"the interfaces", newest, "socket", []uint64{netlink, raw | cloexec, 0}, "allow"},
		{"other netlink", newest, "socket", []uint64{netlink, raw, 9}, "EPROTONOSUPPORT"},
		{"a pair", newest, "socketpair", []uint64{unixFamily, stream | cloexec, 0}, "allow"},
		{"a pair of datagrams", newest, "socketpair", []uint64{unixFamily, dgram | cloexec, 0}, "ESOCKTNOSUPPORT"},
		{"a pair of datagrams by another name", newest, "socketpair", []uint64{unixFamily, raw, 0}, "ESOCKTNOSUPPORT"},
		{"a pair of packets", newest, "socketpair", []uint64{unixFamily, packets, 0}, "allow"},
		{"a pair of others", newest, "socketpair", []uint64{inet, stream, 0}, "allow"}, // the kernel has none

		{"TCP in the host's network", open, "socket", []uint64{inet, stream, 0}, "allow"},
		{"MPTCP in the host's network", open, "socket", []uint64{inet, stream, mptcp}, "EPROTONOSUPPORT"},
		{"a Unix socket in the host's network", open, "socket", []uint64{unixFamily, stream, 0}, "EACCES"},
		{"a pair in the host's network", open, "socketpair", []uint64{unixFamily, stream, 0}, "allow"},

		{"a pair of datagrams in the host's network", open, "socketpair", []uint64{unixFamily, dgram, 0}, "ESOCKTNOSUPPORT"},

		{"a Unix socket that core connects", closed, "socket", []uint64{unixFamily, stream | cloexec, 0}, "allow"},
		{"one of packets", closed, "socket", []uint64{unixFamily, packets, 0}, "allow"},
		{"one of datagrams", closed, "socket", []uint64{unixFamily, dgram, 0}, "EACCES"},
		{"one of datagrams, with high bits", closed, "socket", []uint64{high | unixFamily, high | dgram, 0}, "EACCES"},
		{"one of datagrams by another name", closed, "socket", []uint64{unixFamily, raw, 0}, "ESOCKTNOSUPPORT"},
		{"a pair of datagrams", closed, "socketpair", []uint64{unixFamily, dgram, 0}, "ESOCKTNOSUPPORT"},
		{"TCP, with nothing to connect to", closed, "socket", []uint64{inet, stream, 0}, "EACCES"},
		{"TCP that core connects", led, "socket", []uint64{inet, stream | cloexec, 6}, "allow"},
		{"TCP over IPv6 that core connects", led, "socket", []uint64{inet6, stream, 0}, "allow"},
		{"UDP", led, "socket", []uint64{inet, dgram, 0}, "EACCES"},
		{"UDP over IPv6", led, "socket", []uint64{inet6, dgram | cloexec, 17}, "EACCES"},
		{"MPTCP", led, "socket", []uint64{inet, stream, mptcp}, "EPROTONOSUPPORT"},
		{"raw", led, "socket", []uint64{inet, raw, 1}, "ESOCKTNOSUPPORT"},
		{"a vsock", led, "socket", []uint64{vsock, stream, 0}, "EACCES"},
		{"TCP that connects late", led, "setsockopt", []uint64{3, 6, 30}, "ENOPROTOOPT"},
		{"the first packet with data", led, "sendto", []uint64{3, 0, 0, unix.MSG_FASTOPEN}, "ENOTSUP"},
		{"TCP without delay", led, "setsockopt", []uint64{3, 6, 1}, "allow"},

		{"shared memory", newest, "shmget", nil, "ENOSYS"},
		{"semaphores", newest, "semget", nil, "ENOSYS"},
		{"a queue", newest, "msgget", nil, "ENOSYS"},
		{"a POSIX queue", newest, "mq_open", nil, "ENOSYS"},

		{"own limits", newest, "prlimit64", []uint64{0, unix.RLIMIT_NOFILE, 1, 0}, "allow"},
		{"another's limits", newest, "prlimit64", []uint64{4711, unix.RLIMIT_CPU, 1, 0}, "EPERM"},
		{"another's limits, looked at", newest, "prlimit64", []uint64{4711, unix.RLIMIT_CPU, 0, 1}, "EPERM"},
		{"own priority", newest, "setpriority", []uint64{unix.PRIO_PROCESS, 0, 10}, "allow"},
		{"all of a user's priorities", newest, "setpriority", []uint64{unix.PRIO_USER, 0, 10}, "EPERM"},
		{"all of a user's priorities for the disk", newest, "ioprio_set", []uint64{3, 0, 0}, "EPERM"},
		{"namespaces", newest, "unshare", []uint64{unix.CLONE_NEWUSER}, "EPERM"},

		{"truncate", newest, "truncate", nil, "allow"},
		{"truncate", middle, "truncate", nil, "allow"},
		{"truncate, which Landlock does not see", oldest, "truncate", nil, "EACCES"},
		{"ftruncate", oldest, "ftruncate", nil, "allow"},
		{"emptied by reading", newest, "openat", []uint64{at, 0, truncated}, "allow"}, // Landlock asks
		{"emptied by reading, not seen", oldest, "openat", []uint64{at, 0, truncated}, "EACCES"},
		{"the same, with high bits", oldest, "openat", []uint64{at, 0, high | truncated}, "EACCES"},
		{"emptied by open", oldest, "open", []uint64{0, truncated}, "EACCES"},
		{"emptied by writing", oldest, "openat", []uint64{at, 0, unix.O_WRONLY | unix.O_TRUNC}, "allow"},
		{"read", oldest, "openat", []uint64{at, 0, unix.O_RDONLY}, "allow"},
		{"opened for neither", middle, "openat", []uint64{at, 0, 3}, "EACCES"},
		{"opened for neither, by open", middle, "open", []uint64{0, 3}, "EACCES"},
		{"opened for neither, seen", newest, "openat", []uint64{at, 0, 3}, "allow"},
		{"openat2", newest, "openat2", nil, "allow"},
		{"openat2", middle, "openat2", nil, "ENOSYS"},
	}
	for _, on := range []filter.Machine{filter.AMD64, filter.ARM64} {
		programs := map[base.Shared]machine{}
		for _, s := range []base.Shared{newest, middle, oldest, open, closed, led} {
			allowed, refused := s.Calls()
			programs[s] = assemble(t, on, allowed, refused)
		}
		for _, test := range tests {
			t.Run(string(on)+"/"+test.name, func(t *testing.T) {
				m := programs[test.on]
				if _, ok := filter.Number(m.Machine, test.call); !ok {
					return // another machine has it
				}
				if got := m.call(t, test.call, test.args...); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		}
	}
}
