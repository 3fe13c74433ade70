package plan

import (
	"io/fs"
	"path"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// The rules of the base fragment: what core holds whatever layers run.
const (
	ruleMounts      policy.RuleID = "base.mounts"
	ruleProcesses   policy.RuleID = "base.processes"
	ruleProc        policy.RuleID = "base.proc"
	ruleIPC         policy.RuleID = "base.ipc"
	ruleNetwork     policy.RuleID = "base.network"
	ruleDevices     policy.RuleID = "base.devices"
	ruleSeccomp     policy.RuleID = "base.seccomp"
	rulePrivileges  policy.RuleID = "base.privileges"
	ruleDescriptors policy.RuleID = "base.descriptors"
	ruleEnvironment policy.RuleID = "base.environment"
	ruleSelf        policy.RuleID = "base.self"
	ruleIdentity    policy.RuleID = "base.identity"
	ruleDirectory   policy.RuleID = "base.directory"
)

// baseRule is a rule of the base fragment with how it is held.
type baseRule struct {
	id   policy.RuleID
	says string
	held sdk.Held
	by   string
	why  string
}

// baseRules lists what the base fragment holds in tier A, with what --disable took out of it.
func (m *maker) baseRules() []baseRule {
	held := func(id policy.RuleID, says, by string) baseRule {
		return baseRule{id: id, says: says, held: sdk.Enforced, by: by}
	}
	mounts := held(ruleMounts, "what is not granted does not exist inside", "mount namespace")
	if m.disabled(policy.KindFilesystem) {
		mounts = baseRule{ruleMounts, mounts.says, sdk.Unavailable, "", "the filesystem layer is disabled"}
	}
	network := held(ruleNetwork, "no network but a loopback of the session's own", "network namespace")
	if m.disabled(policy.KindNetwork) {
		network = baseRule{ruleNetwork, network.says, sdk.Unavailable, "", "the network layer is disabled"}
	} else if s, ok := m.layer(policy.KindNetwork); ok {
		network.says = "no network but what the layer " + s.Name + " lets through"
	}
	return []baseRule{
		mounts,
		held(ruleProcesses, "only the session's own processes can be seen and signalled", "process namespace"),
		held(ruleProc, "/proc shows the session only, and the kernel's settings cannot be changed through it", "fresh /proc, read-only parts and masks"),
		held(ruleIPC, "no shared memory, semaphore or message queue of the host", "IPC namespace"),
		network,
		held(ruleDevices, "only null, zero, full, random, urandom, tty and the session's own terminals", "private /dev"),
		held(ruleSeccomp, "no system call that opens what the rest closes", "seccomp"),
		held(rulePrivileges, "no privilege is there, and none can be gained", "no-new-privs, empty capability sets"),
		held(ruleDescriptors, "nothing open but standard input, output and error", "close-on-exec on all others"),
		held(ruleEnvironment, "variables by allowlist", "composed by nono"),
		held(ruleSelf, "nono's own files cannot be changed from inside", "masks, read-only binds, pinned ancestors"),
		held(ruleIdentity, "git knows the user's name and email, and nothing else of the user's git settings", "a file of nono's own"),
		held(ruleDirectory, "the current directory exists, empty where it is not granted", "a directory in memory"),
	}
}

// Sizes of what core keeps in memory. They are limits, not reservations.
const (
	rootSize   = 1 << 20   // names of mount points and links only
	devSize    = 64 << 10  // the same
	emptySize  = 64 << 10  // an empty directory
	sharedSize = 512 << 20 // /dev/shm: Python's multiprocessing and browsers put whole data sets there
)

// hostDevices are the devices that harm nobody and that programs expect.
var hostDevices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// baseMounts is core's own part of the view: the root, /proc and /dev. They are there whatever layers run.
func (m *maker) baseMounts() []mount {
	steps := []fragment.Mount{
		m.root(),
		fragment.Proc{For: ruleProc, Path: "/proc"},
		fragment.Tmpfs{For: ruleDevices, Path: "/dev", Size: devSize, Mode: 0o755},
		fragment.Devpts{For: ruleDevices, Path: "/dev/pts"},
		fragment.Tmpfs{For: ruleDevices, Path: "/dev/shm", Size: sharedSize, Mode: 0o777 | fs.ModeSticky},
		// The instance's own multiplexer: the host's /dev/ptmx would make terminals of the host.
		fragment.Link{For: ruleDevices, Path: "/dev/ptmx", Target: "pts/ptmx"},
		fragment.Link{For: ruleDevices, Path: "/dev/fd", Target: "/proc/self/fd"},
		fragment.Link{For: ruleDevices, Path: "/dev/stdin", Target: "/proc/self/fd/0"},
		fragment.Link{For: ruleDevices, Path: "/dev/stdout", Target: "/proc/self/fd/1"},
		fragment.Link{For: ruleDevices, Path: "/dev/stderr", Target: "/proc/self/fd/2"},
	}
	if m.disabled(policy.KindFilesystem) {
		// The host's whole root is there, and in it the other place where the kernel takes orders: by its files root could name a
		// program for the host to run, and anybody end all processes of a control group that is theirs.
		if e, ok := m.look("/sys"); ok && e.Type == policy.Directory {
			steps = append(steps, fragment.Bind{For: ruleProc, Path: "/sys", Device: e.Device, Inode: e.Inode})
		}
	}
	for _, name := range hostDevices {
		at := path.Join("/dev", name)
		e, ok := m.look(at)
		if !ok || e.Type != policy.Special || e.Target != "" {
			continue // a container without /dev/full; what is not there is not shown
		}
		steps = append(steps, fragment.Bind{
			For: ruleDevices, Path: at, Writable: true, NoExec: true, Devices: true, Device: e.Device, Inode: e.Inode,
		})
	}
	mounts := make([]mount, len(steps))
	for i, s := range steps {
		mounts[i] = mount{s, Core}
	}
	return mounts
}

// root is an empty directory in memory, in which only what is granted appears; or the host's own root where the user has
// switched the filesystem layer off. All else of the base fragment stays in both cases.
func (m *maker) root() fragment.Mount {
	if !m.disabled(policy.KindFilesystem) {
		return fragment.Tmpfs{For: ruleMounts, Path: "/", Size: rootSize, Mode: 0o755}
	}
	e, _ := m.look("/")
	return fragment.Bind{For: ruleMounts, Path: "/", Writable: true, Device: e.Device, Inode: e.Inode}
}

// furnish adds what core puts into directories that the filesystem layer left empty: git's identity in a private home, and the
// current directory where nobody granted it.
func (m *maker) furnish(v view) []mount {
	var more []mount
	config := path.Join(m.in.Host.Home, ".gitconfig")
	// Only an empty directory of ours is furnished. In a bind the user's real file is there or deliberately not; and a mount
	// point made in a bind would be made on the host.
	if in, ok := v.cover(config).Mount.(fragment.Tmpfs); ok && in.Path != config && len(m.in.GitIdentity) > 0 {
		more = append(more, mount{fragment.File{For: ruleIdentity, Path: config, Mode: 0o444, Content: m.in.GitIdentity}, Core})
	}
	dir := m.in.Command.Dir
	if in, ok := v.cover(dir).Mount.(fragment.Tmpfs); ok && in.Path != dir && !v.anyBeneath(dir) {
		more = append(more, mount{fragment.Tmpfs{For: ruleDirectory, Path: dir, Size: emptySize, Mode: 0o755}, Core})
	}
	return more
}

// look looks at a file of the host; what cannot be looked at is a problem.
func (m *maker) look(name string) (hostfile.Entry, bool) {
	e, err := m.in.Look(name)
	if err != nil {
		m.problem(diag.Errorf("looking at %s: %s", name, err), policy.Source{})
		return hostfile.Entry{}, false
	}
	return e, true
}
