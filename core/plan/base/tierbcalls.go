package base

import (
	"slices"

	"github.com/nono-run/nono/core/launch/metadata"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
)

// Shared is what a session shares with the host where it has no namespaces of its own, as far as
// the filter has to know.
type Shared struct {
	// LandlockABI is the kernel's: what its Landlock does not see yet, the filter refuses.
	LandlockABI int
	// Network says that the user gave the agent the host's network as it is.
	Network bool
	// Supervised says that core can make system calls in the agent's place, and Connected that there
	// is something for it to connect to.
	Supervised, Connected bool
}

// JudgementsOn are those of a run on this host.
func JudgementsOn(host sdk.Host, on Shared) []Judgement {
	if host.Tier == sdk.TierB {
		on.LandlockABI = host.LandlockABI
		return on.Judgements()
	}
	return Judgements()
}

// Judgements is the filter of tier B. It is that of [Judgements] with three differences: what a
// namespace would have kept apart is refused, what an older Landlock does not see is too, and
// nobody outside can be told from somebody inside by a number, so that calls about other processes
// are refused where the kernel asks for no more than the same user.
func (s Shared) Judgements() []Judgement {
	return slices.Concat(
		s.unseen(), attributes(), otherLimits(), sometimes(s.sockets()), files(), processes(),
		exchange(hostQueues), otherProcesses(), surroundings(), surface(), machine(),
	)
}

// Calls is the same as a plan has it.
func (s Shared) Calls() (allowed []string, refused []fragment.Seccomp) {
	return callsOf(s.Judgements())
}

// hostQueues are those of the host, and of all that the user runs (E32).
var hostQueues = Judgement{
	About: ownQueues.About, Errno: "ENOSYS", Calls: ownQueues.Calls,
	Why: "They would be the host's, where there is no IPC namespace; a kernel can be built without.",
}

// attributes are a file's that an open descriptor is enough to change, and that no bind shows
// read-only here. What has a path or a mode core changes in the agent's place, where it may.
func attributes() []Judgement {
	return []Judgement{{
		About: "attributes of a file that is open for reading", Errno: "EPERM", Calls: "ioctl",
		Why: "The kernel asks for no more than the same user, and Landlock looks at devices alone: " +
			"chattr, verity, which makes a file read-only for good, and the keys of encrypted files.",
		When: alternatives(lower(1, fragment.OpIn,
			ioctlSetFlags, ioctlSetFlags32, ioctlSetAttributes, ioctlSetVersion, ioctlSetVersion32,
			ioctlVerity, ioctlSetEncryption, ioctlRemoveKey, ioctlSetFATAttributes)),
	}, {
		About: "subvolumes in a directory that is open for reading", Errno: "EPERM", Calls: "ioctl",
		Why: "btrfs makes and removes them without asking Landlock.",
		When: alternatives(lower(1, fragment.OpIn,
			ioctlMakeSubvolume, ioctlMakeSubvolume2, ioctlRemoveSubvolume, ioctlRemoveSubvolume2,
			ioctlSetSubvolume)),
	}}
}

// Numbers of those requests; the flags and the version have another one for 32-bit programs.
const (
	ioctlSetFlags      = 0x40086602
	ioctlSetFlags32    = 0x40046602
	ioctlSetAttributes = 0x401c5820
	ioctlSetVersion    = 0x40087602
	ioctlSetVersion32  = 0x40047602
	ioctlVerity        = 0x40806685

	ioctlSetEncryption    = 0x800c6613
	ioctlRemoveKey        = 0xc0406618
	ioctlSetFATAttributes = 0x40047211

	ioctlMakeSubvolume, ioctlMakeSubvolume2     = 0x5000940e, 0x50009418
	ioctlRemoveSubvolume, ioctlRemoveSubvolume2 = 0x5000940f, 0x5000943f
	ioctlSetSubvolume                           = 0x4008941a
)

// otherLimits keeps the limits of the user's other processes as they are: to lower one is to end a
// process, nono among them.
func otherLimits() []Judgement {
	return []Judgement{
		{
			About: "limits of other processes", Errno: "EPERM", Calls: "prlimit64",
			Why: "The kernel asks for no more than the same user, and a limit on processor time " +
				"ends what it is set for; of oneself the number is 0.",
			When: alternatives(lower(0, fragment.OpNotIn, 0)),
		},
		{
			About: "priorities of all of a user's processes", Errno: "EPERM", Calls: "setpriority",
			Why:  "Most of them are outside.",
			When: alternatives(lower(0, fragment.OpIn, priorityUser)),
		},
		{
			About: "the same", Errno: "EPERM", Calls: "ioprio_set",
			Why:  "Its classes have other numbers.",
			When: alternatives(lower(0, fragment.OpIn, ioPriorityUser)),
		},
	}
}

// Made are the calls that core makes: which file is changed, what a socket is connected to, and
// where it is served, no filter can see.
func (s Shared) Made() []string {
	switch {
	case !s.Supervised:
		return nil
	case s.Network:
		return metadata.Calls()
	}
	return append(metadata.Calls(), MadeConnect, MadeListen)
}

// The calls about sockets that core makes.
const (
	MadeConnect = "connect"
	MadeListen  = "listen"
)

// sockets are those whose reach is known without a network namespace: two ends of one pair, what
// tells of the interfaces, and what core connects.
func (s Shared) sockets() []Judgement {
	own := append([]Judgement{pairsOfDatagrams()}, sockets()...)
	if s.Network {
		return append([]Judgement{s.withoutUnix()}, own...)
	}
	families := []uint64{familyNetlink}
	if s.Supervised {
		families = append(families, familyUnix)
	}
	if s.Supervised && s.Connected {
		families = append(families, familyInet, familyInet6)
	}
	return append([]Judgement{
		{
			About: "sockets", Errno: "EACCES", Calls: "socket",
			Why: "They would be of the host's network, and reach every service of the user's. Pairs stay, " +
				"and netlink's routing, which getaddrinfo asks for the interfaces; and what core connects.",
			When: alternatives(lower(0, fragment.OpNotIn, families...)),
		},
		{ // E05
			About: "sockets of datagrams", Errno: "EACCES", Calls: "socket",
			Why: "They send to whomever they like, and are not connected first.",
			When: []fragment.Condition{
				{lower(0, fragment.OpIn, familyUnix, familyInet, familyInet6), ofType(typeDatagram)},
			},
		},
		lateConnections(),
	}, own...)
}

// pairsOfDatagrams are refused too: either end sends to any socket that has a path, whatever it is
// connected to.
func pairsOfDatagrams() Judgement {
	return Judgement{
		About: "pairs of datagrams", Errno: "ESOCKTNOSUPPORT", Calls: "socketpair",
		Why:  "With an address given, each sends past its pair, to the services of the host.",
		When: []fragment.Condition{{ofType(typeDatagram)}},
	}
}

// lateConnections are made by the first data and not by connect, after that has answered.
func lateConnections() Judgement {
	return Judgement{
		About: "data with the first packet", Errno: "ENOPROTOOPT", Calls: "setsockopt",
		Why: "TCP Fast Open puts the connection off until something is sent.",
		When: []fragment.Condition{{
			lower(1, fragment.OpIn, levelTCP),
			lower(2, fragment.OpIn, optionFastOpen, optionFastOpenConnect),
		}},
	}
}

// ofType holds for a socket of a type, whatever the flags beside that.
func ofType(kind uint64) fragment.Comparison {
	return fragment.Comparison{
		Arg: 1, Mask: typeBits, Op: fragment.OpIn, Values: []uint64{kind},
	}
}

// withoutUnix is for a session in the host's network.
func (Shared) withoutUnix() Judgement {
	return Judgement{
		About: "Unix sockets", Errno: "EACCES", Calls: "socket",
		Why: "They reach the user's session bus, which starts programs for whoever asks, and Landlock " +
			"does not see who connects to one by its path.",
		When: alternatives(lower(0, fragment.OpIn, familyUnix)),
	}
}

// Versions of Landlock, by what each is the first to see.
const (
	seesTruncation = 3
	seesDevices    = 5
)

// HasScopes is the version of Landlock from which on it keeps signals inside.
const HasScopes = 6

// unseen refuses what this version of Landlock lets through.
func (s Shared) unseen() []Judgement {
	var all []Judgement
	if s.LandlockABI < seesTruncation {
		emptying := func(flags int) []fragment.Condition {
			return []fragment.Condition{{
				{Arg: flags, Mask: accessMode, Op: fragment.OpIn, Values: []uint64{readOnly}},
				anyOf(flags, openTruncate),
			}}
		}
		all = append(all,
			Judgement{
				About: "emptying a file by its name", Errno: "EACCES", Calls: "truncate",
				Why: "This kernel's Landlock does not see it; ftruncate takes a file that is open for writing.",
			},
			Judgement{
				About: "the same", Errno: "EACCES", Calls: "openat", When: emptying(2),
				Why: "To open a file for reading with O_TRUNC empties it.",
			},
			Judgement{
				About: "the same", Errno: "EACCES", Calls: "open", When: emptying(1),
				Why: "Its flags are another argument.",
			},
		)
	}
	if s.LandlockABI < HasScopes {
		all = append(all, Judgement{
			About: "signals to everybody", Errno: "EPERM", Calls: "kill",
			Why: "They would end all that the user runs, and this kernel's Landlock has no scope for " +
				"signals; one process at a time can still be reached.",
			When: alternatives(lower(0, fragment.OpIn, everybody)),
		})
	}
	if s.LandlockABI < seesDevices {
		all = append(all,
			Judgement{
				About: "opening for neither reading nor writing", Errno: "EACCES", Calls: "openat",
				Why:  "It is what only ioctl needs, and this kernel's Landlock asks for no right to it.",
				When: alternatives(bothBits(2)),
			},
			Judgement{
				About: "the same", Errno: "EACCES", Calls: "open",
				Why:  "Its flags are another argument.",
				When: alternatives(bothBits(1)),
			},
			Judgement{
				About: "opening with flags in memory", Errno: "ENOSYS", Calls: "openat2",
				Why: "No filter can look there, and programs fall back to openat.",
			},
		)
	}
	return all
}

// bothBits holds when an argument is flags for open with the access mode that is neither.
func bothBits(flags int) fragment.Comparison {
	return fragment.Comparison{
		Arg: flags, Mask: accessMode, Op: fragment.OpIn, Values: []uint64{accessMode},
	}
}

// Numbers of the kernel's interface, the same on all architectures that nono runs on.
const (
	accessMode   = 0x3
	readOnly     = 0x0
	openTruncate = 0x200

	optionFastOpen        = 23
	optionFastOpenConnect = 30

	everybody      = 0xffffffff // -1
	priorityUser   = 2
	ioPriorityUser = 3
)
