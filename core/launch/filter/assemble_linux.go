package filter

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/fragment"
)

// What a filter answers.
const (
	allow       = unix.SECCOMP_RET_ALLOW
	killProcess = unix.SECCOMP_RET_KILL_PROCESS
)

func refuse(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

// Assemble makes the program for the machine it runs on: classic BPF instructions, 8 bytes each, in
// its byte order.
func Assemble(steps []fragment.Seccomp) ([]byte, error) {
	native, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("assembling the system-call filter: %w", err)
	}
	instructions, err := compile(native, steps)
	if err != nil {
		return nil, fmt.Errorf("assembling the system-call filter: %w", err)
	}
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return nil, fmt.Errorf("assembling the system-call filter: %w", err)
	}
	if len(raw) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("the system-call filter has %d instructions, "+
			"and the kernel takes %d: use fewer seccomp steps", len(raw), unix.BPF_MAXINSNS)
	}
	program := make([]byte, 0, 8*len(raw))
	for _, r := range raw {
		program = binary.NativeEndian.AppendUint16(program, r.Op)
		program = append(program, r.Jt, r.Jf)
		program = binary.NativeEndian.AppendUint32(program, r.K)
	}
	return program, nil
}

// call is one system call and what may be refused about it.
type call struct {
	number  uint32
	refusal []refusal
}

// refusal answers with an error when one of its conditions holds, or always if it has none.
type refusal struct {
	when   []fragment.Condition
	answer uint32
}

// group sorts the steps by system call.
func group(native *arch.Info, steps []fragment.Seccomp) ([]call, error) {
	calls := map[uint32][]refusal{}
	for _, s := range steps {
		errno, ok := errnos()[s.Errno]
		if !ok {
			return nil, fmt.Errorf("rule %s: there is no error called %q", s.For, s.Errno)
		}
		if len(s.Syscalls) == 0 {
			return nil, fmt.Errorf("rule %s names no system call", s.For)
		}
		if err := check(s.When); err != nil {
			return nil, fmt.Errorf("rule %s: %w", s.For, err)
		}
		for _, name := range s.Syscalls {
			number, ok := native.SyscallNames[name]
			if !ok {
				if known(name) {
					continue
				}
				return nil, fmt.Errorf("rule %s: there is no system call named %q", s.For, name)
			}
			n := uint32(number)
			calls[n] = append(calls[n], refusal{when: s.When, answer: refuse(errno)})
		}
	}
	sorted := make([]call, 0, len(calls))
	for n, r := range calls {
		sorted = append(sorted, call{n, r})
	}
	slices.SortFunc(sorted, func(a, b call) int { return int(a.number) - int(b.number) })
	return sorted, nil
}

// check refuses a test that could never say anything, which is always a mistake of its author's.
func check(when []fragment.Condition) error {
	for _, c := range when {
		if len(c) == 0 {
			return fmt.Errorf("a condition without tests")
		}
		for _, t := range c {
			if t.Arg < 0 || t.Arg > 5 {
				return fmt.Errorf("a system call has no argument %d", t.Arg)
			}
			if t.Op != fragment.OpIn && t.Op != fragment.OpNotIn {
				return fmt.Errorf("there is no comparison called %q", t.Op)
			}
			if len(t.Values) == 0 {
				return fmt.Errorf("a test of argument %d against no value", t.Arg)
			}
			for _, v := range t.Values {
				if v&^mask(t) != 0 {
					return fmt.Errorf("argument %d is compared with %#x, "+
						"which has bits outside the mask %#x", t.Arg, v, mask(t))
				}
			}
		}
	}
	return nil
}

func mask(t fragment.Comparison) uint64 {
	if t.Mask == 0 {
		return ^uint64(0)
	}
	return t.Mask
}

// known reports whether any architecture has a system call of this name.
func known(name string) bool {
	for _, a := range []*arch.Info{arch.X86_64, arch.AARCH64, arch.I386, arch.ARM} {
		if _, ok := a.SyscallNames[name]; ok {
			return true
		}
	}
	return false
}

// errnos maps the names of errors to their numbers.
var errnos = sync.OnceValue(func() map[string]unix.Errno {
	// Second names, of numbers for which ErrnoName tells the first.
	names := map[string]unix.Errno{"EOPNOTSUPP": unix.EOPNOTSUPP, "EWOULDBLOCK": unix.EWOULDBLOCK}
	for e := unix.Errno(1); e <= 133; e++ {
		if name := unix.ErrnoName(e); name != "" {
			names[name] = e
		}
	}
	return names
})

// Offsets in struct seccomp_data.
const (
	offNumber = 0
	offArch   = 4
)

// offLow and offHigh are the halves of an argument, on the little-endian machines that the tables
// cover.
func offLow(arg int) uint32  { return uint32(16 + 8*arg) }
func offHigh(arg int) uint32 { return uint32(16 + 8*arg + 4) }

// compile writes the program.
func compile(native *arch.Info, steps []fragment.Seccomp) ([]bpf.Instruction, error) {
	if len(native.SyscallNumbers) == 0 {
		return nil, fmt.Errorf("no table of system calls for %s", native.Name)
	}
	calls, err := group(native, steps)
	if err != nil {
		return nil, err
	}
	var newest int
	for n := range native.SyscallNumbers {
		newest = max(newest, n)
	}

	var p program
	// The architecture first: everything after it reads numbers, and these mean another call
	// elsewhere.
	ours := p.label()
	p.load(offArch)
	p.gotoIf(bpf.JumpEqual, uint32(native.ID), ours)
	p.ret(killProcess)
	p.place(ours)

	judged := p.label()
	p.load(offNumber)
	p.gotoIf(bpf.JumpLessOrEqual, uint32(newest), judged)
	p.ret(refuse(unix.ENOSYS))
	p.place(judged)

	p.search(calls)
	return p.instructions(), nil
}

// program is a program being written: instructions, jumps to labels, and the labels where they
// stand. Every jump goes forward.
type program struct {
	lines  []line
	labels int
}

// line is an instruction, or a jump, or a label's place.
type line struct {
	instruction bpf.Instruction // of neither of the others
	jump        *jump
	place       *label
}

type label int

// jump goes to a label, always or if what was loaded compares with a value.
type jump struct {
	to     label
	always bool
	cond   bpf.JumpTest
	value  uint32
}

func (p *program) label() label {
	p.labels++
	return label(p.labels - 1)
}

func (p *program) emit(i bpf.Instruction) { p.lines = append(p.lines, line{instruction: i}) }
func (p *program) load(off uint32)        { p.emit(bpf.LoadAbsolute{Off: off, Size: 4}) }
func (p *program) ret(answer uint32)      { p.emit(bpf.RetConstant{Val: answer}) }
func (p *program) place(l label)          { p.lines = append(p.lines, line{place: &l}) }

func (p *program) goTo(l label) {
	p.lines = append(p.lines, line{jump: &jump{to: l, always: true}})
}

func (p *program) gotoIf(cond bpf.JumpTest, value uint32, to label) {
	p.lines = append(p.lines, line{jump: &jump{to: to, cond: cond, value: value}})
}

// instructions puts distances for the labels. It goes through the program from its end, so that all
// that lies between a jump and its target has its final length already: a conditional jump is one
// instruction if its target is at most 255 away, and two beyond.
func (p *program) instructions() []bpf.Instruction {
	var reversed []bpf.Instruction
	fromEnd := make([]int, p.labels)
	for _, l := range slices.Backward(p.lines) {
		switch {
		case l.place != nil:
			fromEnd[*l.place] = len(reversed)
		case l.jump == nil:
			reversed = append(reversed, l.instruction)
		default:
			skip := len(reversed) - fromEnd[l.jump.to]
			switch {
			case l.jump.always && skip == 0: // the next instruction comes anyway
			case l.jump.always:
				reversed = append(reversed, bpf.Jump{Skip: uint32(skip)})
			case skip <= math.MaxUint8:
				reversed = append(reversed, bpf.JumpIf{
					Cond: l.jump.cond, Val: l.jump.value, SkipTrue: uint8(skip),
				})
			default:
				reversed = append(reversed, bpf.Jump{Skip: uint32(skip)},
					bpf.JumpIf{Cond: l.jump.cond, Val: l.jump.value, SkipFalse: 1})
			}
		}
	}
	slices.Reverse(reversed)
	return reversed
}

// search finds the call whose number is loaded, by halves, and judges it. No call falls out at its
// end.
func (p *program) search(calls []call) {
	switch len(calls) {
	case 0:
		p.ret(allow)
	case 1:
		found := p.label()
		p.gotoIf(bpf.JumpEqual, calls[0].number, found)
		p.ret(allow)
		p.place(found)
		p.judge(calls[0].refusal)
	default:
		middle := len(calls) / 2
		upper := p.label()
		p.gotoIf(bpf.JumpGreaterOrEqual, calls[middle].number, upper)
		p.search(calls[:middle])
		p.place(upper)
		p.search(calls[middle:])
	}
}

// judge asks each rule about one call.
func (p *program) judge(refusals []refusal) {
	for _, r := range refusals {
		if len(r.when) == 0 {
			p.ret(r.answer)
			return // nothing gets past it
		}
		for _, c := range r.when {
			fails := p.label()
			for _, t := range c {
				p.test(t, fails)
			}
			p.ret(r.answer)
			p.place(fails)
		}
	}
	p.ret(allow)
}

// test falls through if the test holds, and else jumps.
func (p *program) test(t fragment.Comparison, fails label) {
	holds := p.label()
	equal, unequal := holds, fails
	if t.Op == fragment.OpNotIn {
		equal, unequal = fails, holds
	}
	for _, v := range t.Values {
		next := p.label()
		p.half(offHigh(t.Arg), uint32(mask(t)>>32), uint32(v>>32), next)
		p.half(offLow(t.Arg), uint32(mask(t)), uint32(v), next)
		p.goTo(equal)
		p.place(next)
	}
	p.goTo(unequal)
	p.place(holds)
}

// half jumps unless 32 bits of an argument, under their mask, have the value. Under an empty mask
// they always have.
func (p *program) half(off, mask, value uint32, unless label) {
	if mask == 0 {
		return
	}
	p.load(off)
	if mask != ^uint32(0) {
		p.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
	}
	p.gotoIf(bpf.JumpNotEqual, value, unless)
}
