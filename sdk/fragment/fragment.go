// Package fragment holds what a layer asks the launcher to do: a list of typed steps, as data.
//
// A layer never touches the agent's process. It returns a [Fragment]; core merges the fragments of
// all layers with its own into one plan, proves that the plan keeps the rules it must keep, and
// hands it to nono-init, which applies it. So a plan can be printed, compared and tested without
// running anything.
//
// Paths are absolute, clean and free of links. At one path, steps of different strength merge,
// whoever sent them: a mask beats a file, a file beats a link or a read-only bind, a read-only bind
// beats a writable one. Two steps of the same kind with different content are a conflict, and core
// names both lines.
//
// What a step means is said once, here: [Check] says what is a step that makes sense, [List] how it
// is written in plans.
//
// # Adding a step
//
// A step joins the contract with the first layer that uses it. Six places know it: this package
// (its type, its line in the table of kinds, its case in Check); its message in
// sdk/proto/nono/layer/v1/layer.proto; a case each way in sdk/wire; core/plan, whose merge.Gather
// says what becomes of it; core/launch/recipe, which writes its fields; and core/launch/inside,
// which carries it out. The linter gochecksumtype lists every switch that lacks it, and at run time
// a step that Check or Gather does not know is refused.
package fragment

import (
	"io/fs"

	"github.com/nono-run/nono/sdk/policy"
)

// Fragment is one layer's share of a plan. The order of its steps means nothing: core sorts mounts
// by path, parents first.
type Fragment struct {
	Steps []Step
}

// Step is one instruction. Its concrete types are exactly those of this package.
//
//sumtype:decl
type Step interface {
	// Rule is the rule that this step is there for; a failure to apply the step is reported at that
	// rule's line.
	Rule() policy.RuleID
	step()
}

// Mount is a step that puts something at a path of the agent's view.
type Mount interface {
	Step
	// At is the path inside.
	At() string
}

// Env gives the agent a variable. Two different values for one name are a conflict.
type Env struct {
	For   policy.RuleID `json:"rule"`
	Name  string        `json:"name"`
	Value Value         `json:"value"`
}

// Value is a variable's value as parts that are joined when the agent is started. Only literal
// parts are ever printed or stored.
type Value []Part

// Part is one piece of a Value; exactly one field is set, but for a literal, which may be empty.
type Part struct {
	Literal  string `json:"literal,omitempty"`
	Host     string `json:"host,omitempty"`     // the user's own value of this variable
	Secret   string `json:"secret,omitempty"`   // a secret that the layer returned beside the fragment
	Listener string `json:"listener,omitempty"` // ADDRESS:PORT of a listener step of any layer
}

// Text is a Value of one literal part.
func Text(s string) Value { return Value{Literal(s)} }

// Literal is text as it is.
func Literal(s string) Part { return Part{Literal: s} }

// SecretValue is the secret of that name in the layer's Plan answer.
func SecretValue(name string) Part { return Part{Secret: name} }

// HostVariable is the user's own value of a variable.
func HostVariable(name string) Part { return Part{Host: name} }

// ListenerAddress is ADDRESS:PORT of the listener step of that name.
func ListenerAddress(name string) Part { return Part{Listener: name} }

// Bind shows a file or directory of the host inside, with all that is mounted beneath it, never
// with set-user-id bits.
type Bind struct {
	For policy.RuleID `json:"rule"`
	// Path is where it appears inside.
	Path string `json:"path"`
	// From is the host's path; empty means Path.
	From     string `json:"from,omitempty"`
	Writable bool   `json:"writable,omitempty"`
	NoExec   bool   `json:"no_exec,omitempty"`
	// Devices lets device files beneath it be opened.
	Devices bool `json:"devices,omitempty"`
	// Device and Inode are those of From when the layer looked. nono-init refuses to bind anything
	// else. Zero means that the layer did not look, and is refused.
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	// SHA256 is the one content that a file may be shown with, as 64 hexadecimal digits. nono-init
	// shows a copy that has it, and nothing else: whoever changes the file later changes nothing
	// inside, and nobody writes to it, whatever Writable says. Only core itself may ask for that.
	SHA256 string `json:"sha256,omitempty"`
}

// Copy is a copy of a file of the host's, writable, in a tmpfs. Programs save a file by writing
// another one and renaming that: a bind, being a mount, is in the way of it, and a copy is not.
// After the end core brings back what became of it, if the host's file is still as it was; else it
// is kept beside it. No more than [MaxCopy] bytes are copied.
type Copy struct {
	For policy.RuleID `json:"rule"`
	// Path is where it is, inside as on the host.
	Path string `json:"path"`
	// NoExec leaves the permission to execute out of the copy's mode.
	NoExec bool `json:"no_exec,omitempty"`
	// Device and Inode are those of the file when the layer looked. nono-init refuses to copy
	// anything else.
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// MaxCopy is how large a file may be that is copied: far above what a program keeps its settings
// in, and little to read at each start.
const MaxCopy = 16 << 20

// Link is a symbolic link inside.
type Link struct {
	For    policy.RuleID `json:"rule"`
	Path   string        `json:"path"`
	Target string        `json:"target"`
}

// Tmpfs is an empty directory in memory.
type Tmpfs struct {
	For  policy.RuleID `json:"rule"`
	Path string        `json:"path"`
	// Size is its limit in bytes; zero is refused.
	Size uint64 `json:"size"`
	// Mode holds the permission bits and, for a shared directory, fs.ModeSticky.
	Mode fs.FileMode `json:"mode"`
	// Report asks core to look, after the end, at what was left in it.
	Report bool `json:"report,omitempty"`
}

// Mask hides what is at a path. What stands there must exist in the view, or lie in a tmpfs.
type Mask struct {
	For  policy.RuleID `json:"rule"`
	Path string        `json:"path"`
	// Directory says which kind of thing is shown in its place: a directory without rights, or an
	// empty file.
	Directory bool `json:"directory,omitempty"`
	// Readable makes the empty file readable, so that a program that insists on it runs on; without it
	// the file has no rights.
	Readable bool `json:"readable,omitempty"`
}

// File is a read-only file whose content is part of the plan. It holds no secret.
type File struct {
	For     policy.RuleID `json:"rule"`
	Path    string        `json:"path"`
	Mode    fs.FileMode   `json:"mode"`
	Content []byte        `json:"content"` // at most 64 KiB
}

// Right is a group of Landlock access rights that belong together.
type Right string

// The rights. A right that the kernel's Landlock does not know is left out; whether that is good
// enough is decided by the layer, which was told the ABI, and said in its coverage.
const (
	RightList    Right = "list"    // list directories
	RightRead    Right = "read"    // list directories and read files
	RightExecute Right = "execute" // run programs
	RightWrite   Right = "write"   // change, create, remove, rename, truncate
	RightDevice  Right = "device"  // ioctl on devices
)

// Landlock grants rights beneath a path inside. Once any fragment has such a step, what none grants
// is refused; for mount steps of a fragment that has none, core grants what the mount itself gives.
// What the policy does not give is an error; what it gives, and the mount that is seen there does
// not, is left out.
type Landlock struct {
	For    policy.RuleID `json:"rule"`
	Path   string        `json:"path"`
	Rights []Right       `json:"rights"`
	// Device and Inode say which file of the host is meant. Where no mount does, as on a host without
	// user namespaces, another one that came to stand there is not granted. Zero is any.
	Device uint64 `json:"device,omitempty"`
	Inode  uint64 `json:"inode,omitempty"`
}

// Seccomp adds rules to the agent's system-call filter, in names rather than instructions, so that
// plans print and filters merge. A filter only ever takes away: core has a list of the calls that
// exist for an agent, and of these everything is allowed that no rule refuses.
type Seccomp struct {
	For policy.RuleID `json:"rule"`
	// Syscalls are names as in the kernel's table; one that this architecture lacks is skipped.
	Syscalls []string `json:"syscalls"`
	// When lists alternatives; the call is refused if one of them holds. Empty: always refused.
	When []Condition `json:"when,omitempty"`
	// Errno is the name of what the caller gets: EPERM, ENOSYS, EAFNOSUPPORT ...
	Errno string `json:"errno"`
}

// Condition holds when all its comparisons hold.
type Condition []Comparison

// Comparison is about one 64-bit argument, both halves of it.
type Comparison struct {
	// Arg is the argument's index, from 0.
	Arg int `json:"arg"`
	// Mask is applied to the argument first; zero means all 64 bits.
	Mask uint64 `json:"mask,omitempty"`
	// Op is what must hold between the masked argument and Values.
	Op Op `json:"op"`
	// Values are 64-bit.
	Values []uint64 `json:"values"`
}

// Op is a comparison.
type Op string

// The comparisons.
const (
	OpIn    Op = "in"     // equal to one of the values
	OpNotIn Op = "not in" // equal to none of them
)

// Listener is a socket that nono-init opens inside the agent's network namespace and that the layer
// serves from outside. Its descriptor reaches the layer with Start.
type Listener struct {
	For policy.RuleID `json:"rule"`
	// Name is what env values and Start call it; unique in the plan.
	Name    string  `json:"name"`
	Network Network `json:"network"`
	// Address is a literal address, "127.0.0.1" if empty; a wildcard is allowed.
	Address string `json:"address,omitempty"`
	// Port 0 lets core pick one while planning.
	Port uint16 `json:"port,omitempty"`
	// LocalPrefix routes a range of addresses to the loopback inside, such as "198.18.0.0/15".
	LocalPrefix string `json:"local_prefix,omitempty"`
}

// Network is a listener's protocol.
type Network string

// The protocols.
const (
	TCP Network = "tcp"
	UDP Network = "udp"
)

// Dialer lets the layer connect, from Start on, to ports of the loopback inside, with Session.Dial.
type Dialer struct {
	For   policy.RuleID `json:"rule"`
	Ports []uint16      `json:"ports"`
}

// Hold keeps a symbolic link of the host's in its place: it is mounted onto itself, and what is
// mounted cannot be renamed, removed or replaced from inside. Only core has such a step, as with
// Pseudo.
type Hold struct {
	For  policy.RuleID `json:"rule"`
	Path string        `json:"path"`
	// From is the link's path on the host; empty means Path.
	From string `json:"from,omitempty"`
	// Device and Inode are those of the link when core looked. nono-init refuses to hold anything
	// else.
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
}

// Pseudo is a fresh instance of one of the kernel's own file systems. Only core has such a step:
// what it shows decides what the agent can reach of other processes, so it has no message on the
// wire. It stands here because a plan is one list of steps, sorted by path, and a sealed interface
// has all its types in one package.
type Pseudo struct {
	For  policy.RuleID `json:"rule"`
	Path string        `json:"path"`
	Type PseudoType    `json:"type"`
}

// PseudoType is a file system of the kernel's, by the name that mount(2) has for it.
type PseudoType string

// The types.
const (
	Procfs PseudoType = "proc"   // /proc, of the session's own processes
	Devpts PseudoType = "devpts" // the session's own pseudo-terminals
)

// Rule implements Step.
func (s Env) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Bind) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Copy) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Link) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Tmpfs) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Mask) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s File) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Landlock) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Seccomp) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Listener) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Dialer) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Hold) Rule() policy.RuleID { return s.For }

// Rule implements Step.
func (s Pseudo) Rule() policy.RuleID { return s.For }

// At implements Mount.
func (s Bind) At() string { return s.Path }

// At implements Mount.
func (s Copy) At() string { return s.Path }

// At implements Mount.
func (s Link) At() string { return s.Path }

// At implements Mount.
func (s Tmpfs) At() string { return s.Path }

// At implements Mount.
func (s Mask) At() string { return s.Path }

// At implements Mount.
func (s File) At() string { return s.Path }

// At implements Mount.
func (s Hold) At() string { return s.Path }

// At implements Mount.
func (s Pseudo) At() string { return s.Path }

// Source is the host's path of the link.
func (s Hold) Source() string {
	if s.From != "" {
		return s.From
	}
	return s.Path
}

// Source is the host's path of a bind.
func (s Bind) Source() string {
	if s.From != "" {
		return s.From
	}
	return s.Path
}

func (Env) step()      {}
func (Bind) step()     {}
func (Copy) step()     {}
func (Link) step()     {}
func (Tmpfs) step()    {}
func (Mask) step()     {}
func (File) step()     {}
func (Landlock) step() {}
func (Seccomp) step()  {}
func (Listener) step() {}
func (Dialer) step()   {}
func (Hold) step()     {}
func (Pseudo) step()   {}

// Interface guards.
var (
	_ Mount = Bind{}
	_ Mount = Copy{}
	_ Mount = Link{}
	_ Mount = Tmpfs{}
	_ Mount = Mask{}
	_ Mount = File{}
	_ Mount = Hold{}
	_ Mount = Pseudo{}
)
