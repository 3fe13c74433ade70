package inside

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

// applyLandlock puts the recipe's rules on all threads. The ruleset is about files alone: what the
// network is closed to the network namespace holds, and nono-init itself must still connect inside;
// what signals reach the pid namespace holds, and a scope would, before version 8, keep nono-init's
// own threads from signalling the agent.
func applyLandlock(l *launcher) error {
	if len(l.recipe.Landlock) == 0 {
		return nil
	}
	handled := handledRights(l.recipe.LandlockABI)
	rules, open, err := l.pathRules(handled)
	defer recipe.CloseAll(open)
	if err != nil {
		return err
	}
	rules = append(rules, l.streamRules(handled)...)
	config, err := landlock.NewConfig(handled)
	if err != nil {
		return fail("making the Landlock ruleset", err)
	}
	return fail("applying Landlock", config.RestrictPaths(rules...))
}

// pathRules are the recipe's rules, and the descriptors by which they name their paths.
func (l *launcher) pathRules(
	handled landlock.AccessFSSet,
) (rules []landlock.Rule, open []int, err error) {
	for _, s := range l.recipe.Landlock {
		fd, rule, err := pathRule(s, handled)
		if fd >= 0 {
			open = append(open, fd)
		}
		if err != nil {
			return nil, open, &failure{
				rule: s.For, step: fragment.Kind(s), path: s.Path, doing: "granting " + s.Path, err: err,
			}
		}
		if rule != nil {
			rules = append(rules, rule)
		}
	}
	return rules, open, nil
}

// closeAbstractSockets keeps the agent from Unix sockets that have a name and no file: they belong
// to the network namespace, and so in the host's network the agent would reach the user's X server,
// which types for whoever asks. Where Landlock is too old for it, it is not held; what such a run
// was started for, the host's whole network, has been said.
func closeAbstractSockets(l *launcher) error {
	if !l.hostNetwork || l.host().LandlockABI < firstWithScopes {
		return nil
	}
	config, err := landlock.NewConfig(landlock.ScopedSet(ll.ScopeAbstractUnixSocket))
	if err != nil {
		return fail("closing abstract Unix sockets", err)
	}
	return fail("closing abstract Unix sockets", config.RestrictScoped())
}

// pathRule opens a rule's path, and returns the rule for what was opened. Landlock binds to inodes,
// and the library opens by name: so it is given the name of our descriptor, and a link that came to
// stand in the path is an error and not a grant of what it points to.
func pathRule(s fragment.Landlock, handled landlock.AccessFSSet) (int, landlock.Rule, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, s.Path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fd, nil, err
	}
	if s.Inode != 0 && (st.Dev != s.Device || st.Ino != s.Inode) && !omitted("source") {
		return fd, nil, errors.New("it is no longer what stood there when it was planned")
	}
	access, err := accessRights(s.Rights, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return fd, nil, err
	}
	access &= handled
	if access == 0 {
		return fd, nil, nil // nothing that this version handles, so nothing to grant
	}
	return fd, landlock.PathAccess(access, "/proc/self/fd/"+strconv.Itoa(fd)), nil
}

// Rights in Landlock's terms.
const (
	readFile  = ll.AccessFSReadFile
	writeFile = ll.AccessFSWriteFile | ll.AccessFSTruncate

	readDirectory = ll.AccessFSReadDir
	// writeDirectory has no device files: without capabilities the only one to be had is the overlay's
	// whiteout.
	writeDirectory = ll.AccessFSRemoveDir | ll.AccessFSRemoveFile |
		ll.AccessFSMakeDir | ll.AccessFSMakeReg |
		ll.AccessFSMakeSock | ll.AccessFSMakeFifo | ll.AccessFSMakeSym | ll.AccessFSRefer
)

// accessRights translates a step's rights, for a directory or for anything else.
func accessRights(rights []fragment.Right, directory bool) (landlock.AccessFSSet, error) {
	var access landlock.AccessFSSet
	for _, r := range rights {
		switch r {
		case fragment.RightList:
			if directory {
				access |= readDirectory
			}
		case fragment.RightRead:
			access |= readFile
			if directory {
				access |= readDirectory
			}
		case fragment.RightExecute:
			access |= ll.AccessFSExecute
		case fragment.RightWrite:
			access |= writeFile
			if directory {
				access |= writeDirectory
			}
		case fragment.RightDevice:
			access |= ll.AccessFSIoctlDev
		default:
			return 0, fmt.Errorf("there is no right called %q", r)
		}
	}
	return access, nil
}

// versions are the library's own lists of what each version of Landlock can refuse.
var versions = []landlock.Config{
	landlock.V1, landlock.V2, landlock.V3, landlock.V4, landlock.V5, landlock.V6,
	landlock.V7, landlock.V8, landlock.V9, landlock.V10, landlock.V11,
}

// handledRights is what the ruleset refuses where no rule grants it: all that the version knows.
// From version 9 on that takes in connecting to a Unix socket of the host's by its path, which no
// right of a step grants.
func handledRights(abi int) landlock.AccessFSSet {
	return versions[min(max(abi, 1), len(versions))-1].HandledAccessFS
}
