package inside

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
)

// waitForAgent reaps whatever ends, as pid 1 must, until the main process does. That is the end of
// the run: it ends the rest, tells core, and ends the process. stopped is called when a signal has
// stopped the agent.
func waitForAgent(agent int, stopped func(unix.Signal)) {
	go func() {
		if endedBehindUs(agent) {
			_ = unix.Kill(-1, unix.SIGKILL)
		}
	}()
	status, err := reapUntil(agent, stopped)
	if err != nil {
		os.Exit(1) // core sees a nono-init that ended without a word, and says so
	}
	tellEnd(status, endOthers())
}

// tellEnd tells core how the agent ended, and how many others were left, and ends this process.
func tellEnd(status unix.WaitStatus, left int) {
	e := &recipe.Exited{Code: status.ExitStatus(), Left: left}
	if status.Signaled() {
		e.Code, e.Signal = 0, int(status.Signal())
	}
	_ = send(recipe.Reply{Exited: e})
	os.Exit(0)
}

// awaitExec waits until a child that this thread traces stands at its exec, or has ended on its way
// there. A signal that comes first is passed on.
func awaitExec(child int) (unix.WaitStatus, error) {
	for {
		_, status, err := reap(child, 0)
		if err != nil || !status.Stopped() || status.StopSignal() == unix.SIGTRAP {
			return status, err
		}
		err = unix.PtraceCont(child, int(status.StopSignal()))
		if err != nil && err != unix.ESRCH { // ended meanwhile, of which the next look tells
			return status, err
		}
	}
}

// reapUntil waits for the main process and for all orphans that end before it.
//
// The main process is asked for by its number before each wait for anybody: the kernel answers that
// with whichever ended child it comes to first, and where others end all the time, it may never
// come to this one.
func reapUntil(agent int, stopped func(unix.Signal)) (unix.WaitStatus, error) {
	for {
		for _, wait := range []struct{ pid, options int }{{agent, unix.WNOHANG}, {-1, 0}} {
			news, status, err := reap(wait.pid, wait.options|unix.WUNTRACED)
			switch {
			case err != nil:
				return 0, err
			case news != agent:
			case status.Stopped():
				// Or it asked to be traced: then its parent traces it, and each of its signals is news for us.
				stopped(status.StopSignal())
			default:
				return status, nil
			}
		}
	}
}

// endOthers ends every process that is left inside, and counts those that this ended. The end of
// pid 1 would end them as well, but could not count.
//
// It kills first: whoever waited for a quiet moment could be kept waiting by processes that go on
// forking. Once is enough, and none slips through: a fork fails in a process that has a signal
// waiting.
func endOthers() int {
	if err := unix.Kill(-1, unix.SIGKILL); err != nil {
		return 0 // to all but the caller, and there is nobody
	}
	killed := 0
	for {
		_, status, err := reap(-1, 0)
		if err != nil {
			return killed // no child is left, and every process here is or becomes one
		}
		// The others had ended by themselves, and nobody had reaped them yet.
		if status.Signaled() && status.Signal() == unix.SIGKILL {
			killed++
		}
	}
}

// endedBehindUs waits for the end of the main process, and reports whether the kernel keeps it from
// us: the end of a process that something inside traces is told to the tracer alone, until that has
// taken note of it or is gone. A pidfd tells it to whoever asks.
func endedBehindUs(agent int) bool {
	fd, err := unix.PidfdOpen(agent, 0)
	if err != nil {
		return false // it has ended and was reaped
	}
	defer closeFD(fd)
	ended := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for ended[0].Revents == 0 {
		if _, err := unix.Poll(ended, -1); err != nil && err != unix.EINTR {
			return false
		}
	}
	var info unix.Siginfo
	const look = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
	err = unix.Waitid(unix.P_PIDFD, fd, &info, look, nil)
	return err == nil && info.Signo == 0 // it is our child, and there is no news of it
}

// reap waits for a child, or for any with -1. WALL: also for those that were cloned to end without
// SIGCHLD.
func reap(pid, options int) (int, unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(pid, &status, options|unix.WALL, nil)
		if err != unix.EINTR {
			return ended, status, err
		}
	}
}
