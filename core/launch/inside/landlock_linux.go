package inside

import (
	"errors"
	"fmt"

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
	rules, err := l.fileRules(ll.RulesetAttr{})
	if err != nil {
		return err
	}
	defer closeFD(rules.fd)
	if l.recipe.LandlockABI >= firstWithAllThreads {
		err = ll.LandlockRestrictSelf(rules.fd, ll.FlagRestrictSelfTSync)
	} else {
		err = ll.AllThreadsLandlockRestrictSelf(rules.fd, 0)
	}
	return fail("applying Landlock", err)
}

// firstWithAllThreads is the version of Landlock that restricts all threads with one call.
const firstWithAllThreads = 8

// ruleset is a Landlock ruleset while it is made. Rules bind to files and not to names, so each is
// added by a descriptor.
type ruleset struct {
	fd      int
	handled landlock.AccessFSSet
}

// fileRules makes the ruleset of the recipe's rules. The attributes say what else it is about.
func (l *launcher) fileRules(attributes ll.RulesetAttr) (ruleset, error) {
	r := ruleset{handled: handledRights(l.tier, l.recipe.LandlockABI)}
	attributes.HandledAccessFS = uint64(r.handled)
	var err error
	if r.fd, err = ll.LandlockCreateRuleset(&attributes, 0); err != nil {
		return r, fail("making the Landlock ruleset", err)
	}
	for _, s := range l.recipe.Landlock {
		if err := r.allowPath(s); err != nil {
			closeFD(r.fd)
			return r, &failure{
				rule: s.For, step: fragment.Kind(s), path: s.Path, doing: "granting " + s.Path, err: err,
			}
		}
	}
	if err := l.allowStreams(r); err != nil {
		closeFD(r.fd)
		return r, err
	}
	return r, nil
}

// allow grants what the ruleset handles of some rights.
func (r ruleset) allow(fd int, access landlock.AccessFSSet) error {
	if access &= r.handled; access == 0 {
		return nil // nothing that this version handles, so nothing to grant
	}
	rule := ll.PathBeneathAttr{ParentFd: fd, AllowedAccess: uint64(access)}
	return ll.LandlockAddPathBeneathRule(r.fd, &rule, 0)
}

// allowPath grants what a step says. A link that came to stand in the path is an error and not a
// grant of what it points to.
func (r ruleset) allowPath(s fragment.Landlock) error {
	fd, err := unix.Openat2(unix.AT_FDCWD, s.Path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return err
	}
	defer closeFD(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if s.Inode != 0 && (st.Dev != s.Device || st.Ino != s.Inode) && !omitted("source") {
		return errors.New("it is no longer what stood there when it was planned")
	}
	access, err := accessRights(s.Rights, st.Mode&unix.S_IFMT == unix.S_IFDIR)
	if err != nil {
		return err
	}
	return r.allow(fd, access)
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
//
// From version 9 on that takes in connecting to a Unix socket of the host's by its path, which no
// right of a step grants. In tier A it is left to the view, which has those that a grant has and no
// others; in tier B core makes such connections.
func handledRights(tier recipe.Tier, abi int) landlock.AccessFSSet {
	rights := versions[min(max(abi, 1), len(versions))-1].HandledAccessFS
	if tier == recipe.TierA {
		rights &^= ll.AccessFSResolveUnix
	}
	return rights
}
