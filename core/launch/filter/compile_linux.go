package filter

import (
	"math"
	"slices"

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

// The instructions of classic BPF that a filter is made of.
const (
	opLoad           = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opAnd            = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opReturn         = unix.BPF_RET | unix.BPF_K
	opJump           = unix.BPF_JMP | unix.BPF_JA
	opJumpIfEqual    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opJumpIfAtLeast  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	longestCondition = math.MaxUint8 // how far a conditional jump reaches
)

// compile writes the program. What is beyond the numbers of fixed has the answer rest.
func compile(audit uint32, fixed []uint32, looked []call, rest uint32) []unix.SockFilter {
	var p program
	// The architecture first: everything after it reads numbers, and these mean another call
	// elsewhere.
	ours := p.label()
	p.emit(opLoad, offArch)
	p.ifEqual(audit, ours)
	p.emit(opReturn, killProcess)
	p.place(ours)

	p.emit(opLoad, offNumber)
	for _, c := range looked {
		next := p.label()
		p.unlessEqual(c.number, next)
		p.judge(c.refusals)
		p.place(next)
	}
	p.search(ranges(fixed, looked, rest))
	return p.instructions()
}

// span is a range of numbers that have one answer: from its first up to that of the next.
type span struct{ first, answer uint32 }

// ranges covers all numbers there are. What was looked at never comes here, and so takes the answer
// of its neighbours.
func ranges(fixed []uint32, looked []call, rest uint32) []span {
	seen := make([]bool, len(fixed))
	for _, c := range looked {
		seen[c.number] = true
	}
	spans := []span{{0, fixed[0]}}
	extend := func(number int, answer uint32) {
		if spans[len(spans)-1].answer != answer {
			spans = append(spans, span{uint32(number), answer})
		}
	}
	for number, answer := range fixed {
		if !seen[number] {
			extend(number, answer)
		}
	}
	extend(len(fixed), rest)
	return spans
}

// program is a program being written: instructions, and the labels that their jumps go to. Every
// jump goes forward.
type program struct {
	lines  []line
	labels int
}

// label is a place in the program; zero is the next line.
type label int

// line is an instruction with where it goes on, or, without one, the place of a label.
type line struct {
	op      uint16
	operand uint32
	yes, no label
}

func (p *program) label() label {
	p.labels++
	return label(p.labels)
}

func (p *program) emit(op uint16, operand uint32) {
	p.lines = append(p.lines, line{op: op, operand: operand})
}

func (p *program) place(l label) { p.lines = append(p.lines, line{yes: l}) }
func (p *program) goTo(l label)  { p.lines = append(p.lines, line{op: opJump, yes: l}) }

func (p *program) ifEqual(value uint32, to label) {
	p.lines = append(p.lines, line{op: opJumpIfEqual, operand: value, yes: to})
}

func (p *program) unlessEqual(value uint32, to label) {
	p.lines = append(p.lines, line{op: opJumpIfEqual, operand: value, no: to})
}

func (p *program) ifAtLeast(value uint32, to label) {
	p.lines = append(p.lines, line{op: opJumpIfAtLeast, operand: value, yes: to})
}

// instructions puts distances for the labels. It goes through the program from its end, so that all
// that lies between a jump and its target has its final length already: a conditional jump is one
// instruction if its target is near enough, and two beyond.
func (p *program) instructions() []unix.SockFilter {
	reversed := make([]unix.SockFilter, 0, len(p.lines))
	fromEnd := make([]int, p.labels+1)
	for _, l := range slices.Backward(p.lines) {
		distance := func(to label) uint32 {
			if to == 0 {
				return 0
			}
			return uint32(len(reversed) - fromEnd[to])
		}
		yes, no := distance(l.yes), distance(l.no)
		switch {
		case l.op == 0:
			fromEnd[l.yes] = len(reversed)
		case l.op == opJump:
			if yes > 0 { // or else the next instruction comes anyway
				reversed = append(reversed, unix.SockFilter{Code: opJump, K: yes})
			}
		case yes > longestCondition:
			reversed = append(reversed, unix.SockFilter{Code: opJump, K: yes},
				unix.SockFilter{Code: l.op, K: l.operand, Jf: 1})
		case no > longestCondition:
			reversed = append(reversed, unix.SockFilter{Code: opJump, K: no},
				unix.SockFilter{Code: l.op, K: l.operand, Jt: 1})
		default:
			reversed = append(reversed, unix.SockFilter{
				Code: l.op, K: l.operand, Jt: uint8(yes), Jf: uint8(no),
			})
		}
	}
	slices.Reverse(reversed)
	return reversed
}

// search finds the range in which the number that is loaded lies, by halves, and gives its answer.
func (p *program) search(spans []span) {
	if len(spans) == 1 {
		p.emit(opReturn, spans[0].answer)
		return
	}
	middle := len(spans) / 2
	upper := p.label()
	p.ifAtLeast(spans[middle].first, upper)
	p.search(spans[:middle])
	p.place(upper)
	p.search(spans[middle:])
}

// judge asks each rule about one call.
func (p *program) judge(refusals []refusal) {
	for _, r := range refusals {
		if len(r.when) == 0 {
			p.emit(opReturn, r.answer)
			return // nothing gets past it
		}
		for _, c := range r.when {
			fails := p.label()
			for _, t := range c {
				p.test(t, fails)
			}
			p.emit(opReturn, r.answer)
			p.place(fails)
		}
	}
	p.emit(opReturn, allow)
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
	p.emit(opLoad, off)
	if mask != ^uint32(0) {
		p.emit(opAnd, mask)
	}
	p.unlessEqual(value, unless)
}
