package streams

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// Examine asks the kernel what the three streams are. A nil file is a stream that is closed. A
// stream that no agent can have is a [RefusedError]. Nothing is read, and no flag is changed: what
// a descriptor's flags are is shared with whoever else holds it.
func Examine(stdin, stdout, stderr *os.File) (Set, error) {
	var set Set
	for n, f := range []*os.File{stdin, stdout, stderr} {
		if f == nil {
			set[n].Kind = recipe.ClosedStream
			continue
		}
		var err error
		if set[n], err = examine(n, f); err != nil {
			return Set{}, err
		}
	}
	return set, nil
}

// examine looks at one stream. The descriptor is asked for in a way that leaves its mode alone,
// which File.Fd does not.
func examine(number int, f *os.File) (Stream, error) {
	s := Stream{File: f}
	var refused *RefusedError
	var failed error
	conn, err := f.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { refused, failed = s.look(int(fd)) })
	}
	switch err = errors.Join(err, failed); {
	case errors.Is(err, unix.EBADF):
		return Stream{Stream: recipe.Stream{Kind: recipe.ClosedStream}}, nil
	case err != nil:
		return Stream{}, fmt.Errorf("looking at %s: %w", names[number], err)
	case refused != nil:
		refused.Number = number
		return Stream{}, refused
	}
	return s, nil
}

// look fills in what a descriptor is.
func (s *Stream) look(fd int) (*RefusedError, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	s.device, s.inode = st.Dev, st.Ino
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFDIR {
		return &RefusedError{
			Reason: "a directory, " + called(fd) + ", and would lead the agent out of its sandbox",
			Try:    "redirect from a file, or from /dev/null",
		}, nil
	}
	if flags&unix.O_PATH != 0 {
		return unknown("a descriptor that can be neither read nor written (O_PATH)"), nil
	}
	access := flags & unix.O_ACCMODE
	s.Read, s.Write = access != unix.O_WRONLY, access != unix.O_RDONLY
	switch kind {
	case unix.S_IFIFO:
		s.Kind = recipe.PipeStream
		return nil, nil
	case unix.S_IFSOCK:
		s.Kind = recipe.SocketStream
		return lookAtSocket(fd)
	case unix.S_IFREG:
		s.Kind = recipe.FileStream
		return s.lookAtFile(fd)
	case unix.S_IFCHR:
		return s.lookAtDevice(fd, st.Rdev), nil
	case unix.S_IFBLK:
		return unknown("the block device " + called(fd)), nil
	}
	// What lies behind is no file but a part of the kernel: epoll, eventfd, timerfd, a namespace.
	return unknown("of a kind that is no stream, " + called(fd)), nil
}

// unknown refuses what has no way of being handed on.
func unknown(what string) *RefusedError {
	return &RefusedError{
		Reason: what + ", which is more than a stream: an agent could do with it what nono cannot bound",
		Try: "pass what is to be read or written through a pipe: " +
			"`cat X | nono run ...`, `nono run ... | cat > X`",
	}
}

// called is the kernel's own name of a descriptor.
func called(fd int) string {
	name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return "whose name nobody knows"
	}
	return name
}

// lookAtSocket refuses the sockets that are no connection: one that listens makes connections, and
// of a family that talks to the kernel each byte is a request.
func lookAtSocket(fd int) (*RefusedError, error) {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, err
	}
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, err
	}
	if listens != 0 {
		return &RefusedError{
			Reason: "a socket that listens, and would open the host's network to the agent",
			Try:    "accept the connection outside (systemd: Accept=yes), and start nono with that",
		}, nil
	}
	switch family {
	case unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_VSOCK:
		return nil, nil
	}
	return unknown("a socket of the family " + strconv.Itoa(family)), nil
}

// Files of these systems are the kernel's own. To write to one is to change the machine, or another
// process; to read is to see what stands there, and no more than that can be wanted of it.
var kernelFiles = map[int64]bool{
	unix.PROC_SUPER_MAGIC:     true,
	unix.SYSFS_MAGIC:          true,
	unix.CGROUP_SUPER_MAGIC:   true,
	unix.CGROUP2_SUPER_MAGIC:  true,
	unix.DEBUGFS_MAGIC:        true,
	unix.TRACEFS_MAGIC:        true,
	unix.SECURITYFS_MAGIC:     true,
	unix.SELINUX_MAGIC:        true,
	unix.SMACK_MAGIC:          true,
	unix.BPF_FS_MAGIC:         true,
	unix.EFIVARFS_MAGIC:       true,
	unix.BINFMTFS_MAGIC:       true,
	unix.PSTOREFS_MAGIC:       true,
	unix.DEVPTS_SUPER_MAGIC:   true,
	unix.RDTGROUP_SUPER_MAGIC: true,
	configfsMagic:             true,
	mqueueMagic:               true,
	fusectlMagic:              true,
}

// Files of these systems look like files, and each of them is a handle on something else.
var handles = map[int64]bool{
	unix.NSFS_MAGIC:          true, // a namespace
	unix.PID_FS_MAGIC:        true, // a process
	unix.ANON_INODE_FS_MAGIC: true,
	unix.SECRETMEM_MAGIC:     true,
	unix.DMA_BUF_MAGIC:       true,
	unix.DEVMEM_MAGIC:        true,
	unix.SOCKFS_MAGIC:        true,
}

// Magic numbers that x/sys lacks.
const (
	configfsMagic = 0x62656570
	mqueueMagic   = 0x19800202
	fusectlMagic  = 0x65735543
)

// lookAtFile refuses files that are more than their content, and notes where one lies that is only
// read. A file of the kernel's has no path to be opened by: who opens it again may see another
// thing.
func (s *Stream) lookAtFile(fd int) (*RefusedError, error) {
	var system unix.Statfs_t
	if err := unix.Fstatfs(fd, &system); err != nil {
		return nil, err
	}
	switch {
	case handles[int64(system.Type)]: //nolint:unconvert // its type differs between architectures
		return unknown("of a kind that is no stream, " + called(fd)), nil
	case kernelFiles[int64(system.Type)] && s.Write: //nolint:unconvert // as above
		return unknown("a file of the kernel's, " + called(fd) + ", open for writing"), nil
	}
	// The name of a file that was removed is no path any more: it leads nowhere, or to another file.
	if name := called(fd); path.IsAbs(name) {
		s.Name = name
	}
	if !s.Write && s.Name != "" && !kernelFiles[int64(system.Type)] { //nolint:unconvert // as above
		s.Path, s.Device, s.Inode = s.Name, s.device, s.inode
	}
	return nil, nil
}

// devices are those that every session has of its own, by their number. None of them has a state
// that one user could leave for another.
var devices = map[uint64]string{
	unix.Mkdev(1, 3): "/dev/null",
	unix.Mkdev(1, 5): "/dev/zero",
	unix.Mkdev(1, 7): "/dev/full",
	unix.Mkdev(1, 8): "/dev/random",
	unix.Mkdev(1, 9): "/dev/urandom",
}

func (s *Stream) lookAtDevice(fd int, number uint64) *RefusedError {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		s.Kind = recipe.TerminalStream
		return nil
	}
	name, known := devices[number]
	if !known {
		return unknown("the device " + called(fd))
	}
	s.Kind, s.Path = recipe.DeviceStream, name
	return nil
}

// LetGo gives up core's own standard input and output, where they are pipes or sockets, once the
// relays have theirs: whoever writes to the one or reads from the other must see the agent's end of
// it. In their place stands something that can be neither read nor written, so that nothing that is
// opened later gets one of these numbers. Standard error stays, for nono itself.
func (set Set) LetGo() error {
	for n, s := range set[:2] {
		if s.Kind != recipe.PipeStream && s.Kind != recipe.SocketStream {
			continue
		}
		conn, err := s.File.SyscallConn()
		if err != nil {
			return fmt.Errorf("letting go of %s: %w", names[n], err)
		}
		var failed error
		err = conn.Control(func(fd uintptr) {
			if fd == uintptr(n) {
				failed = replace(n)
			}
		})
		if err = errors.Join(err, failed); err != nil {
			return fmt.Errorf("letting go of %s: %w", names[n], err)
		}
	}
	return nil
}

func replace(number int) error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Dup3(fd, number, unix.O_CLOEXEC), unix.Close(fd))
}
