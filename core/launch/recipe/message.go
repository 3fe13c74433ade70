package recipe

import (
	"github.com/nono-run/nono/core/launch/coding"
	"github.com/nono-run/nono/sdk/policy"
)

// HostNetwork is the argument that tells nono-init that it was left in the host's network
// namespace.
const HostNetwork = "host-network"

// User and Group begin the arguments that tell nono-init which number each of the two is to keep in
// its user namespace. There it can see neither before it has said so.
const (
	User  = "user="
	Group = "group="
)

// TimerSlack begins the argument that tells nono-init by how many nanoseconds a timer of the
// agent's may be late: what the user's programs have, and not nono's own.
const TimerSlack = "timer-slack="

// NoNamespaces is the argument that tells nono-init that it was left in all of the host's
// namespaces, which is tier B.
const NoNamespaces = "no-namespaces"

// WithTerminal is the argument that tells nono-init in tier B that the recipe will ask for a
// terminal. There it must be had before the process exists that becomes the agent, which else would
// not have it for its controlling one.
const WithTerminal = "terminal"

// Request is what core asks nono-init. Exactly one field is set. In a run they come in this order:
// Begin, which may be left out, Prepare, Go, then any number of Signal, Job and Dial.
type Request struct {
	// Begin comes with one descriptor: a recipe of which only the mounts are there, in a sealed memfd.
	// The view is built of them, and the recipe that comes with Prepare has none.
	Begin bool
	// Prepare comes with one descriptor: the recipe, in a sealed memfd.
	Prepare bool
	// Go opens the gate: the agent is forked and executed.
	Go *Go
	// Signal is the number of a signal for the agent.
	Signal int
	Job    Job
	Dial   *Dial
}

// Go says how the agent starts.
type Go struct {
	// Foreground puts the agent into the foreground of the session's terminal, if there is one.
	// Otherwise nono-init's own process group has it, as after [JobBack].
	Foreground bool
}

// Job is one step of job control inside, on the session's terminal.
type Job string

// The steps.
const (
	// JobFront puts the process group back into the foreground that had it last, at first the agent's,
	// and continues it and the agent's.
	JobFront Job = "front"
	// JobBack puts nono-init's own group there, which never reads. The kernel then stops every other
	// that reads from the terminal or changes its settings.
	JobBack Job = "back"
	// JobFreeze stops every process inside, and is done when they stand still.
	JobFreeze Job = "freeze"
	// JobThaw continues all but those that had been stopped before.
	JobThaw Job = "thaw"
)

// Dial asks for a connection to a port of the loopback inside.
type Dial struct {
	// ID pairs the reply with the request: replies may overtake each other.
	ID   uint64
	Port uint16
}

// Reply is what nono-init answers. Exactly one field is set.
type Reply struct {
	// Host is the first thing said, unasked: how far this host lets nono-init go.
	Host *Host
	// Failed is the last thing said by a nono-init that could not do what it was asked.
	Failed *Failed
	// Ready answers Prepare.
	Ready *Ready
	// Started answers Go.
	Started *Started
	// Dialed answers Dial; a connection comes with its descriptor.
	Dialed *Dialed
	// Stopped is said unasked, when a signal has stopped the agent's main process.
	Stopped *Stopped
	// Done answers a Job: it has been done.
	Done Job
	// Exited is the last thing said after a run.
	Exited *Exited
}

// Tier is what a host can enforce with.
type Tier string

// The tiers.
const (
	// TierA is a host with user namespaces, on which a fresh /proc can be mounted.
	TierA Tier = "A"
	// TierB is a host without them, which has Landlock.
	TierB Tier = "B"
)

// Host is what nono-init found out by getting as far as it has come.
type Host struct {
	Tier Tier
	// LandlockABI is the kernel's Landlock version, 0 where it has none.
	LandlockABI int
	// Notify says that a recipe may ask for a listener of notifications. A chain of filters has one,
	// and where nono runs under a filter that has it, there is no other. It is asked in tier B alone.
	Notify bool
}

// Failed says which step went wrong.
type Failed struct {
	// Rule is what the step was there for; empty for a step that no rule asked for.
	Rule policy.RuleID
	// Step is the step's name: one of the launcher's own ("pivot", "landlock"), or a fragment's
	// ("bind", "listener").
	Step string
	// Path is what the step was about: a path, or the name of a listener; empty if it was neither.
	Path string
	// Errno is the kernel's answer, 0 if it was not the kernel that refused.
	Errno int
	// Text says what was being done and what went wrong.
	Text string
}

// Ready names the descriptors that come with it, in their order. One message carries at most
// [MaxDescriptors]; while More is set, another Ready follows.
type Ready struct {
	Descriptors []Descriptor
	More        bool
}

// Descriptor names a descriptor that travels beside a message.
type Descriptor struct {
	Kind DescriptorKind
	// Name is a listener's name, the path inside of a tmpfs or of a copy, or the number of a stream.
	Name string
}

// DescriptorKind is what a descriptor is for.
type DescriptorKind string

// The kinds of descriptor.
const (
	ListenerDescriptor DescriptorKind = "listener"
	ReportDescriptor   DescriptorKind = "report" // the root of a tmpfs whose step has Report
	// TerminalDescriptor is the master of the session's terminal.
	TerminalDescriptor DescriptorKind = "terminal"
	StreamDescriptor   DescriptorKind = "stream" // the view of a stream that is a file
	CopyDescriptor     DescriptorKind = "copy"   // the directory that a copy was put in
	NotifyDescriptor   DescriptorKind = "notify" // the listener of notifications
)

// Started says how the agent's exec went: Errno is 0 when it runs, and Path what could not be
// executed.
type Started struct {
	Path  string
	Errno int
	// Exists says that the file is there although exec found something missing: its interpreter or
	// loader.
	Exists bool
}

// Dialed answers a Dial; Errno is 0 when a descriptor comes with it.
type Dialed struct {
	ID    uint64
	Errno int
}

// Stopped says that the agent's main process does not run.
type Stopped struct {
	// Signal is what stopped it.
	Signal int
	// Behind says that the terminal's foreground was nono-init's at that time.
	Behind bool
}

// Exited is how the agent's main process ended.
type Exited struct {
	// Code is its exit code; Signal, unless 0, is the signal that ended it instead.
	Code   int
	Signal int
	// Left is how many processes it left behind; they have been ended.
	Left int
}

// Walk implements [coding.Coded].
func (r *Request) Walk(c *coding.Coder) {
	c.Flag(&r.Begin)
	c.Flag(&r.Prepare)
	coding.Optional(c, &r.Go)
	coding.Number(c, &r.Signal)
	coding.Text(c, &r.Job)
	coding.Optional(c, &r.Dial)
}

// Walk implements [coding.Coded].
func (g *Go) Walk(c *coding.Coder) { c.Flag(&g.Foreground) }

// Walk implements [coding.Coded].
func (d *Dial) Walk(c *coding.Coder) {
	coding.Number(c, &d.ID)
	coding.Number(c, &d.Port)
}

// Walk implements [coding.Coded].
func (r *Reply) Walk(c *coding.Coder) {
	coding.Optional(c, &r.Host)
	coding.Optional(c, &r.Failed)
	coding.Optional(c, &r.Ready)
	coding.Optional(c, &r.Started)
	coding.Optional(c, &r.Dialed)
	coding.Optional(c, &r.Stopped)
	coding.Text(c, &r.Done)
	coding.Optional(c, &r.Exited)
}

// Walk implements [coding.Coded].
func (h *Host) Walk(c *coding.Coder) {
	coding.Text(c, &h.Tier)
	coding.Number(c, &h.LandlockABI)
	c.Flag(&h.Notify)
}

// Walk implements [coding.Coded].
func (f *Failed) Walk(c *coding.Coder) {
	coding.Text(c, &f.Rule)
	coding.Text(c, &f.Step)
	coding.Text(c, &f.Path)
	coding.Number(c, &f.Errno)
	coding.Text(c, &f.Text)
}

// Walk implements [coding.Coded].
func (r *Ready) Walk(c *coding.Coder) {
	coding.List(c, &r.Descriptors, func(c *coding.Coder, d *Descriptor) {
		coding.Text(c, &d.Kind)
		coding.Text(c, &d.Name)
	})
	c.Flag(&r.More)
}

// Walk implements [coding.Coded].
func (s *Started) Walk(c *coding.Coder) {
	coding.Text(c, &s.Path)
	coding.Number(c, &s.Errno)
	c.Flag(&s.Exists)
}

// Walk implements [coding.Coded].
func (d *Dialed) Walk(c *coding.Coder) {
	coding.Number(c, &d.ID)
	coding.Number(c, &d.Errno)
}

// Walk implements [coding.Coded].
func (s *Stopped) Walk(c *coding.Coder) {
	coding.Number(c, &s.Signal)
	c.Flag(&s.Behind)
}

// Walk implements [coding.Coded].
func (e *Exited) Walk(c *coding.Coder) {
	coding.Number(c, &e.Code)
	coding.Number(c, &e.Signal)
	coding.Number(c, &e.Left)
}
