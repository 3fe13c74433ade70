package copies

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/coding"
	"github.com/nono-run/nono/core/launch/recipe"
)

// Argument makes a program a keeper of files, if it calls [Main] for it.
const Argument = "keep-files"

// Keeper is a process that brings the files back if core is killed before it has. It is in a
// session of its own, so that what a terminal sends does not end it.
type Keeper struct {
	socket  int
	process *os.Process
}

// handover is what the keeper is told. With it come descriptors: one that says when all inside is
// over, and then the two directories of each file.
type handover struct {
	Where Where
	Home  string
	Paths []string
	// Digests are of the contents at the start.
	Digests [][]byte
}

// Walk implements [coding.Coded].
func (h *handover) Walk(c *coding.Coder) {
	coding.Text(c, &h.Where.Session)
	coding.Text(c, &h.Where.Runtime)
	coding.Text(c, &h.Home)
	coding.List(c, &h.Paths, coding.Text[string])
	coding.List(c, &h.Digests, (*coding.Coder).Bytes)
}

// done is what core says when it has brought the files back itself.
type done struct {
	Done bool
}

// Walk implements [coding.Coded].
func (d *done) Walk(c *coding.Coder) { c.Flag(&d.Done) }

// Keep starts the keeper, as a program that calls [Main], and returns when it has taken over. ended
// is a descriptor of the process that all inside ends with.
func Keep(program, home string, s *Set, ended *os.File) (*Keeper, error) {
	const doing = "starting the keeper of the files that are brought back"
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "keeper")
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		recipe.CloseAll(pair[:1])
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	defer null.Close()
	k := &Keeper{socket: pair[0]}
	//nolint:gosec // the program is nono-init, found beside nono
	k.process, err = os.StartProcess(program, []string{"nono-keeper", Argument}, &os.ProcAttr{
		Dir: "/", Env: []string{"GOMAXPROCS=1"},
		Files: []*os.File{null, null, os.Stderr, theirs},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		recipe.CloseAll(pair[:1])
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	told := handover{Where: s.where, Home: home}
	descriptors := []int{int(ended.Fd())}
	for _, f := range s.files {
		told.Paths = append(told.Paths, f.path)
		told.Digests = append(told.Digests, f.digest[:])
		descriptors = append(descriptors, f.inside, f.host)
	}
	err = recipe.Send(k.socket, &told, descriptors...)
	if err == nil {
		// An answer, so that nothing is changed before somebody is there to keep it.
		var ready done
		_, err = recipe.Receive(k.socket, &ready)
	}
	if err != nil {
		k.Release()
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return k, nil
}

// PID is the keeper's number.
func (k *Keeper) PID() int { return k.process.Pid }

// Release lets the keeper go: core has brought the files back, or there is nothing to bring.
func (k *Keeper) Release() {
	// Where it is gone already there is nobody to tell.
	_ = recipe.Send(k.socket, &done{true})
	_ = unix.Close(k.socket)
	_, _ = k.process.Wait()
}

// socket is the descriptor on which the keeper finds core.
const socket = 3

// Main is the keeper, and returns its exit code.
func Main() int {
	s, home, ended, err := take()
	if err != nil {
		if errors.Is(err, unix.EBADF) || errors.Is(err, unix.ENOTSOCK) {
			err = errors.New("a keeper of files is started by nono, and does nothing by itself")
		}
		fmt.Fprintln(os.Stderr, "nono:", err)
		return 1
	}
	var said done
	if _, err := recipe.Receive(socket, &said); err == nil && said.Done {
		return 0
	}
	// Core is gone. The kernel ends what is inside, and then nothing there changes any more.
	if err := await(ended); err != nil {
		fmt.Fprintln(os.Stderr, "nono:", err)
		return 1
	}
	code := 0
	for _, o := range s.Return() {
		if says, try := o.Text(home); says != "" {
			fmt.Fprintf(os.Stderr, "nono: warning: %s\n", says)
			if try != "" {
				fmt.Fprintf(os.Stderr, "  %s\n", try)
			}
		}
		if o.Failed() {
			code = 1
		}
	}
	return code
}

// take receives what core hands over, and says so.
func take() (s *Set, home string, ended int, err error) {
	var told handover
	fds, err := recipe.Receive(socket, &told)
	if err != nil {
		return nil, "", 0, err
	}
	if len(fds) != 1+2*len(told.Paths) || len(told.Digests) != len(told.Paths) {
		return nil, "", 0, errors.New("keeping files: core sent something else")
	}
	s = &Set{where: told.Where}
	for i, path := range told.Paths {
		if len(told.Digests[i]) != len(digest{}) {
			return nil, "", 0, errors.New("keeping files: core sent something else")
		}
		s.files = append(s.files, file{
			path: path, inside: fds[1+2*i], host: fds[2+2*i], digest: digest(told.Digests[i]),
		})
	}
	return s, told.Home, fds[0], recipe.Send(socket, &done{})
}

// await waits for a process to end, by its descriptor.
func await(process int) error {
	polled := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(polled, -1)
		switch {
		case n > 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("waiting for the end of the session: %w", err)
		}
	}
}
