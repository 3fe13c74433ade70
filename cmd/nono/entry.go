//go:build linux && (amd64 || arm64)

package main

import "github.com/nono-run/nono/core/timers"

// The first instructions of nono are its own: the kernel starts it at entry, in entry_linux_*.s,
// and not in Go's runtime. Under a limit on memory, on processes or on open files that is too low
// for that runtime to begin, it would answer with a dump of its state and the exit code 2. entry
// says in a sentence which limit it is and ends with 125; else it goes on where the program would
// have begun.
//
// Then it lets timers be late, if they may not be later already, as core/timers does for what nono
// starts: Go's monitor begins before anything that is written in Go.
//
// It runs before there is anything: no stack of Go's, no memory, no signals. So it makes four kinds
// of system call, and a fifth to end, and of Go's memory it writes to usersSlack alone. The linker
// is told of it in the Makefile (-E main.entry); a nono that is built without that has Go's own
// beginning.
//
// It does not count: where a limit on processes is large enough and the user's other processes have
// used it up, Go's runtime answers as before.
//
// What it asks for is a little more than Go's runtime and a small run take: most of the memory is
// only reserved and never used.

// The messages, by the limit that is too low. The instructions read them where the linker has put
// them.
//
//nolint:unused // by nothing that Go's tools can see
var (
	tooLittleMemory = "nono: error: the limit on memory is below 1 GiB, " +
		"most of which a run only reserves\n  raise it: ulimit -v\n"
	tooLittleData = "nono: error: the limit on data is below 128 MiB, which a run needs\n" +
		"  raise it: ulimit -d\n"
	tooFewFiles = "nono: error: the limit on open files is below 16, and a run needs 64\n" +
		"  raise it: ulimit -n\n"
	tooFewProcesses = "nono: error: the limit on processes and threads is below 48, " +
		"which a run needs\n  raise it: ulimit -u\n"
)

// slack is by how many nanoseconds entry lets timers be late.
//
//nolint:unused // but by the instructions
const slack = int(timers.Slack)
