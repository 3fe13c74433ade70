package sockets_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/test/held"
)

func TestMain(m *testing.M) { os.Exit(held.Main(m, acts)) }

// acts are what an agent does that is no program.
var acts = held.Acts{
	// each dials an address, by Go's net package, and says what it heard.
	":dial": func(args []string) error {
		for _, at := range args {
			fmt.Println(hear(net.Dial("tcp", at)))
		}
		return nil
	},
	// blocking does it with a socket that blocks, for an address of any family.
	":blocking": func(args []string) error {
		for _, at := range args {
			fmt.Println(blocking(netip.MustParseAddrPort(at), unix.SOCK_STREAM, 0))
		}
		return nil
	},
	// mapped dials an IPv4 address as IPv6 writes it.
	":mapped": func(args []string) error {
		at := netip.MustParseAddrPort(args[0])
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		only, _ := strconv.Atoi(args[1])
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return err
		}
		fmt.Println(heard(fd, unix.Connect(fd, &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())})))
		return nil
	},
	// kind dials with a socket of another kind: its type and its protocol.
	":kind": func(args []string) error {
		kind, _ := strconv.Atoi(args[1])
		protocol, _ := strconv.Atoi(args[2])
		fmt.Println(blocking(netip.MustParseAddrPort(args[0]), kind, protocol))
		return nil
	},
	// malformed makes connects that no program makes.
	":malformed": func(args []string) error {
		at := netip.MustParseAddrPort(args[0])
		good := rawAddress(at)
		none := make([]byte, 16) // AF_UNSPEC
		six := make([]byte, 28)
		six[0] = unix.AF_INET6
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		connect := func(fd int, address []byte, length int) {
			_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&address[0])), uintptr(length))
			fmt.Println(errno)
		}
		connect(fd, none, 16)
		connect(fd, six, 28)
		connect(fd, good, 15)
		connect(fd, good, -1)
		connect(fd, good, 1<<20)
		connect(9999, good, 16)
		connect(0, good, 16)
		_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), 8, 16)
		fmt.Println(errno)
		// The kernel looks at the lower half of both, and so does core.
		_, _, errno = unix.Syscall(unix.SYS_CONNECT, uintptr(fd)|1<<32, uintptr(unsafe.Pointer(&good[0])), 16|1<<32)
		fmt.Println(heard(fd, err2(errno)))
		return nil
	},
	// undumpable closes itself to core, and dials.
	":undumpable": func(args []string) error {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return err
		}
		fmt.Println(hear(net.Dial("tcp", args[0])))
		return nil
	},
	// lines dials the address in each line of the input.
	":lines": func([]string) error { return dialLines() },
	// swap races: while threads connect to the first address, another one writes the second into the
	// same memory, and puts other sockets in the place of the descriptor.
	":swap": func(args []string) error {
		good, bad := netip.MustParseAddrPort(args[0]), netip.MustParseAddrPort(args[1])
		times, _ := strconv.Atoi(args[2])
		return swap(good, bad, times)
	},
	// many dials so many at once, and says how many heard what they should.
	":many": func(args []string) error {
		n, _ := strconv.Atoi(args[1])
		var ok atomic.Int64
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				if hear(net.Dial("tcp", args[0])) == args[2] {
					ok.Add(1)
				}
			})
		}
		all.Wait()
		fmt.Println(ok.Load())
		return nil
	},
	// forked has a child of its own dial.
	":forked": func(args []string) error {
		cmd := held.Unheld(args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	},
	// twice connects a socket that does not block, and asks by the same call how far it has come.
	":twice": func(args []string) error {
		at := netip.MustParseAddrPort(args[0])
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		to := &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
		for range 3 {
			err := unix.Connect(fd, to)
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 5000)
			if err != nil && !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EISCONN) {
				return err
			}
		}
		if err := unix.SetNonblock(fd, false); err != nil {
			return err
		}
		fmt.Println(heard(fd, nil))
		return nil
	},
	// serve listens at an address, says so, and greets whoever comes.
	":serve": func(args []string) error {
		for _, at := range args {
			l, err := net.Listen("tcp", at)
			if err != nil {
				fmt.Println(errnoOf(err))
				continue
			}
			fmt.Println("serves")
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, "the agent\n")
					c.Close()
				}
			}()
		}
		return dialLines()
	},
	// unbound listens without having asked for a port.
	":unbound": func([]string) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		fmt.Println(errnoOf(unix.Listen(fd, 1)))
		return nil
	},
	// times connects so often, and says how long each took.
	":times": func(args []string) error {
		at := netip.MustParseAddrPort(args[0])
		n, _ := strconv.Atoi(args[1])
		to := &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
		var took time.Duration
		for range n {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			// Its end leaves nothing behind: so many would use up the ports.
			linger := &unix.Linger{Onoff: 1}
			if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, linger); err != nil {
				return err
			}
			began := time.Now()
			if err := unix.Connect(fd, to); err != nil {
				return err
			}
			took += time.Since(began)
			unix.Close(fd)
		}
		fmt.Println(took.Nanoseconds() / int64(n))
		return nil
	},
	// unix connects to each path, as streams and as packets.
	":unix": func(args []string) error {
		for _, at := range args {
			fmt.Println(hearUnix(at, unix.SOCK_STREAM))
		}
		return nil
	},
	// unixlines connects to the path in each line of the input.
	":unixlines": func([]string) error {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			fmt.Println(hearUnix(lines.Text(), unix.SOCK_STREAM))
		}
		return nil
	},
	// unixlisten listens at a path.
	":unixlisten": func(args []string) error {
		for _, at := range args {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			if err := unix.Bind(fd, &unix.SockaddrUnix{Name: at}); err != nil {
				return err
			}
			fmt.Println(errnoOf(unix.Listen(fd, 1)))
		}
		return nil
	},
	// datagram connects a socket of datagrams.
	":datagram": func(args []string) error {
		fmt.Println(hearUnix(args[0], unix.SOCK_DGRAM))
		return nil
	},
	// unixswap connects to a path in memory that another thread makes another one of, and a link that
	// leads to and fro.
	":unixswap": func(args []string) error { return unixSwap(args[0], args[1], 400) },
}

func dialLines() error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(hear(net.Dial("tcp", lines.Text())))
	}
	return nil
}

// hear is the first line that a connection brings, or why there is none.
func hear(c net.Conn, err error) string {
	if err != nil {
		return errnoOf(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return errnoOf(err)
	}
	return line[:len(line)-1]
}

// heard is the same of a socket.
func heard(fd int, err error) string {
	if err != nil {
		unix.Close(fd)
		return errnoOf(err)
	}
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	c, err := net.FileConn(f)
	return hear(c, err)
}

func blocking(at netip.AddrPort, kind, protocol int) string {
	if at.Addr().Is6() {
		fd, err := unix.Socket(unix.AF_INET6, kind, protocol)
		if err != nil {
			return errnoOf(err)
		}
		return heard(fd, unix.Connect(fd, &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())}))
	}
	fd, err := unix.Socket(unix.AF_INET, kind, protocol)
	if err != nil {
		return errnoOf(err)
	}
	return heard(fd, unix.Connect(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}))
}

func hearUnix(at string, kind int) string {
	fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
	if err != nil {
		return errnoOf(err)
	}
	return heard(fd, unix.Connect(fd, &unix.SockaddrUnix{Name: at}))
}

func errnoOf(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	case errors.Is(err, io.EOF):
		return "EOF"
	}
	return err.Error()
}

func err2(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func rawAddress(at netip.AddrPort) []byte {
	ip := at.Addr().As4()
	b := []byte{unix.AF_INET, 0, byte(at.Port() >> 8), byte(at.Port()), ip[0], ip[1], ip[2], ip[3]}
	return append(b, make([]byte, 8)...)
}

// swap tries for one connection of bad's, and says when it is done trying.
func swap(good, bad netip.AddrPort, times int) error {
	memory := rawAddress(good)
	words := [2][]byte{rawAddress(good), rawAddress(bad)}
	const place = 200 // the descriptor that changes
	var over atomic.Bool
	var swaps atomic.Int64
	var all sync.WaitGroup
	all.Go(func() { // the address
		runtime.LockOSThread()
		for n := 0; !over.Load(); n++ {
			copy(memory, words[n%2])
			swaps.Add(1)
		}
	})
	all.Go(func() { // the descriptor: TCP, UDP and MPTCP take turns
		runtime.LockOSThread()
		for n := 0; !over.Load(); n++ {
			kinds := [][2]int{{unix.SOCK_STREAM, 0}, {unix.SOCK_DGRAM, 0}, {unix.SOCK_STREAM, 262}}
			k := kinds[n%len(kinds)]
			fd, err := unix.Socket(unix.AF_INET, k[0], k[1])
			if err != nil {
				continue
			}
			_ = unix.Dup3(fd, place, unix.O_CLOEXEC)
			unix.Close(fd)
		}
	})
	for swaps.Load() == 0 {
		runtime.Gosched() // until they have begun
	}
	for n := range times {
		fd := place
		if n%2 == 0 {
			fd, _ = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		}
		_, _, _ = unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&memory[0])), 16)
		_, _ = unix.Write(fd, []byte("x"))
		if fd != place {
			unix.Close(fd)
		}
	}
	over.Store(true)
	all.Wait()
	fmt.Println("done")
	return nil
}

// unixSwap is the same for paths of the same length, and for a link.
func unixSwap(good, bad string, times int) error {
	memory := append([]byte{unix.AF_UNIX, 0}, good...)
	memory = append(memory, 0)
	words := [2]string{good, bad}
	link := good + ".link"
	var over atomic.Bool
	var swaps atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		runtime.LockOSThread()
		for n := 0; !over.Load(); n++ {
			copy(memory[2:], words[n%2])
			_ = os.Symlink(words[n%2], link+".new")
			_ = os.Rename(link+".new", link)
			swaps.Add(1)
		}
	})
	// On a busy machine all tries may be over before the other thread has made any change.
	for n, changes, last := 0, 0, int64(0); n < times || changes < 20; n++ {
		if now := swaps.Load(); now != last {
			changes, last = changes+1, now
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if n%2 == 0 {
			_, _, _ = unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory)))
		} else {
			_ = unix.Connect(fd, &unix.SockaddrUnix{Name: link})
		}
		unix.Close(fd)
	}
	over.Store(true)
	all.Wait()
	fmt.Println("done")
	return nil
}
