package filter

import (
	"math"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/fragment"
)

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
func compile(audit uint32, fixed []uint32, looked []call) []bpf.Instruction {
	var p program
	// The architecture first: everything after it reads numbers, and these mean another call
	// elsewhere.
	ours := p.label()
	p.load(offArch)
	p.gotoIf(bpf.JumpEqual, audit, ours)
	p.ret(killProcess)
	p.place(ours)

	p.load(offNumber)
	for _, c := range looked {
		next := p.label()
		p.gotoIf(bpf.JumpNotEqual, c.number, next)
		p.judge(c.refusals)
		p.place(next)
	}
	p.search(ranges(fixed, looked))
	return p.instructions()
}

// span is a range of numbers that have one answer: from its first up to that of the next.
type span struct{ first, answer uint32 }

// ranges covers all numbers there are. What was looked at never comes here, and so takes the answer
// of its neighbours.
func ranges(fixed []uint32, looked []call) []span {
	seen := map[uint32]bool{}
	for _, c := range looked {
		seen[c.number] = true
	}
	spans := []span{{0, fixed[0]}}
	extend := func(number, answer uint32) {
		if spans[len(spans)-1].answer != answer {
			spans = append(spans, span{number, answer})
		}
	}
	for number, answer := range fixed {
		if !seen[uint32(number)] {
			extend(uint32(number), answer)
		}
	}
	extend(uint32(len(fixed)), refuse(unix.ENOSYS))
	return spans
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

// search finds the range in which the number that is loaded lies, by halves, and gives its answer.
func (p *program) search(spans []span) {
	if len(spans) == 1 {
		p.ret(spans[0].answer)
		return
	}
	middle := len(spans) / 2
	upper := p.label()
	p.gotoIf(bpf.JumpGreaterOrEqual, spans[middle].first, upper)
	p.search(spans[:middle])
	p.place(upper)
	p.search(spans[middle:])
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
