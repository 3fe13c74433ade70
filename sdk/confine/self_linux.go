package confine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// versions are the library's own lists of what each version of Landlock can refuse.
var versions = []landlock.Config{
	landlock.V1, landlock.V2, landlock.V3, landlock.V4, landlock.V5, landlock.V6,
	landlock.V7, landlock.V8, landlock.V9, landlock.V10, landlock.V11,
}

// firstTogether is the version from which on all threads of a process are confined in one step, and
// so are one domain.
const firstTogether = 8

// threadsErratum is the mark of a kernel where the threads of a process may signal one another
// though each is confined by itself. Go's runtime needs it: by a signal it asks a thread to pause.
const threadsErratum = 1 << 1

func self(read []string) (Report, error) {
	abi, err := ll.LandlockGetABIVersion()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return Report{}, ErrUnsupported
	}
	if err != nil {
		return Report{}, fmt.Errorf("asking for the version of Landlock: %w", err)
	}
	filter := noSockets(runtime.GOARCH)
	report := Report{ABI: abi, Missing: missing(abi, filter == nil)}
	version := versions[min(max(abi, 1), len(versions))-1]
	scopes := version.Scoped
	if abi >= firstWithScopes && abi < firstTogether && !threadsSignal() {
		scopes &^= ll.ScopeSignal
		report.Missing = append(report.Missing, "signalling the user's other processes")
	}
	config, err := landlock.NewConfig(version.HandledAccessFS, scopes)
	if err != nil {
		return Report{}, fmt.Errorf("making the Landlock ruleset: %w", err)
	}
	rules, err := reading(read)
	if err != nil {
		return Report{}, err
	}
	if err := config.Restrict(rules...); err != nil {
		return Report{}, fmt.Errorf("applying Landlock: %w", err)
	}
	if abi < firstWithSockets && filter != nil {
		if err := load(filter); err != nil {
			return Report{}, fmt.Errorf("refusing Unix sockets: %w", err)
		}
	}
	return report, nil
}

// threadsSignal reports whether the kernel is marked as mended. One that is too old to be asked is
// not.
func threadsSignal() bool {
	errata, err := ll.LandlockGetErrata()
	return err == nil && errata&threadsErratum != 0
}

// reading makes a rule for each path. Landlock refuses a rule that gives a file what only a
// directory has.
func reading(paths []string) ([]landlock.Rule, error) {
	paths = slices.Compact(slices.Sorted(slices.Values(paths)))
	rules := make([]landlock.Rule, 0, len(paths))
	for _, p := range paths {
		info, err := os.Stat(p)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("granting itself a path to read: %w", err)
		}
		access := landlock.AccessFSSet(ll.AccessFSReadFile)
		if info.IsDir() {
			access |= ll.AccessFSReadDir
		}
		rules = append(rules, landlock.PathAccess(access, p).IgnoreIfMissing())
	}
	return rules, nil
}
