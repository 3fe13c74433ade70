package verify

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// orphans are processes whose parents have ended: while this process adopts them, none gets lost.
type orphans struct{}

func adopt() (*orphans, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("adopting what layers leave behind: %w", err)
	}
	return &orphans{}, nil
}

// lastMoments is how long a process may take that ends because its parent has.
const lastMoments = time.Second

// check ends what is left of all layers once they are gone, and says what that was.
func (o *orphans) check() error {
	for deadline := time.Now().Add(lastMoments); time.Now().Before(deadline) && len(children()) > 0; {
		<-time.After(10 * time.Millisecond)
	}
	var named []string
	for pid, name := range children() {
		named = append(named, fmt.Sprintf("%s (%d)", name, pid))
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
			_, _ = p.Wait()
		}
	}
	if len(named) > 0 {
		return fmt.Errorf("when it was gone there still ran %s", strings.Join(named, ", "))
	}
	return nil
}

// release gives up adopting.
func (o *orphans) release() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }

// children are the processes that this one is the parent of and that have not ended. Those that
// have are reaped.
func children() map[int]string {
	running := map[int]string{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// 123 (name) S 1 ...
		_, rest, _ := strings.Cut(string(stat), "(")
		end := strings.LastIndex(rest, ")")
		fields := strings.Fields(rest[end+1:])
		if len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		if fields[0] == "Z" {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			continue
		}
		running[pid] = rest[:end]
	}
	return running
}
