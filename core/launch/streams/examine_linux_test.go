package streams_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/streams"
)

// open opens a file as a shell would for a stream.
func open(t *testing.T, name string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, flags, 0)
	if err != nil {
		t.Skip("this host lacks it: ", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// made is a descriptor that a call made.
func made(t *testing.T, fd int, err error) *os.File {
	t.Helper()
	if err != nil {
		t.Skip("this host lacks it: ", err)
	}
	f := os.NewFile(uintptr(fd), "made")
	t.Cleanup(func() { f.Close() })
	return f
}

func file(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// terminal is the slave of a new terminal.
func terminal(t *testing.T) *os.File {
	t.Helper()
	ptmx := open(t, "/dev/ptmx", os.O_RDWR|unix.O_NOCTTY)
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY)
}

// called is the kernel's name of a file.
func called(f *os.File) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	return name
}

// pair is one end of two connected sockets.
func pair(t *testing.T, family, kind int) *os.File {
	t.Helper()
	fds, err := unix.Socketpair(family, kind|unix.SOCK_CLOEXEC, 0)
	made(t, fds[1], err)
	return made(t, fds[0], err)
}

func listener(t *testing.T, network, address string) *os.File {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestExamine(t *testing.T) {
	stream := func(kind recipe.StreamKind, read, write bool) recipe.Stream {
		return recipe.Stream{Kind: kind, Read: read, Write: write}
	}
	device := func(name string, read, write bool) recipe.Stream {
		return recipe.Stream{Kind: recipe.DeviceStream, Read: read, Write: write, Path: name}
	}
	for name, test := range map[string]struct {
		make func(t *testing.T) *os.File
		want recipe.Stream
	}{
		"a terminal": {terminal, stream(recipe.TerminalStream, true, true)},
		"the reading end of a pipe": {func(t *testing.T) *os.File {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close(); w.Close() })
			return r
		}, stream(recipe.PipeStream, true, false)},
		"a FIFO by its name": {func(t *testing.T) *os.File {
			name := filepath.Join(t.TempDir(), "fifo")
			if err := unix.Mkfifo(name, 0o600); err != nil {
				t.Fatal(err)
			}
			return open(t, name, os.O_RDWR)
		}, stream(recipe.PipeStream, true, true)},
		"a socket pair": {func(t *testing.T) *os.File {
			return pair(t, unix.AF_UNIX, unix.SOCK_STREAM)
		}, stream(recipe.SocketStream, true, true)},
		"a UDP socket": {func(t *testing.T) *os.File {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			return made(t, fd, err)
		}, stream(recipe.SocketStream, true, true)},
		"a file for reading": {func(t *testing.T) *os.File {
			return open(t, file(t), os.O_RDONLY)
		}, stream(recipe.FileStream, true, false)},
		"a file for appending": {func(t *testing.T) *os.File {
			return open(t, file(t), os.O_WRONLY|os.O_APPEND)
		}, stream(recipe.FileStream, false, true)},
		"a memfd": {func(t *testing.T) *os.File {
			fd, err := unix.MemfdCreate("m", unix.MFD_CLOEXEC)
			return made(t, fd, err)
		}, stream(recipe.FileStream, true, true)},
		"a file of the kernel's for reading": {func(t *testing.T) *os.File {
			return open(t, "/proc/version", os.O_RDONLY)
		}, stream(recipe.FileStream, true, false)},
		"/dev/null for writing": {func(t *testing.T) *os.File {
			return open(t, "/dev/null", os.O_WRONLY)
		}, device("/dev/null", false, true)},
		"/dev/zero": {func(t *testing.T) *os.File {
			return open(t, "/dev/zero", os.O_RDONLY)
		}, device("/dev/zero", true, false)},
		"/dev/urandom": {func(t *testing.T) *os.File {
			return open(t, "/dev/urandom", os.O_RDWR)
		}, device("/dev/urandom", true, true)},
		"nothing": {func(*testing.T) *os.File { return nil }, stream(recipe.ClosedStream, false, false)},
		"a number that nothing is open at": {func(*testing.T) *os.File {
			return os.NewFile(1<<16, "unused")
		}, stream(recipe.ClosedStream, false, false)},
	} {
		t.Run(name, func(t *testing.T) {
			f := test.make(t)
			set, err := streams.Examine(nil, f, nil)
			found := set[1].Stream
			if found.Kind == recipe.FileStream {
				// Where a file lies differs from run to run; only one that is read by its path has a place.
				if found.Path != "" && (found.Inode == 0 || found.Path != called(f)) {
					t.Errorf("its place: %+v", found)
				}
				if viewed := strings.HasPrefix(name, "a file for reading"); viewed != found.Viewed() {
					t.Errorf("it is viewed: %v, want %v", found.Viewed(), viewed)
				}
				found.Path, found.Device, found.Inode = "", 0, 0
			}
			if err != nil || found != test.want {
				t.Errorf("got %+v, %v; want %+v", set[1].Stream, err, test.want)
			}
			if set[0].Kind != recipe.ClosedStream || set[2].Kind != recipe.ClosedStream {
				t.Errorf("the others: %+v", set)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		make func(t *testing.T) *os.File
		says string
	}{
		"a directory": {func(t *testing.T) *os.File { return open(t, t.TempDir(), os.O_RDONLY) }, "a directory"},
		"a directory by O_PATH": {func(t *testing.T) *os.File {
			return open(t, t.TempDir(), unix.O_PATH)
		}, "a directory"},
		"a file by O_PATH": {func(t *testing.T) *os.File { return open(t, file(t), unix.O_PATH) }, "O_PATH"},
		"epoll": {func(t *testing.T) *os.File {
			fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			return made(t, fd, err)
		}, "eventpoll"},
		"an eventfd": {func(t *testing.T) *os.File {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
			return made(t, fd, err)
		}, "eventfd"},
		"a timerfd": {func(t *testing.T) *os.File {
			fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
			return made(t, fd, err)
		}, "timerfd"},
		"inotify": {func(t *testing.T) *os.File {
			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
			return made(t, fd, err)
		}, "inotify"},
		"a process": {func(t *testing.T) *os.File {
			fd, err := unix.PidfdOpen(os.Getpid(), 0)
			return made(t, fd, err)
		}, "pidfd"},
		"a namespace": {func(t *testing.T) *os.File { return open(t, "/proc/self/ns/net", os.O_RDONLY) }, "net:["},
		"the memory of a process, for writing": {func(t *testing.T) *os.File {
			return open(t, "/proc/self/mem", os.O_RDWR)
		}, "open for writing"},
		"a listening socket": {func(t *testing.T) *os.File { return listener(t, "tcp", "127.0.0.1:0") }, "listens"},
		"a listening Unix socket": {func(t *testing.T) *os.File {
			return listener(t, "unix", filepath.Join(t.TempDir(), "s"))
		}, "listens"},
		"a netlink socket": {func(t *testing.T) *os.File {
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			return made(t, fd, err)
		}, "of the family 16"},
		"a device with a state":              {func(t *testing.T) *os.File { return open(t, "/dev/kmsg", os.O_WRONLY) }, "the device /dev/kmsg"},
		"a device that serves a file system": {func(t *testing.T) *os.File { return open(t, "/dev/fuse", os.O_RDWR) }, "the device /dev/fuse"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := streams.Examine(nil, nil, test.make(t))
			var refused *streams.RefusedError
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if refused.Number != 2 || refused.Try == "" || !strings.Contains(err.Error(), test.says) ||
				!strings.HasPrefix(err.Error(), "standard error is ") {
				t.Errorf("got %q, %q", err, refused.Try)
			}
		})
	}
}

// TestFlagsStay: a descriptor that does not block, which others may hold too, does not afterwards
// either.
func TestFlagsStay(t *testing.T) {
	fds := make([]int, 2)
	if err := unix.Pipe2(fds, unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	made(t, fds[1], nil)
	if _, err := streams.Examine(made(t, fds[0], nil), nil, nil); err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}
