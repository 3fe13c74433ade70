package confine

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestFilter plays the filter: no test can call by another architecture's table.
func TestFilter(t *testing.T) {
	for machine, own := range map[string]uint32{
		"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64,
	} {
		filter := noSockets(machine)
		raw := make([]bpf.RawInstruction, len(filter))
		for i, f := range filter {
			raw[i] = bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}
		}
		program, whole := bpf.Disassemble(raw)
		if !whole {
			t.Fatalf("%s: an instruction that is none: %v", machine, program)
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name                        string
			architecture, number, first uint32
			allowed                     bool
		}{
			{"a TCP socket", own, unix.SYS_SOCKET, unix.AF_INET, true},
			{"a Unix socket", own, unix.SYS_SOCKET, unix.AF_UNIX, false},
			{"two of them", own, unix.SYS_SOCKETPAIR, unix.AF_UNIX, false},
			{"another call with that argument", own, unix.SYS_READ, unix.AF_UNIX, true},
			{"io_uring", own, unix.SYS_IO_URING_SETUP, 0, false},
			{"the foreign table", own, foreign | unix.SYS_SOCKET, unix.AF_UNIX, false},
			{"another architecture", unix.AUDIT_ARCH_I386, unix.SYS_READ, 0, false},
		} {
			call := make([]byte, 64) // the machine that plays it stores the high half first
			binary.BigEndian.PutUint32(call[atNumber:], tt.number)
			binary.BigEndian.PutUint32(call[atArchitecture:], tt.architecture)
			binary.BigEndian.PutUint32(call[atFirst:], tt.first)
			answer, err := vm.Run(call)
			if allowed := answer == unix.SECCOMP_RET_ALLOW; err != nil || allowed != tt.allowed {
				t.Errorf("%s, %s: answered with %#x, %v", machine, tt.name, answer, err)
			}
		}
	}
	if noSockets("mips") != nil {
		t.Error("a filter for a machine that nobody has tried it on")
	}
}
