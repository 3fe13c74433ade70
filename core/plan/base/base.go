// Package base is core's own share of a plan: what every session has, whatever layers run. So
// swapping or disabling a layer never takes the hardening away.
//
//	share, err := base.Compose(base.Input{Host: host, Dir: dir, Policy: pol, Look: look})
//
// It is a fragment with rules and coverage like any layer's. What sets it apart is said by where a
// step stands in it: [Share.Fixed] yields to nothing but a mask, [Share.Fill] to everything.
package base

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// The rules of the base fragment.
const (
	RuleMounts      policy.RuleID = "base.mounts"
	RuleProcesses   policy.RuleID = "base.processes"
	RuleProc        policy.RuleID = "base.proc"
	RuleIPC         policy.RuleID = "base.ipc"
	RuleNetwork     policy.RuleID = "base.network"
	RuleDevices     policy.RuleID = "base.devices"
	RuleSeccomp     policy.RuleID = "base.seccomp"
	RulePrivileges  policy.RuleID = "base.privileges"
	RuleDescriptors policy.RuleID = "base.descriptors"
	RuleEnvironment policy.RuleID = "base.environment"
	RuleSelf        policy.RuleID = "base.self"
	RuleLinks       policy.RuleID = "base.links"
	RuleIdentity    policy.RuleID = "base.identity"
	RuleCaches      policy.RuleID = "base.caches"
	RuleTime        policy.RuleID = "base.time"
	RuleOpenFiles   policy.RuleID = "base.open_files"
	RuleProcessMax  policy.RuleID = "base.process_max"
)

// SessionFile is where a session finds what it may know of its own rules. In /dev everything is
// core's, whatever is granted.
const SessionFile = "/dev/nono.json"

// Share is what core wants of a plan.
type Share struct {
	// Rules are the rules that core holds, and Coverage says of each how far.
	Rules    []policy.Rule
	Coverage []sdk.Coverage
	// Fragment is steps like a layer's.
	Fragment fragment.Fragment
	// Calls are the system calls that are not always refused, by name: [Judgements] has the reasons.
	Calls []string
	// Fixed are mounts that no layer replaces.
	Fixed []fragment.Mount
	// Fill are mounts for directories that the layers left empty. Their rules are there only where
	// they are.
	Fill []fragment.Mount
	// Supervised are the system calls that core makes in the agent's place, by name.
	Supervised []string
	// Written are files that core writes for the agent to read, where none can be mounted.
	Written []fragment.File
}

// Obstacle is why something cannot be done on this host, and what takes that away.
type Obstacle struct{ Why, Try string }

// Input is what the base fragment depends on.
type Input struct {
	Host   sdk.Host
	Policy *policy.Policy
	// Through are the layers that carry traffic between the session and what lies outside.
	Through []string
	// Resolver is the address at which a layer answers for names; "" where none says so. Port53 says
	// that a layer serves the port of those questions all the same.
	Resolver string
	Port53   bool
	// Hosts is the content of the host's own /etc/hosts, of which a session that a layer answers for
	// names in sees what is about the machine itself.
	Hosts []byte
	// GitIdentity is the content of the small ~/.gitconfig shown in a private home; see
	// [GitIdentity].
	GitIdentity []byte
	// Known is what the session may know of its own rules, the content of [SessionFile]; nil where
	// it is told nothing.
	Known []byte
	// Lent are directories of nono's own in which tools keep what they built.
	Lent []Lent
	// Homes are directories of nono's own that agents have in the place of theirs, in tier B.
	Homes []Home
	// Limits are rules of the user's about what a run may use, and by what core holds them.
	Limits []Limit
	// Links are symbolic links that are held in their places.
	Links []string
	// Supervised says that core can make system calls in the agent's place, in tier B; Unsupervised
	// why it cannot.
	Supervised   bool
	Unsupervised Obstacle
	// Directories are the session's own in tier B.
	Directories Directories
	Look        hostfile.Look
}

// Limit is a rule about how much of something a run may use, and by what it is held; Why says what
// keeps this host from holding it.
type Limit struct {
	policy.Rule
	By, Why string
}

// Home is a directory of nono's own that an agent has for writing in the place of its own, and the
// variable by which it is found. What lies in it is the agent's: nono believes nothing of it.
type Home struct {
	Dir      string `json:"dir"`
	Own      string `json:"own"`
	Variable string `json:"variable"`
}

// Lent is a directory of nono's own that this session has for writing, and where it is seen. What
// lies in it is the agent's: nono believes nothing of it.
type Lent struct {
	Dir, Inside string
	// Variable tells the tool where its directory is, where nothing can be shown at Inside.
	Variable string
}

// Compose makes core's share for the tier of the host.
func Compose(in Input) (Share, error) {
	switch in.Host.Tier {
	case sdk.TierA:
		return compose(in)
	case sdk.TierB:
		return composeWalled(in)
	}
	return Share{}, diag.Errorf("cannot make a plan for this host: its tier is %q", in.Host.Tier)
}

func compose(in Input) (Share, error) {
	c := &composer{in: in}
	c.rules()
	if err := c.mounts(); err != nil {
		return Share{}, err
	}
	if err := c.names(); err != nil {
		return Share{}, err
	}
	if err := c.fill(); err != nil {
		return Share{}, err
	}
	allowed, refused := Calls()
	c.share.Calls = allowed
	for _, s := range refused {
		c.share.Fragment.Steps = append(c.share.Fragment.Steps, s)
	}
	return c.share, nil
}

// Closed reports whether nothing leads out of the session's network: it has one of its own, and no
// layer carries traffic.
func (in Input) Closed() bool {
	return !in.Policy.IsDisabled(policy.KindNetwork) && len(in.Through) == 0
}

// composer makes the share of a host with namespaces: tier A.
type composer struct {
	in    Input
	share Share
}

// rules lists what the base fragment holds, with what --disable took out of it.
func (c *composer) rules() {
	c.hold(RuleMounts, policy.KindFilesystem, "what is not granted does not exist inside",
		"mount namespace")
	c.hold(RuleProcesses, "", "only the session's own processes can be seen and signalled",
		"process namespace")
	c.hold(RuleProc, "",
		"/proc shows the session only, and the kernel's settings cannot be changed through it",
		"fresh /proc, read-only parts and masks")
	c.hold(RuleIPC, "", "no shared memory, semaphore or message queue of the host", "IPC namespace")
	network := "no network but a loopback of the session's own"
	if len(c.in.Through) > 0 {
		network = "no network but what layer " + strings.Join(c.in.Through, " or ") + " lets through"
	}
	if c.in.Policy.Uses() {
		network += ", and the services of the credentials"
	}
	c.hold(RuleNetwork, policy.KindNetwork, network, "network namespace")
	c.hold(RuleDevices, "",
		"only null, zero, full, random, urandom, tty and the session's own terminals",
		"private /dev")
	c.hold(RuleSeccomp, "",
		"only system calls that somebody judged, and none that opens what the rest closes", "seccomp")
	c.hold(RulePrivileges, "", "no privilege is there, and none can be gained",
		"no-new-privs, empty capability sets")
	c.hold(RuleDescriptors, "", "nothing open but standard input, output and error",
		"close-on-exec on all others")
	c.hold(RuleEnvironment, "", "variables by allowlist", "composed by nono")
	c.hold(RuleSelf, "", "nono's own files cannot be changed from inside",
		"masks, read-only binds, pinned ancestors")
	c.limits()
	if len(c.in.Links) > 0 {
		c.hold(RuleLinks, "", "a link on the way to a denied or protected name stays what it is",
			"mounted onto itself, pinned ancestors")
	}
}

// limits are the user's rules about what a run may use.
func (c *composer) limits() {
	for _, l := range c.in.Limits {
		c.share.Rules = append(c.share.Rules, l.Rule)
		held := sdk.Coverage{Rule: l.ID, Held: sdk.Enforced, By: l.By}
		if l.Why != "" {
			held = sdk.Coverage{Rule: l.ID, Held: sdk.Unavailable, Why: l.Why}
		}
		c.share.Coverage = append(c.share.Coverage, held)
	}
}

// hold adds a rule that is held, unless the kind that it is about is disabled.
func (c *composer) hold(id policy.RuleID, about policy.Kind, says, by string) {
	held := sdk.Coverage{Rule: id, Held: sdk.Enforced, By: by}
	if about != "" && c.in.Policy.IsDisabled(about) {
		why := fmt.Sprintf("the %s layer is disabled", about)
		held = sdk.Coverage{Rule: id, Held: sdk.Unavailable, Why: why}
	}
	always := policy.Source{Origin: policy.OriginBase}
	c.share.Rules = append(c.share.Rules, policy.Rule{ID: id, Source: always, Says: says})
	c.share.Coverage = append(c.share.Coverage, held)
}

// Sizes of what core keeps in memory. They are limits, not reservations.
const (
	rootSize   = 64 << 20  // names of mount points and links only: a page each
	devSize    = 64 << 10  // the same
	sharedSize = 256 << 20 // /dev/shm: Python's multiprocessing and browsers put data sets there
)

// hostDevices are the devices that harm nobody and that programs expect.
var hostDevices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// mounts is core's own part of the view: the root, /proc and /dev.
func (c *composer) mounts() error {
	if err := c.root(); err != nil {
		return err
	}
	c.share.Fixed = append(c.share.Fixed,
		fragment.Pseudo{For: RuleProc, Path: "/proc", Type: fragment.Procfs},
		fragment.Tmpfs{For: RuleDevices, Path: "/dev", Size: devSize, Mode: 0o755},
		fragment.Pseudo{For: RuleDevices, Path: "/dev/pts", Type: fragment.Devpts},
		fragment.Tmpfs{
			For: RuleDevices, Path: places.SharedMemory, Size: sharedSize, Mode: 0o777 | fs.ModeSticky,
		},
		// The instance's own multiplexer: the host's /dev/ptmx would make terminals of the host.
		fragment.Link{For: RuleDevices, Path: "/dev/ptmx", Target: "pts/ptmx"},
		fragment.Link{For: RuleDevices, Path: "/dev/fd", Target: "/proc/self/fd"},
		fragment.Link{For: RuleDevices, Path: "/dev/stdin", Target: "/proc/self/fd/0"},
		fragment.Link{For: RuleDevices, Path: "/dev/stdout", Target: "/proc/self/fd/1"},
		fragment.Link{For: RuleDevices, Path: "/dev/stderr", Target: "/proc/self/fd/2"},
	)
	if len(c.in.Known) > 0 {
		c.share.Fixed = append(c.share.Fixed, fragment.File{
			For: RuleSelf, Path: SessionFile, Mode: 0o444, Content: c.in.Known,
		})
	}
	for _, name := range hostDevices {
		at := path.Join("/dev", name)
		e, err := c.in.Look(at)
		if err != nil {
			return fmt.Errorf("looking at %s: %w", at, err)
		}
		if e.Type != policy.Special || e.IsLink() {
			continue // a container without /dev/full; what is not there is not shown
		}
		c.share.Fixed = append(c.share.Fixed, fragment.Bind{
			For: RuleDevices, Path: at, Writable: true, NoExec: true, Devices: true,
			Device: e.Device, Inode: e.Inode,
		})
	}
	return nil
}

// root is an empty directory in memory, in which only what is granted appears; or the host's own
// root where the user has switched the filesystem layer off. All else of the base fragment stays in
// both cases. The root is not fixed: a layer may show more there than core does.
func (c *composer) root() error {
	if !c.in.Policy.IsDisabled(policy.KindFilesystem) {
		c.share.Fragment.Steps = append(c.share.Fragment.Steps,
			fragment.Tmpfs{For: RuleMounts, Path: "/", Size: rootSize, Mode: 0o755})
		return nil
	}
	root, err := c.in.Look("/")
	if err != nil {
		return fmt.Errorf("looking at /: %w", err)
	}
	c.share.Fragment.Steps = append(c.share.Fragment.Steps,
		fragment.Bind{For: RuleMounts, Path: "/", Writable: true, Device: root.Device, Inode: root.Inode})
	// The host's whole root is there, and in it the other place where the kernel takes orders: by
	// its files root could name a program for the host to run, and anybody end all processes of a
	// control group that is theirs.
	sys, err := c.in.Look("/sys")
	if err != nil {
		return fmt.Errorf("looking at /sys: %w", err)
	}
	if sys.Type == policy.Directory {
		c.share.Fixed = append(c.share.Fixed,
			fragment.Bind{For: RuleProc, Path: "/sys", Device: sys.Device, Inode: sys.Inode})
	}
	return nil
}

// fill adds what core puts into directories that the filesystem layer left empty: git's identity
// and the tools' build caches in a private home. In a bind the user's real file is there or
// deliberately not; and a mount point made in a bind would be made on the host.
func (c *composer) fill() error {
	if len(c.in.GitIdentity) > 0 {
		c.holdIdentity()
		c.share.Fill = append(c.share.Fill, fragment.File{
			For: RuleIdentity, Path: path.Join(c.in.Host.Home, ".gitconfig"),
			Mode: 0o444, Content: c.in.GitIdentity,
		})
	}
	names := make([]string, len(c.in.Lent))
	for i, l := range c.in.Lent {
		e, err := c.in.Look(l.Dir)
		if err != nil {
			return fmt.Errorf("looking at the build cache %s: %w", l.Dir, err)
		}
		names[i] = path.Base(l.Inside)
		c.share.Fill = append(c.share.Fill, fragment.Bind{
			For: RuleCaches, Path: l.Inside, From: l.Dir, Writable: true,
			Device: e.Device, Inode: e.Inode,
		})
	}
	c.holdCaches(names)
	return nil
}

func (c *composer) holdIdentity() {
	c.hold(RuleIdentity, "",
		"git knows the user's name and email, and nothing else of the user's git settings",
		"a file of nono's own")
}

func (c *composer) holdCaches(tools []string) {
	if len(tools) > 0 {
		c.hold(RuleCaches, "", "what tools build is kept, for this project alone: "+
			strings.Join(tools, ", "), "directories of nono's own cache")
	}
}
