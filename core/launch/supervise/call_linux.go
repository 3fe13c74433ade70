package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is a system call that waits for its answer.
type Call struct {
	server  *server
	notice  notice
	process int // a descriptor of the caller's process, -1 before anyone asked for it
}

// Arg is an argument as it stood in the register.
func (c *Call) Arg(n int) uint64 { return c.notice.args[n] }

// Int is an argument that the kernel declares as int: it looks at the lower half alone.
func (c *Call) Int(n int) int { return int(int32(c.notice.args[n])) }

// Thread is the number of the calling thread.
func (c *Call) Thread() int { return int(c.notice.pid) }

// Waiting reports whether the caller still waits. If it does, the thread that [Call.Thread] names
// has been the caller's ever since the call was received, and so is whatever was read of it. A long
// handler asks now and then, and gives up when nobody waits any more.
func (c *Call) Waiting() bool {
	id := c.notice.id
	return c.server.ioctl(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == nil
}

// mostRead bounds what is read at once. It is what the largest argument has, the value of an
// attribute.
const mostRead = 64 << 10

// Read copies bytes from the caller's memory. The error is EFAULT if not all of them are there, and
// EINVAL if it would be more than any call takes.
func (c *Call) Read(at, n uint64) ([]byte, error) {
	if n > mostRead {
		return nil, unix.EINVAL
	}
	to := make([]byte, n)
	got, err := c.read(at, to)
	if err == nil && got < len(to) {
		err = unix.EFAULT
	}
	return to, err
}

// read copies what is there, up to the length of the buffer.
func (c *Call) read(at uint64, to []byte) (int, error) {
	if len(to) == 0 {
		return 0, nil
	}
	local := []unix.Iovec{{Base: &to[0], Len: uint64(len(to))}}
	remote := []unix.RemoteIovec{{Base: uintptr(at), Len: len(to)}}
	return unix.ProcessVMReadv(c.Thread(), local, remote, 0)
}

// CanRead is nil where calls can be looked into on this host, or why not. It reads this process's
// own memory in the way in which each handler reads its caller's: a filter that nono runs under may
// refuse that, and a kernel be built without it. Whom Yama lets be read it does not say.
func CanRead() error {
	var from, to [1]byte
	local := []unix.Iovec{{Base: &to[0], Len: 1}}
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&from[0])), Len: 1}}
	_, err := unix.ProcessVMReadv(os.Getpid(), local, remote, 0)
	runtime.KeepAlive(&from)
	return err
}

// Text copies a string, up to the zero byte at its end. One that is longer than most, that byte
// included, is ENAMETOOLONG.
func (c *Call) Text(at uint64, most int) (string, error) {
	var room [256]byte // most are shorter
	var text []byte
	for page := uint64(os.Getpagesize()); len(text) < most; {
		// Only as far as the page goes: the next one may not be there, nor be needed.
		piece := room[:min(page-at%page, uint64(most-len(text)), uint64(len(room)))]
		n, err := c.read(at, piece)
		if err != nil {
			return "", err
		}
		if end := bytes.IndexByte(piece[:n], 0); end >= 0 {
			return string(append(text, piece[:end]...)), nil
		}
		if n < len(piece) {
			return "", unix.EFAULT
		}
		text = append(text, piece...)
		at += uint64(n)
	}
	return "", unix.ENAMETOOLONG
}

// Descriptor is a duplicate of one of the caller's, marked close-on-exec. The caller of this method
// closes it.
func (c *Call) Descriptor(n int) (int, error) {
	if c.process < 0 {
		process, err := openProcess(c.Thread())
		if err != nil {
			return -1, fmt.Errorf("opening the caller's process: %w", err)
		}
		c.process = process
	}
	fd, err := unix.PidfdGetfd(c.process, n, 0)
	if err != nil {
		return -1, fmt.Errorf("taking the caller's descriptor %d: %w", n, err)
	}
	return fd, nil
}

// openProcess opens what a descriptor is taken from: the thread, which Linux 6.9 and later let one
// open, or the process that it belongs to. The two differ where a thread has a table of descriptors
// of its own, which next to nothing has; then it is another descriptor of the same process.
func openProcess(thread int) (int, error) {
	fd, err := unix.PidfdOpen(thread, unix.PIDFD_THREAD)
	if !errors.Is(err, unix.EINVAL) {
		return fd, err
	}
	if fd, err = unix.PidfdOpen(thread, 0); !errors.Is(err, unix.EINVAL) {
		return fd, err // it is the first thread of its process
	}
	process, err := processOf(thread)
	if err != nil {
		return -1, err
	}
	return unix.PidfdOpen(process, 0)
}

// processOf is the process that a thread belongs to.
func processOf(thread int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if number, ok := strings.CutPrefix(line, "Tgid:"); ok {
			return strconv.Atoi(strings.TrimSpace(number))
		}
	}
	return 0, unix.ESRCH
}

// Replace puts a file of core's into the caller's table of descriptors, in the place of the one
// with this number, close-on-exec or not. The caller of this method keeps its file.
func (c *Call) Replace(n int, file *os.File, closeOnExec bool) error {
	connection, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = connection.Control(func(fd uintptr) {
		add := addition{
			id: c.notice.id, flags: unix.SECCOMP_ADDFD_FLAG_SETFD, from: uint32(fd), to: uint32(n),
		}
		if closeOnExec {
			add.toFlags = unix.O_CLOEXEC
		}
		failed = c.server.ioctl(unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&add))
	})
	return errors.Join(err, failed)
}

// close lets go of what was opened for the call.
func (c *Call) close() {
	if c.process >= 0 {
		_ = unix.Close(c.process)
	}
}
