package launch

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/launch/relay"
	"github.com/nono-run/nono/core/launch/streams"
)

// drainLimit is how long the output of an agent that was asked to end is waited for, once it has
// ended, where nobody reads it.
const drainLimit = 2 * time.Second

// plumbing is what stands between the user's streams and the agent's: which descriptor nono-init
// gets for each, what it is told of it, and the relays that move what goes through.
type plumbing struct {
	user  streams.Set
	told  [3]recipe.Stream
	files [3]*os.File // nil is closed
	own   []*os.File  // of files, those that core made, to be closed when nono-init has its copies

	relays [3]*relay.Relay // nil where there is none
	views  [3]*os.File     // of files that are read through a view, or as a copy
	starts [3]int64        // the offset at which each view began

	// hurry is closed when the end was asked for from outside.
	hurry     chan struct{}
	hurryOnce sync.Once
}

// lay decides how the agent gets each stream. Pipes and sockets are relayed; so is a file that is
// only read, unless nono-init can make a view of it, which it tells later. What is left goes
// through as it is: a file that is written to, which its holder may truncate anyway. Terminals and
// devices are nono-init's to replace.
func lay(set streams.Set, tier recipe.Tier) (*plumbing, error) {
	p := &plumbing{user: set, hurry: make(chan struct{})}
	for n, s := range set {
		p.told[n], p.files[n] = s.Stream, s.File
		copied := false
		var err error
		if tier == recipe.TierB && s.Kind == recipe.FileStream {
			p.told[n].Path = "" // nono-init can make no view
			if copied, err = p.copy(n); err != nil {
				p.close()
				return nil, err
			}
		}
		switch s.Kind {
		case recipe.PipeStream, recipe.SocketStream:
			err = p.relay(n)
		case recipe.FileStream:
			if !s.Write && !copied {
				err = p.relay(n)
			}
		case recipe.TerminalStream:
			p.files[n] = nil // nothing of the user's terminal goes beyond core
		case recipe.DeviceStream, recipe.ClosedStream:
		}
		if err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

// mostCopied is how large a file may be that is copied into memory to be read.
const mostCopied = 16 << 20

// copy has the agent read a copy of a file that is only read, where no view of it can be made: with
// the user's own descriptor it could change the file's mode, times and attributes. The copy lies in
// memory, can be neither written nor given another size, and is read from where the user's offset
// is. It reports whether there is one: a larger file, and one that grows meanwhile, is relayed.
func (p *plumbing) copy(n int) (bool, error) {
	s := p.user[n]
	if s.Write {
		return false, nil
	}
	at, err := s.File.Seek(0, io.SeekCurrent)
	if err != nil {
		return false, fmt.Errorf("looking at where stream %d begins: %w", n, err)
	}
	inner, err := sealedCopy(s.File)
	if inner == nil || err != nil {
		return false, err
	}
	p.own = append(p.own, inner)
	if _, err := inner.Seek(at, io.SeekStart); err != nil {
		return false, fmt.Errorf("beginning the copy of stream %d where it was given: %w", n, err)
	}
	// The offset of an open file is shared by all descriptors that were copied from it.
	mine, err := unix.FcntlInt(inner.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return false, fmt.Errorf("keeping the copy of stream %d: %w", n, err)
	}
	p.files[n], p.views[n], p.starts[n] = inner, os.NewFile(uintptr(mine), "copy"), at
	return true, nil
}

// sealedCopy is a file's content, opened for reading; nil if it is too large.
func sealedCopy(f *os.File) (*os.File, error) {
	const doing = "copying a file that the agent reads"
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	content, err := io.ReadAll(io.NewSectionReader(f, 0, mostCopied+1))
	if err != nil || len(content) > mostCopied {
		return nil, nil // what cannot be read is the agent's to find out
	}
	fd, err := unix.MemfdCreate("nono-stream", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	memory := os.NewFile(uintptr(fd), "copy")
	defer func() { _ = memory.Close() }() // its content stays, by the other descriptor
	if _, err := memory.Write(content); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	reading, err := os.Open("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return reading, nil
}

// relay puts a relay before a stream: from the user's to the agent's for standard input, the other
// way for the others, unless it was opened for one direction only.
func (p *plumbing) relay(n int) error {
	s := p.user[n]
	if input := s.Read && (n == 0 || !s.Write); input {
		inner, r, err := relay.Input(s.File, s.Kind)
		if err != nil {
			return err
		}
		p.put(n, inner, r)
		if !s.Viewed() {
			p.told[n] = recipe.Stream{Kind: recipe.PipeStream, Read: true}
		}
		return nil
	}
	p.told[n] = recipe.Stream{Kind: recipe.PipeStream, Write: true}
	// What goes to one place goes through one pipe, or its order would be lost.
	for m := range n {
		if p.relays[m] != nil && p.told[m].Write && p.user.Same(m, n) {
			p.files[n] = p.files[m]
			return nil
		}
	}
	inner, r, err := relay.Output(s.File, s.Kind)
	if err != nil {
		return err
	}
	p.put(n, inner, r)
	return nil
}

func (p *plumbing) put(n int, inner *os.File, r *relay.Relay) {
	p.files[n], p.relays[n] = inner, r
	p.own = append(p.own, inner)
}

// handed lets go of the agent's ends, when nono-init has copies of its own: a copy left here would
// keep the end of a stream from ever being seen.
func (p *plumbing) handed() {
	for _, f := range p.own {
		_ = f.Close()
	}
	p.own = nil
}

// view takes the view that nono-init made of a file, and gives it the user's offset. There is
// nothing to relay then.
func (p *plumbing) view(number string, f *os.File) error {
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(p.told) || !p.told[n].Viewed() || p.views[n] != nil {
		_ = f.Close()
		return fmt.Errorf("nono-init made a view of a stream %q that nobody asked for", number)
	}
	p.views[n] = f
	if p.starts[n], err = p.user[n].File.Seek(0, io.SeekCurrent); err != nil {
		return fmt.Errorf("looking at where stream %d begins: %w", n, err)
	}
	if _, err := f.Seek(p.starts[n], io.SeekStart); err != nil {
		return fmt.Errorf("beginning stream %d where it was given: %w", n, err)
	}
	p.relays[n].Close()
	p.relays[n] = nil
	return nil
}

// start begins to move what goes through.
func (p *plumbing) start() {
	for _, r := range p.relays {
		if r != nil {
			r.Start()
		}
	}
}

// drain waits until all that the agent wrote has arrived, and what it read has been taken. The
// agent is gone. Whoever reads its output may take his time, as he may with any program, until
// somebody asks for the end.
func (p *plumbing) drain() {
	var limit <-chan time.Time
	hurry := p.hurry
	for _, r := range p.relays {
		if r == nil {
			continue
		}
		for done := false; !done; {
			select {
			case <-r.Done():
				done = true
			case <-hurry:
				hurry, limit = nil, time.After(drainLimit)
			case <-limit:
				return
			}
		}
	}
}

// hasten bounds the time that drain may take.
func (p *plumbing) hasten() { p.hurryOnce.Do(func() { close(p.hurry) }) }

// giveBack sets the user's files to where the agent has come in reading them, as if it had held
// them itself. Whoever runs next with the same input goes on there.
func (p *plumbing) giveBack() {
	for n, view := range p.views {
		if view == nil {
			continue
		}
		if at, err := view.Seek(0, io.SeekCurrent); err == nil && at != p.starts[n] {
			_, _ = p.user[n].File.Seek(at, io.SeekStart) // the file is the user's, and was seekable before
		}
	}
}

// close lets go of everything. Relays that run come to their end by themselves.
func (p *plumbing) close() {
	p.handed()
	for _, r := range p.relays {
		if r != nil {
			r.Close()
		}
	}
	for _, f := range p.views {
		if f != nil {
			_ = f.Close()
		}
	}
}
