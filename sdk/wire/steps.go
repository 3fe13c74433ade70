package wire

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

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
		m.Step = &layerpb.Step_Env{Env: &layerpb.Env{Name: []byte(s.Name), Value: encodeValue(s.Value)}}
	case fragment.Bind:
		if s.SHA256 != "" {
			return errors.New("only nono itself may ask for one content of a file")
		}
		m.Step = &layerpb.Step_Bind{Bind: &layerpb.Bind{
			Path: []byte(s.Path), From: []byte(s.From), Writable: s.Writable, NoExec: s.NoExec,
			Devices: s.Devices, Device: s.Device, Inode: s.Inode,
		}}
	case fragment.Copy:
		m.Step = &layerpb.Step_Copy{Copy: &layerpb.Copy{
			Path: []byte(s.Path), NoExec: s.NoExec, Device: s.Device, Inode: s.Inode,
		}}
	case fragment.Link:
		m.Step = &layerpb.Step_Link{Link: &layerpb.Link{Path: []byte(s.Path), Target: []byte(s.Target)}}
	case fragment.Tmpfs:
		m.Step = &layerpb.Step_Tmpfs{Tmpfs: &layerpb.Tmpfs{
			Path: []byte(s.Path), Size: s.Size, Mode: encodeMode(s.Mode), Report: s.Report,
		}}
	case fragment.Mask:
		m.Step = &layerpb.Step_Mask{Mask: &layerpb.Mask{
			Path: []byte(s.Path), Directory: s.Directory, Readable: s.Readable,
		}}
	case fragment.File:
		m.Step = &layerpb.Step_File{File: &layerpb.File{
			Path: []byte(s.Path), Mode: encodeMode(s.Mode), Content: s.Content,
		}}
	case fragment.Landlock:
		return encodeLandlock(m, s)
	case fragment.Seccomp:
		return encodeSeccomp(m, s)
	case fragment.Listener:
		network, err := Networks.Encode(s.Network)
		m.Step = &layerpb.Step_Listener{Listener: &layerpb.Listener{
			Name: s.Name, Network: network, Address: s.Address, Port: uint32(s.Port),
			LocalPrefix: s.LocalPrefix,
		}}
		return err
	case fragment.Dialer:
		ports := make([]uint32, len(s.Ports))
		for i, p := range s.Ports {
			ports[i] = uint32(p)
		}
		m.Step = &layerpb.Step_Dialer{Dialer: &layerpb.Dialer{Ports: ports}}
	case fragment.Hold, fragment.Pseudo:
		return errors.New("only core may send this step")
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
			m.Part = &layerpb.Part_Host{Host: []byte(p.Host)}
		case p.Secret != "":
			m.Part = &layerpb.Part_Secret{Secret: p.Secret}
		case p.Listener != "":
			m.Part = &layerpb.Part_Listener{Listener: p.Listener}
		default:
			m.Part = &layerpb.Part_Literal{Literal: []byte(p.Literal)}
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
	out := &layerpb.Landlock{Path: []byte(s.Path), Device: s.Device, Inode: s.Inode}
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
			if t.Arg < 0 { // what is too large the other end sees
				return fmt.Errorf("there is no argument %d", t.Arg)
			}
			c.Comparisons = append(c.Comparisons, &layerpb.Comparison{
				Arg: uint32(t.Arg), Mask: t.Mask, Op: op, Values: t.Values,
			})
		}
		out.When = append(out.When, c)
	}
	m.Step = &layerpb.Step_Seccomp{Seccomp: out}
	return nil
}

// DecodeSteps translates the steps that a layer returned, and checks them.
func DecodeSteps(in []*layerpb.Step) ([]fragment.Step, error) {
	if err := Count("steps", len(in), MaxSteps); err != nil {
		return nil, err
	}
	var out []fragment.Step
	for i, m := range in {
		s, err := decodeStep(m, policy.RuleID(m.GetRule()))
		if err == nil {
			err = fragment.Check(s)
		}
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

// decodeStep is a plain translation. It refuses only what Go's types cannot hold.
func decodeStep(m *layerpb.Step, rule policy.RuleID) (fragment.Step, error) {
	switch s := m.GetStep().(type) {
	case *layerpb.Step_Env:
		return decodeEnv(s.Env, rule)
	case *layerpb.Step_Bind:
		b := s.Bind
		return fragment.Bind{
			For: rule, Path: string(b.GetPath()), From: string(b.GetFrom()), Writable: b.GetWritable(),
			NoExec:  b.GetNoExec(),
			Devices: b.GetDevices(), Device: b.GetDevice(), Inode: b.GetInode(),
		}, nil
	case *layerpb.Step_Copy:
		c := s.Copy
		return fragment.Copy{
			For: rule, Path: string(c.GetPath()), NoExec: c.GetNoExec(),
			Device: c.GetDevice(), Inode: c.GetInode(),
		}, nil
	case *layerpb.Step_Link:
		return fragment.Link{
			For: rule, Path: string(s.Link.GetPath()), Target: string(s.Link.GetTarget()),
		}, nil
	case *layerpb.Step_Tmpfs:
		t := s.Tmpfs
		mode, err := decodeMode(t.GetMode())
		return fragment.Tmpfs{
			For: rule, Path: string(t.GetPath()), Size: t.GetSize(), Mode: mode, Report: t.GetReport(),
		}, err
	case *layerpb.Step_Mask:
		k := s.Mask
		return fragment.Mask{
			For: rule, Path: string(k.GetPath()), Directory: k.GetDirectory(), Readable: k.GetReadable(),
		}, nil
	case *layerpb.Step_File:
		mode, err := decodeMode(s.File.GetMode())
		return fragment.File{
			For: rule, Path: string(s.File.GetPath()), Mode: mode, Content: s.File.GetContent(),
		}, err
	case *layerpb.Step_Landlock:
		return decodeLandlock(s.Landlock, rule)
	case *layerpb.Step_Seccomp:
		return decodeSeccomp(s.Seccomp, rule)
	case *layerpb.Step_Listener:
		return decodeListener(s.Listener, rule)
	case *layerpb.Step_Dialer:
		return decodeDialer(s.Dialer, rule)
	case nil:
		return nil, errors.New("it has no content")
	default:
		return nil, fmt.Errorf("the unknown kind %T", s)
	}
}

func decodeEnv(m *layerpb.Env, rule policy.RuleID) (fragment.Step, error) {
	s := fragment.Env{For: rule, Name: string(m.GetName())}
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
	var p fragment.Part
	switch m := m.GetPart().(type) {
	case *layerpb.Part_Literal:
		return fragment.Part{Literal: string(m.Literal)}, nil
	case *layerpb.Part_Host:
		p.Host = string(m.Host)
	case *layerpb.Part_Secret:
		p.Secret = m.Secret
	case *layerpb.Part_Listener:
		p.Listener = m.Listener
	case nil:
		return p, errors.New("it has no content")
	default:
		return p, fmt.Errorf("the unknown kind %T", m)
	}
	if p == (fragment.Part{}) {
		// In Go that would be an empty literal, which is not what was sent.
		return p, errors.New("it names nothing")
	}
	return p, nil
}

func decodeMode(bits uint32) (fs.FileMode, error) {
	if bits&^(sticky|0o777) != 0 {
		return 0, At(fmt.Errorf("%#o holds more than permissions", bits), "mode")
	}
	mode := fs.FileMode(bits & 0o777)
	if bits&sticky != 0 {
		mode |= fs.ModeSticky
	}
	return mode, nil
}

func decodeLandlock(m *layerpb.Landlock, rule policy.RuleID) (fragment.Step, error) {
	s := fragment.Landlock{
		For: rule, Path: string(m.GetPath()), Device: m.GetDevice(), Inode: m.GetInode(),
	}
	for _, w := range m.GetRights() {
		r, err := rights.Decode(w)
		if err != nil {
			return nil, At(err, "rights")
		}
		s.Rights = append(s.Rights, r)
	}
	return s, nil
}

func decodeSeccomp(m *layerpb.Seccomp, rule policy.RuleID) (fragment.Step, error) {
	s := fragment.Seccomp{For: rule, Syscalls: m.GetSyscalls(), Errno: m.GetErrno()}
	for i, w := range m.GetWhen() {
		var c fragment.Condition
		for _, t := range w.GetComparisons() {
			op, err := ops.Decode(t.GetOp())
			if err != nil {
				return nil, fmt.Errorf("condition %d: op: %w", i, err)
			}
			c = append(c, fragment.Comparison{
				Arg: int(t.GetArg()), Mask: t.GetMask(), Op: op, Values: t.GetValues(),
			})
		}
		s.When = append(s.When, c)
	}
	return s, nil
}

func decodeListener(m *layerpb.Listener, rule policy.RuleID) (fragment.Step, error) {
	network, networkErr := Networks.Decode(m.GetNetwork())
	port, portErr := decodePort(m.GetPort())
	return fragment.Listener{
		For: rule, Name: m.GetName(), Network: network, Address: m.GetAddress(), Port: port,
		LocalPrefix: m.GetLocalPrefix(),
	}, First(At(networkErr, "network"), At(portErr, "port"))
}

func decodeDialer(m *layerpb.Dialer, rule policy.RuleID) (fragment.Step, error) {
	s := fragment.Dialer{For: rule}
	for _, p := range m.GetPorts() {
		port, err := decodePort(p)
		if err != nil {
			return nil, At(err, "ports")
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
