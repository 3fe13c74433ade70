package filter_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/sdk/fragment"
)

// TestNotices: a supervisor is asked for the calls that are named, under their conditions, and for
// no others, whatever their numbers.
func TestNotices(t *testing.T) {
	noPath := []fragment.Condition{{{Arg: 1, Op: fragment.OpNotIn, Values: []uint64{0}}}}
	program, err := filter.AssembleNotices([]filter.Notice{
		{Calls: []string{"connect"}},
		{Calls: []string{"utimensat", "fchownat"}, When: noPath},
		{Calls: []string{"fchownat"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var raw []bpf.RawInstruction
	for i := 0; i < len(program); i += 8 {
		b := program[i:]
		raw = append(raw, bpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		})
	}
	instructions, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the program cannot be read back")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(number uint32, path uint64) uint32 {
		data := make([]byte, 64)
		binary.BigEndian.PutUint32(data[0:], number)
		binary.BigEndian.PutUint32(data[4:], audits[filter.Native])
		binary.BigEndian.PutUint32(data[24:], uint32(path))
		binary.BigEndian.PutUint32(data[28:], uint32(path>>32))
		answer, err := vm.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(answer)
	}
	asked := map[uint32]string{}
	for _, name := range []string{"connect", "utimensat", "fchownat"} {
		number, ok := filter.Number(filter.Native, name)
		if !ok {
			t.Fatalf("there is no %s here", name)
		}
		asked[number] = name
	}
	for number := range uint32(1000) {
		for _, path := range []uint64{0, 1, 1 << 40} {
			want := uint32(unix.SECCOMP_RET_ALLOW)
			if name, ok := asked[number]; ok && (name != "utimensat" || path != 0) {
				want = unix.SECCOMP_RET_USER_NOTIF
			}
			if got := ask(number, path); got != want {
				t.Errorf("call %d %s, path %#x: got %#x, want %#x", number, asked[number], path, got, want)
			}
		}
	}
}

func TestNoticesRefused(t *testing.T) {
	for want, notices := range map[string][]filter.Notice{
		"no call is named":              nil,
		`no system call named "conect"`: {{Calls: []string{"conect"}}},
		"a condition without tests":     {{Calls: []string{"connect"}, When: []fragment.Condition{{}}}},
	} {
		if _, err := filter.AssembleNotices(notices); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
