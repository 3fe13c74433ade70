//go:build linux

package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/plugins/snapshot/beneath"
	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

const (
	// syncPatience is how long the agent is held for the disk. What takes longer goes on beside it:
	// only a loss of power could take the snapshot away until then.
	syncPatience = 250 * time.Millisecond
	// endPatience is the same at the end of a run, for which somebody waits at the terminal.
	endPatience = 2 * time.Second
)

// The events of a session.
const (
	eventRecorded = "snapshot.recorded"
	eventSafe     = "snapshot.safe"
	eventUnsafe   = "snapshot.unsafe"
	eventOpened   = "snapshot.opened"
)

// Start implements sdk.Starter: it records the directories.
func (*layer) Start(ctx context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	s, err := open(ctx, req.StateDir)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	before, err := s.take(ctx, &req.Run, outermost(&req.Policy.Snapshot))
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%w\nto run without a snapshot: --disable snapshot", err)
	}
	of := &sessions.Session{ID: req.SessionID, Began: started.UTC()}
	for _, t := range before {
		of.Roots = append(of.Roots, sessions.Root{
			Path: t.path, Identity: t.Root, Before: t.manifest,
			Unreadable: [2]int64{t.Unreadable, 0},
		})
		event(req.Session, eventRecorded, map[string]string{
			"path": t.path, "names": fmt.Sprint(t.Entries), "files": fmt.Sprint(t.Files),
			"read": fmt.Sprint(t.Read), "unreadable": fmt.Sprint(t.Unreadable),
			"took": time.Since(started).Round(time.Millisecond).String(),
		})
	}
	state, err := json.Marshal(of)
	if err == nil {
		err = s.sessions.Put(of)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	// Where nothing changed there is nothing to keep the agent waiting for.
	safe, err := s.store.Synced()
	if err != nil {
		s.close()
		return nil, err
	}
	synced := make(chan error, 1)
	rest := context.WithoutCancel(ctx)
	go func() {
		err := s.store.Sync(rest)
		s.close()
		synced <- err
	}()
	answer := &sdk.StartResponse{State: state}
	if !safe {
		select {
		case err := <-synced:
			answer.Rest = func(context.Context) {} // a run that is over soon comes to this process again
			return answer, err
		case <-time.After(syncPatience):
		}
	}
	session := req.Session
	answer.Rest = func(context.Context) {
		err := <-synced
		if safe && err == nil {
			return
		}
		took := map[string]string{"after": time.Since(started).Round(time.Millisecond).String()}
		if err != nil {
			took["why"] = err.Error()
			event(session, eventUnsafe, took)
			return
		}
		event(session, eventSafe, took)
	}
	return answer, nil
}

// event tells of something for the session's log. Without core nobody would read it.
func event(session *sdk.Session, name string, fields map[string]string) {
	_ = session.Event(sdk.Event{Name: name, Fields: fields})
}

// Finish implements sdk.Starter: it records the directories again, and says in a line what changed.
func (*layer) Finish(ctx context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	answer := &sdk.FinishResponse{}
	if req.State == nil {
		return answer, nil // the first snapshot was never whole: nothing names it, and prune removes it
	}
	var of sessions.Session
	if err := json.Unmarshal(req.State, &of); err != nil {
		return nil, fmt.Errorf("reading what Start has returned: %w", err)
	}
	s, err := open(ctx, req.StateDir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if req.End.Reason == sdk.EndStartFailed {
		return answer, s.sessions.Drop(of.ID) // nobody has changed anything
	}
	if known, err := s.sessions.Get(of.ID); err == nil && known.Over() {
		answer.Lines, err = s.summary(ctx, known)
		return answer, err
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := s.finish(ctx, req, &of); err != nil {
		return nil, err
	}
	if answer.Lines, err = s.summary(ctx, &of); err != nil {
		return nil, err
	}
	s.syncFor(ctx, endPatience)
	// Held by this process as well, the store could not be pruned.
	s.close()
	lines, err := tidy(ctx, req.StateDir, req.Policy.Snapshot.Keep, of.ID)
	answer.Lines = append(answer.Lines, lines...)
	if err != nil {
		answer.Lines = append(answer.Lines, "removing old snapshots: "+policy.Printable(err.Error()))
	}
	return answer, nil
}

// finish takes the second snapshot. A directory that is gone, or that is another one now, is no
// reason not to have it of the others.
func (s *state) finish(ctx context.Context, req *sdk.FinishRequest, of *sessions.Session) error {
	for i := range of.Roots {
		root := &of.Roots[i]
		if opened, err := openUp(root); err != nil {
			return err
		} else if opened {
			event(req.Session, eventOpened, map[string]string{"path": root.Path})
		}
		after, err := s.take(ctx, &req.Run, []string{root.Path})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && isGone(root):
			root.Gone = err.Error()
			continue
		case err != nil:
			return err
		}
		if !after[0].Root.Same(root.Identity) {
			root.Gone = "another directory stands in its place"
			continue
		}
		root.After, root.Unreadable[1] = after[0].manifest, after[0].Unreadable
	}
	of.Ended, of.Late = time.Now().UTC(), req.Stored
	return s.sessions.Put(of)
}

// openUp gives the owner all rights to a recorded directory again, if the agent took them away: it
// could not be recorded, and nothing in it could be undone. Another one in its place is left alone.
func openUp(root *sessions.Root) (opened bool, err error) {
	fd, is, err := standing(root.Path)
	if err != nil {
		return false, nil // it is gone, or cannot be reached: to record it says so
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	if !is.Same(root.Identity) || int(st.Uid) != os.Geteuid() || st.Mode&0o700 == 0o700 {
		return false, nil
	}
	// The descriptor's own name leads to the directory that was looked at, and nowhere else.
	err = unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), st.Mode&0o7777|0o700)
	return err == nil, err
}

// isGone reports whether the recorded directory is not at its path any more.
func isGone(root *sessions.Root) bool {
	fd, is, err := standing(root.Path)
	if err != nil {
		return true
	}
	_ = unix.Close(fd)
	return !is.Same(root.Identity)
}

// standing holds the directory that stands at a path, whatever its mode is, and says which one it
// is.
func standing(path string) (fd int, is beneath.Identity, err error) {
	const how = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if fd, err = unix.Open(path, how, 0); err != nil {
		return -1, is, err
	}
	if is, err = beneath.IdentityOf(fd); err != nil {
		_ = unix.Close(fd)
	}
	return fd, is, err
}

// syncFor has the disk take what was sealed, for as long as somebody may be kept waiting. What is
// left the next session does.
func (s *state) syncFor(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	_ = s.store.Sync(ctx)
}
