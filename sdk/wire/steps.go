package wire

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/netip"
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
)

// sticky is the bit that a mode on the wire has for fs.ModeSticky.
const sticky = 0o1000

// EncodeSteps is a fragment's steps as a layer returns them.
func EncodeSteps(steps []fragment.Step) ([]*layerpb.Step, error) {
	var out []*layerpb.Step
	for i, s := range steps {
		if s == nil {
			return nil, fmt.Errorf("step %d is nil", i)
		}
		m := &layerpb.Step{Rule: string(s.Rule())}
		if err := encodeStep(m, s); err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
		out = append(out, m)
	}
	return out, nil
}

func encodeStep(m *layerpb.Step, s fragment.Step) error {
	switch s := s.(type) {
	case fragment.Env:
		m.Step = &layerpb.Step_Env{Env: &layerpb.Env{Name: s.Name, Value: encodeValue(s.Value)}}
	case fragment.Bind:
		m.Step = &layerpb.Step_Bind{Bind: &layerpb.Bind{
			Path: s.Path, From: s.From, Writable: s.Writable, NoExec: s.NoExec, Devices: s.Devices, Device: s.Device, Inode: s.Inode,
		}}
	case fragment.Link:
		m.Step = &layerpb.Step_Link{Link: &layerpb.Link{Path: s.Path, Target: s.Target}}
	case fragment.Tmpfs:
		m.Step = &layerpb.Step_Tmpfs{Tmpfs: &layerpb.Tmpfs{Path: s.Path, Size: s.Size, Mode: encodeMode(s.Mode), Report: s.Report}}
	case fragment.Mask:
		m.Step = &layerpb.Step_Mask{Mask: &layerpb.Mask{Path: s.Path, Directory: s.Directory, Readable: s.Readable}}
	case fragment.File:
		m.Step = &layerpb.Step_File{File: &layerpb.File{Path: s.Path, Mode: encodeMode(s.Mode), Content: s.Content}}
	case fragment.Landlock:
		return encodeLandlock(m, s)
	case fragment.Seccomp:
		return encodeSeccomp(m, s)
	case fragment.Listener:
		network, err := Networks.Encode(s.Network)
		m.Step = &layerpb.Step_Listener{Listener: &layerpb.Listener{
			Name: s.Name, Network: network, Address: s.Address, Port: uint32(s.Port), LocalPrefix: s.LocalPrefix,
		}}
		return err
	case fragment.Dialer:
		ports := make([]uint32, len(s.Ports))
		for i, p := range s.Ports {
			ports[i] = uint32(p)
		}
		m.Step = &layerpb.Step_Dialer{Dialer: &layerpb.Dialer{Ports: ports}}
	case fragment.Proc:
		m.Step = &layerpb.Step_Proc{Proc: &layerpb.Proc{Path: s.Path}}
	case fragment.Devpts:
		m.Step = &layerpb.Step_Devpts{Devpts: &layerpb.Devpts{Path: s.Path}}
	default:
		// A pointer to a step has the step's methods and passes for one.
		return fmt.Errorf("a step is a value of package fragment, not a %T", s)
	}
	return nil
}

func encodeValue(v fragment.Value) []*layerpb.Part {
	var out []*layerpb.Part
	for _, p := range v {
		m := &layerpb.Part{}
		switch {
		case p.Host != "":
			m.Part = &layerpb.Part_Host{Host: p.Host}
		case p.Secret != "":
			m.Part = &layerpb.Part_Secret{Secret: p.Secret}
		case p.Listener != "":
			m.Part = &layerpb.Part_Listener{Listener: p.Listener}
		default:
			m.Part = &layerpb.Part_Literal{Literal: p.Literal}
		}
		out = append(out, m)
	}
	return out
}

func encodeMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSticky != 0 {
		bits |= sticky
	}
	return bits
}

func encodeLandlock(m *layerpb.Step, s fragment.Landlock) error {
	out := &layerpb.Landlock{Path: s.Path}
	for _, r := range s.Rights {
		w, err := rights.Encode(r)
		if err != nil {
			return err
		}
		out.Rights = append(out.Rights, w)
	}
	m.Step = &layerpb.Step_Landlock{Landlock: out}
	return nil
}

func encodeSeccomp(m *layerpb.Step, s fragment.Seccomp) error {
	out := &layerpb.Seccomp{Syscalls: s.Syscalls, Errno: s.Errno}
	for _, condition := range s.When {
		c := &layerpb.Condition{}
		for _, t := range condition {
			op, err := ops.Encode(t.Op)
			if err != nil {
				return err
			}
			if t.Arg < 0 || t.Arg > 5 {
				return fmt.Errorf("a system call has the arguments 0 to 5, not %d", t.Arg)
			}
			c.Tests = append(c.Tests, &layerpb.Test{Arg: uint32(t.Arg), Mask: t.Mask, Op: op, Values: t.Values})
		}
		out.When = append(out.When, c)
	}
	m.Step = &layerpb.Step_Seccomp{Seccomp: out}
	return nil
}

// DecodeSteps checks and translates the steps that a layer returned.
func DecodeSteps(in []*layerpb.Step) ([]fragment.Step, error) {
	if err := Count("steps", len(in), MaxSteps); err != nil {
		return nil, err
	}
	var out []fragment.Step
	for i, m := range in {
		rule, err := ruleID(m.GetRule())
		if err != nil {
			return nil, fmt.Errorf("step %d: rule: %w", i, err)
		}
		s, err := decodeStep(m, rule)
		if err != nil {
			return nil, fmt.Errorf("step %d (%s): %w", i, stepName(m), err)
		}
		out = append(out, s)
	}
	return out, nil
}

// stepName is the kind of a step on the wire, for messages.
func stepName(m *layerpb.Step) string {
	r := m.ProtoReflect()
	f := r.WhichOneof(r.Descriptor().Oneofs().ByName("step"))
	if f == nil {
		return "none"
	}
	return string(f.Name())
}

func decodeStep(m *layerpb.Step, rule policy.RuleID) (fragment.Step, error) {
	switch s := m.GetStep().(type) {
	case *layerpb.Step_Env:
		return decodeEnv(s.Env, rule)
	case *layerpb.Step_Bind:
		return decodeBind(s.Bind, rule)
	case *layerpb.Step_Link:
		return decodeLink(s.Link, rule)
	case *layerpb.Step_Tmpfs:
		return decodeTmpfs(s.Tmpfs, rule)
	case *layerpb.Step_Mask:
		return decodeMask(s.Mask, rule)
	case *layerpb.Step_File:
		return decodeFile(s.File, rule)
	case *layerpb.Step_Landlock:
		return decodeLandlock(s.Landlock, rule)
	case *layerpb.Step_Seccomp:
		return decodeSeccomp(s.Seccomp, rule)
	case *layerpb.Step_Listener:
		return decodeListener(s.Listener, rule)
	case *layerpb.Step_Dialer:
		return decodeDialer(s.Dialer, rule)
	case *layerpb.Step_Proc, *layerpb.Step_Devpts:
		// What /proc and the terminals show decides what the agent can reach of other processes: one owner, core.
		return nil, errors.New("only core may send this step")
	case nil:
		return nil, errors.New("it has no content")
	default:
		return nil, fmt.Errorf("the unknown kind %T", s)
	}
}

func decodeEnv(m *layerpb.Env, rule policy.RuleID) (fragment.Step, error) {
	if err := first(field("name", Variable(m.GetName())), field("value", Count("parts", len(m.GetValue()), maxParts))); err != nil {
		return nil, err
	}
	s := fragment.Env{For: rule, Name: m.GetName()}
	for i, p := range m.GetValue() {
		part, err := decodePart(p)
		if err != nil {
			return nil, fmt.Errorf("value, part %d: %w", i, err)
		}
		s.Value = append(s.Value, part)
	}
	return s, nil
}

func decodePart(m *layerpb.Part) (fragment.Part, error) {
	switch p := m.GetPart().(type) {
	case *layerpb.Part_Literal:
		if len(p.Literal) > maxValue || slices.Contains([]byte(p.Literal), 0) {
			return fragment.Part{}, errors.New("the literal is too long or holds a NUL")
		}
		return fragment.Part{Literal: p.Literal}, nil
	case *layerpb.Part_Host:
		return fragment.Part{Host: p.Host}, field("host", Variable(p.Host))
	case *layerpb.Part_Secret:
		return fragment.Part{Secret: p.Secret}, field("secret", Name(p.Secret))
	case *layerpb.Part_Listener:
		return fragment.Part{Listener: p.Listener}, field("listener", Name(p.Listener))
	case nil:
		return fragment.Part{}, errors.New("it has no content")
	default:
		return fragment.Part{}, fmt.Errorf("the unknown kind %T", p)
	}
}

func decodeBind(m *layerpb.Bind, rule policy.RuleID) (fragment.Step, error) {
	var from error
	if m.GetFrom() != "" {
		from = Path(m.GetFrom())
	}
	var looked error
	if m.GetDevice() == 0 || m.GetInode() == 0 {
		looked = errors.New("the layer did not look at the source: device and inode are missing")
	}
	return fragment.Bind{
		For: rule, Path: m.GetPath(), From: m.GetFrom(), Writable: m.GetWritable(), NoExec: m.GetNoExec(), Devices: m.GetDevices(),
		Device: m.GetDevice(), Inode: m.GetInode(),
	}, first(field("path", Path(m.GetPath())), field("from", from), looked)
}

func decodeLink(m *layerpb.Link, rule policy.RuleID) (fragment.Step, error) {
	target := m.GetTarget()
	var bad error
	if target == "" || len(target) > maxPath || slices.Contains([]byte(target), 0) {
		bad = fmt.Errorf("%q is empty, too long or holds a NUL", target)
	}
	return fragment.Link{For: rule, Path: m.GetPath(), Target: target},
		first(field("path", Path(m.GetPath())), field("target", bad))
}

func decodeTmpfs(m *layerpb.Tmpfs, rule policy.RuleID) (fragment.Step, error) {
	var size error
	if m.GetSize() == 0 {
		size = errors.New("no limit is given")
	}
	mode, modeErr := decodeMode(m.GetMode(), sticky|0o777)
	return fragment.Tmpfs{For: rule, Path: m.GetPath(), Size: m.GetSize(), Mode: mode, Report: m.GetReport()},
		first(field("path", Path(m.GetPath())), field("size", size), field("mode", modeErr))
}

func decodeMode(bits, allowed uint32) (fs.FileMode, error) {
	if bits&^allowed != 0 {
		return 0, fmt.Errorf("%#o has bits beyond %#o", bits, allowed)
	}
	mode := fs.FileMode(bits & 0o777)
	if bits&sticky != 0 {
		mode |= fs.ModeSticky
	}
	return mode, nil
}

func decodeMask(m *layerpb.Mask, rule policy.RuleID) (fragment.Step, error) {
	return fragment.Mask{For: rule, Path: m.GetPath(), Directory: m.GetDirectory(), Readable: m.GetReadable()},
		field("path", Path(m.GetPath()))
}

func decodeFile(m *layerpb.File, rule policy.RuleID) (fragment.Step, error) {
	var size error
	if len(m.GetContent()) > maxFile {
		size = fmt.Errorf("%d bytes, at most %d are taken", len(m.GetContent()), maxFile)
	}
	mode, modeErr := decodeMode(m.GetMode(), 0o777)
	return fragment.File{For: rule, Path: m.GetPath(), Mode: mode, Content: m.GetContent()},
		first(field("path", Path(m.GetPath())), field("mode", modeErr), field("content", size))
}

func decodeLandlock(m *layerpb.Landlock, rule policy.RuleID) (fragment.Step, error) {
	if err := field("path", Path(m.GetPath())); err != nil {
		return nil, err
	}
	s := fragment.Landlock{For: rule, Path: m.GetPath()}
	for _, w := range m.GetRights() {
		r, err := rights.Decode(w)
		if err != nil {
			return nil, field("rights", err)
		}
		if slices.Contains(s.Rights, r) {
			return nil, fmt.Errorf("rights: %s is there twice", r)
		}
		s.Rights = append(s.Rights, r)
	}
	if len(s.Rights) == 0 {
		return nil, errors.New("rights: there are none")
	}
	return s, nil
}

func decodeSeccomp(m *layerpb.Seccomp, rule policy.RuleID) (fragment.Step, error) {
	if len(m.GetSyscalls()) == 0 {
		return nil, errors.New("syscalls: there are none")
	}
	if err := first(Count("system calls", len(m.GetSyscalls()), maxSyscalls), Count("conditions", len(m.GetWhen()), maxConditions)); err != nil {
		return nil, err
	}
	for _, name := range m.GetSyscalls() {
		if !syscallName(name) {
			return nil, fmt.Errorf("syscalls: %q is not a name", name)
		}
	}
	if !errnoName(m.GetErrno()) {
		return nil, fmt.Errorf("errno: %q is not a name", m.GetErrno())
	}
	s := fragment.Seccomp{For: rule, Syscalls: m.GetSyscalls(), Errno: m.GetErrno()}
	for i, w := range m.GetWhen() {
		c, err := decodeCondition(w)
		if err != nil {
			return nil, fmt.Errorf("condition %d: %w", i, err)
		}
		s.When = append(s.When, c)
	}
	return s, nil
}

func decodeCondition(m *layerpb.Condition) (fragment.Condition, error) {
	var c fragment.Condition
	for _, t := range m.GetTests() {
		op, err := ops.Decode(t.GetOp())
		if err != nil {
			return nil, field("op", err)
		}
		switch {
		case t.GetArg() > 5:
			return nil, fmt.Errorf("arg: a system call has the arguments 0 to 5, not %d", t.GetArg())
		case len(t.GetValues()) == 0:
			return nil, errors.New("values: there are none")
		}
		if err := Count("values", len(t.GetValues()), maxValues); err != nil {
			return nil, err
		}
		c = append(c, fragment.Test{Arg: int(t.GetArg()), Mask: t.GetMask(), Op: op, Values: t.GetValues()})
	}
	// A condition without a test would hold always: a filter that was meant to be narrow would refuse everything.
	if len(c) == 0 {
		return nil, errors.New("it has no test")
	}
	return c, Count("tests", len(c), maxTests)
}

func decodeListener(m *layerpb.Listener, rule policy.RuleID) (fragment.Step, error) {
	network, networkErr := Networks.Decode(m.GetNetwork())
	var address, prefix error
	if m.GetAddress() != "" {
		_, address = netip.ParseAddr(m.GetAddress())
	}
	if m.GetLocalPrefix() != "" {
		_, prefix = netip.ParsePrefix(m.GetLocalPrefix())
	}
	port, portErr := decodePort(m.GetPort())
	s := fragment.Listener{
		For: rule, Name: m.GetName(), Network: network, Address: m.GetAddress(), Port: port, LocalPrefix: m.GetLocalPrefix(),
	}
	return s, first(field("name", Name(m.GetName())), field("network", networkErr), field("address", address), field("port", portErr),
		field("local_prefix", prefix))
}

func decodeDialer(m *layerpb.Dialer, rule policy.RuleID) (fragment.Step, error) {
	if len(m.GetPorts()) == 0 {
		return nil, errors.New("ports: there are none")
	}
	if err := Count("ports", len(m.GetPorts()), maxPorts); err != nil {
		return nil, err
	}
	s := fragment.Dialer{For: rule}
	for _, p := range m.GetPorts() {
		port, err := decodePort(p)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("ports: %d is not a port", p)
		}
		s.Ports = append(s.Ports, port)
	}
	return s, nil
}

func decodePort(p uint32) (uint16, error) {
	if p > math.MaxUint16 {
		return 0, fmt.Errorf("%d is not a port", p)
	}
	return uint16(p), nil
}
