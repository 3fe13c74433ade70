package fragment

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nono-run/nono/sdk/policy"
)

// The most that one step may hold. The limits are far above what an honest layer needs, and far
// below what would make core or the kernel work for seconds.
const (
	maxPath        = 4095      // PATH_MAX, less its NUL
	maxName        = 256       // of rules, listeners, secrets
	maxVariable    = 128 << 10 // of one variable: the kernel's own limit
	maxFile        = 64 << 10
	maxParts       = 256
	maxPorts       = 1024
	maxSyscalls    = 1024
	maxConditions  = 256
	maxComparisons = 16
	maxValues      = 1024
)

// Check holds a step against everything that can be said of it alone: that paths are absolute and
// clean, modes hold permissions, rights and operators are known, nothing is missing or too much. It
// is the one place that says so: the wire, the plan and nono-init all ask it. Whether the rule
// exists, what the policy says of the path, and what stands there on the host is for core to judge.
func Check(s Step) error {
	switch s := s.(type) {
	case Env:
		return first(rule(s.For), s.check())
	case Bind:
		return first(rule(s.For), field("path", CheckPath(s.Path)), s.check())
	case Copy:
		return first(rule(s.For), field("path", beneathRoot(s.Path)), looked(s.Device, s.Inode))
	case Link:
		return first(rule(s.For), field("path", beneathRoot(s.Path)), field("target", s.checkTarget()))
	case Tmpfs:
		return first(rule(s.For), field("path", CheckPath(s.Path)), s.check())
	case Mask:
		return first(rule(s.For), field("path", CheckPath(s.Path)))
	case File:
		return first(rule(s.For), field("path", beneathRoot(s.Path)), s.check())
	case Landlock:
		return first(
			rule(s.For), field("path", CheckPath(s.Path)), field("rights", checkRights(s.Rights)),
		)
	case Seccomp:
		return first(rule(s.For), s.check())
	case Listener:
		return first(rule(s.For), field("name", CheckName(s.Name)), s.check())
	case Dialer:
		return first(rule(s.For), field("ports", checkPorts(s.Ports)))
	case Hold:
		return first(rule(s.For), field("path", beneathRoot(s.Path)), s.check())
	case Pseudo:
		return first(rule(s.For), field("path", beneathRoot(s.Path)), field("type", s.Type.check()))
	}
	return fmt.Errorf("a step is a value of package fragment, not a %T", s)
}

// CheckPath checks a path inside or outside.
func CheckPath(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxPath:
		return fmt.Errorf("%d bytes, at most %d are taken", len(s), maxPath)
	case strings.ContainsRune(s, 0):
		return errors.New("it holds a NUL")
	case s[0] != '/' || path.Clean(s) != s:
		return fmt.Errorf("%q is not absolute and clean", s)
	}
	return nil
}

// CheckName checks what something is called: not empty, one line, nothing that a terminal or a file
// would take for more than text.
func CheckName(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxName:
		return fmt.Errorf("%d bytes, at most %d are taken", len(s), maxName)
	case !utf8.ValidString(s) || policy.Printable(s) != s:
		return fmt.Errorf("%q holds a character that cannot be printed", s)
	}
	return nil
}

// CheckVariable checks the name of an environment variable. As to the kernel, it may hold any bytes
// but "=" and NUL.
func CheckVariable(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxVariable:
		return fmt.Errorf("%d bytes, at most %d are taken", len(s), maxVariable)
	case strings.ContainsAny(s, "=\x00"):
		return fmt.Errorf("%q holds a = or a NUL", s)
	}
	return nil
}

// rule checks the id of a step's rule. A step that is there for no rule has none.
func rule(id policy.RuleID) error {
	if id == "" {
		return nil
	}
	return field("rule", CheckName(string(id)))
}

// beneathRoot checks a path at which something other than a directory stands.
func beneathRoot(s string) error {
	if s == "/" {
		return errors.New("the root is a directory")
	}
	return CheckPath(s)
}

func (s Env) check() error {
	if err := field("name", CheckVariable(s.Name)); err != nil {
		return err
	}
	if err := most("parts", len(s.Value), maxParts); err != nil {
		return field("value", err)
	}
	for i, p := range s.Value {
		if err := p.check(); err != nil {
			return fmt.Errorf("value, part %d: %w", i, err)
		}
	}
	return nil
}

func (p Part) check() error {
	set := 0
	for _, f := range []string{p.Literal, p.Host, p.Secret, p.Listener} {
		if f != "" {
			set++
		}
	}
	switch {
	case set > 1:
		return errors.New("it is two things at once")
	case p.Host != "":
		return field("host", CheckVariable(p.Host))
	case p.Secret != "":
		return field("secret", CheckName(p.Secret))
	case p.Listener != "":
		return field("listener", CheckName(p.Listener))
	case len(p.Literal) > maxVariable || strings.ContainsRune(p.Literal, 0):
		return errors.New("the literal is too long or holds a NUL")
	}
	return nil
}

func (s Bind) check() error {
	if err := CheckPath(s.Source()); err != nil {
		return field("from", err)
	}
	if s.SHA256 != "" {
		if sum, err := policy.ParseSHA256(s.SHA256); err != nil || sum != s.SHA256 {
			return field("sha256", fmt.Errorf("%q is no digest", s.SHA256))
		}
	}
	return looked(s.Device, s.Inode)
}

func looked(device, inode uint64) error {
	if device == 0 || inode == 0 {
		return errors.New("the layer did not look at the source: device and inode are missing")
	}
	return nil
}

func (s Hold) check() error {
	if err := CheckPath(s.Source()); err != nil {
		return field("from", err)
	}
	if s.Device == 0 || s.Inode == 0 {
		return errors.New("nobody looked at the link: device and inode are missing")
	}
	return nil
}

func (s Link) checkTarget() error {
	if s.Target == "" || len(s.Target) > maxPath || strings.ContainsRune(s.Target, 0) {
		return fmt.Errorf("%q is empty, too long or holds a NUL", s.Target)
	}
	return nil
}

func (s Tmpfs) check() error {
	if s.Size == 0 {
		return errors.New("size: no limit is given")
	}
	return field("mode", checkMode(s.Mode, fs.ModePerm|fs.ModeSticky))
}

func (s File) check() error {
	return first(
		field("mode", checkMode(s.Mode, fs.ModePerm)),
		field("content", most("bytes", len(s.Content), maxFile)),
	)
}

func checkMode(mode, allowed fs.FileMode) error {
	if more := mode &^ allowed; more != 0 {
		return fmt.Errorf("%v holds more than permissions", mode)
	}
	return nil
}

func checkRights(rights []Right) error {
	if len(rights) == 0 {
		return errors.New("there are none")
	}
	for i, r := range rights {
		switch r {
		case RightList, RightRead, RightExecute, RightWrite, RightDevice:
		default:
			return fmt.Errorf("there is no right %q", r)
		}
		if slices.Contains(rights[:i], r) {
			return fmt.Errorf("%s is there twice", r)
		}
	}
	return nil
}

func (s Seccomp) check() error {
	if len(s.Syscalls) == 0 {
		return errors.New("syscalls: there are none")
	}
	err := first(
		most("system calls", len(s.Syscalls), maxSyscalls),
		most("conditions", len(s.When), maxConditions),
	)
	if err != nil {
		return err
	}
	for _, name := range s.Syscalls {
		if !isSyscallName(name) {
			return fmt.Errorf("syscalls: %q is not a name", name)
		}
	}
	if !isErrnoName(s.Errno) {
		return fmt.Errorf("errno: %q is not a name", s.Errno)
	}
	for i, c := range s.When {
		if err := c.check(); err != nil {
			return fmt.Errorf("condition %d: %w", i, err)
		}
	}
	return nil
}

func (c Condition) check() error {
	// A condition without a comparison would hold always: a filter that was meant to be narrow would
	// refuse everything.
	if len(c) == 0 {
		return errors.New("it has no comparison")
	}
	if err := most("comparisons", len(c), maxComparisons); err != nil {
		return err
	}
	for _, t := range c {
		switch {
		case t.Op != OpIn && t.Op != OpNotIn:
			return fmt.Errorf("op: there is no %q", t.Op)
		case t.Arg < 0 || t.Arg > 5:
			return fmt.Errorf("arg: a system call has the arguments 0 to 5, not %d", t.Arg)
		case len(t.Values) == 0:
			return errors.New("values: there are none")
		}
		if err := most("values", len(t.Values), maxValues); err != nil {
			return err
		}
	}
	return nil
}

func (s Listener) check() error {
	if s.Network != TCP && s.Network != UDP {
		return fmt.Errorf("network: there is no %q", s.Network)
	}
	if s.Address != "" {
		if _, err := netip.ParseAddr(s.Address); err != nil {
			return fmt.Errorf("address: %q is none", s.Address)
		}
	}
	if s.LocalPrefix != "" {
		if p, err := netip.ParsePrefix(s.LocalPrefix); err != nil || p != p.Masked() {
			return fmt.Errorf("local_prefix: %q is not a range of addresses", s.LocalPrefix)
		}
	}
	return nil
}

func checkPorts(ports []uint16) error {
	switch {
	case len(ports) == 0:
		return errors.New("there are none")
	case slices.Contains(ports, 0):
		return errors.New("0 is not a port")
	}
	return most("ports", len(ports), maxPorts)
}

func (t PseudoType) check() error {
	switch t {
	case Procfs, Devpts:
		return nil
	}
	return fmt.Errorf("there is no %q", t)
}

// isSyscallName reports whether s can be the name of a system call.
func isSyscallName(s string) bool {
	small := func(r rune) bool { return r == '_' || 'a' <= r && r <= 'z' || isDigit(r) }
	return isWord(s, small)
}

// isErrnoName reports whether s can be the name of an error number.
func isErrnoName(s string) bool {
	capital := func(r rune) bool { return 'A' <= r && r <= 'Z' || isDigit(r) }
	return strings.HasPrefix(s, "E") && isWord(s, capital)
}

func isWord(s string, in func(rune) bool) bool {
	outside := func(r rune) bool { return !in(r) }
	return s != "" && len(s) <= 64 && !isDigit(rune(s[0])) && strings.IndexFunc(s, outside) < 0
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

// most reports that there are more than enough of something.
func most(what string, n, limit int) error {
	if n > limit {
		return fmt.Errorf("%d %s, at most %d are taken", n, what, limit)
	}
	return nil
}

// field puts a field's name before what is wrong with it.
func field(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// first is the first error of several checks.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
