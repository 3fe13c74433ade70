package metadata_test

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/metadata"
	"github.com/nono-run/nono/core/launch/supervise"
	"github.com/nono-run/nono/test/held"
)

// measured are calls as programs make them many times, on a file in their working directory.
var measured = map[string]func(fd int, path string) error{
	"getppid":   func(int, string) error { unix.Getppid(); return nil },
	"chmod":     func(int, string) error { return unix.Chmod("file", 0o644) },
	"absolute":  func(_ int, path string) error { return unix.Chmod(path, 0o644) },
	"utimensat": func(int, string) error { return unix.UtimesNanoAt(unix.AT_FDCWD, "file", nil, 0) },
	"fchmod":    func(fd int, _ string) error { return unix.Fchmod(fd, 0o644) },
}

// measure makes a call so many times, and prints how many nanoseconds each took.
func measure(args []string) error {
	call, times, path := measured[args[0]], integer(args[1]), args[2]
	fd, err := unix.Open("file", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	// The least of many short rounds: what other work costs is no matter of the call's.
	const round = 200
	least := int64(math.MaxInt64)
	for range times / round {
		began := time.Now()
		for range round {
			if err := call(fd, path); err != nil {
				return err
			}
		}
		least = min(least, time.Since(began).Nanoseconds()/round)
	}
	fmt.Println(least)
	return nil
}

// BenchmarkCalls is what a call costs that core makes, beside one that the kernel makes at once.
func BenchmarkCalls(b *testing.B) {
	for name := range measured {
		root := tree(b)
		for by, handlers := range map[string]supervise.Handlers{
			"kernel": nil, "core": with(metadata.Handlers(granted(root))),
		} {
			b.Run(name+"/"+by, func(b *testing.B) {
				in := filepath.Join(root, "in")
				child := held.Start(b, handlers, in, ":measure", name, strconv.Itoa(b.N), in+"/file")
				child.Ends()
			})
		}
	}
}

// with adds a call that nothing is done for: what is left is the cost of asking.
func with(handlers supervise.Handlers) supervise.Handlers {
	handlers["getppid"] = func(*supervise.Call) supervise.Answer { return supervise.Value(1) }
	return handlers
}
