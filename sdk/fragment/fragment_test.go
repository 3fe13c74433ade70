package fragment_test

import (
	"encoding/json"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/fragment"
)

// every is a step of each kind with every field set.
var every = fragment.List{
	fragment.Env{
		For: "r", Name: "N",
		Value: fragment.Value{
			fragment.Literal("a"), fragment.HostVariable("B"), fragment.SecretValue("c"),
			fragment.ListenerAddress("d"),
		},
	},
	fragment.Bind{
		For: "r", Path: "/a", From: "/b", Writable: true, NoExec: true, Devices: true, Device: 1 << 63,
		Inode: 1<<64 - 1, SHA256: strings.Repeat("0a", 32),
	},
	fragment.Link{For: "r", Path: "/l", Target: "a/../b"},
	fragment.Tmpfs{For: "r", Path: "/t", Size: 1 << 40, Mode: 0o777 | fs.ModeSticky, Report: true},
	fragment.Mask{For: "r", Path: "/m", Directory: true, Readable: true},
	fragment.File{For: "r", Path: "/f", Mode: 0o444, Content: []byte{0, 0xff, '\n'}},
	fragment.Landlock{For: "r", Path: "/", Device: 1, Inode: 2, Rights: []fragment.Right{
		fragment.RightList, fragment.RightRead, fragment.RightExecute, fragment.RightWrite,
		fragment.RightDevice,
	}},
	fragment.Seccomp{
		For: "r", Syscalls: []string{"socket"}, Errno: "EPERM",
		When: []fragment.Condition{{
			{Arg: 1, Mask: 0xf, Op: fragment.OpIn, Values: []uint64{1}},
			{Arg: 5, Op: fragment.OpNotIn, Values: []uint64{1<<64 - 1}},
		}},
	},
	fragment.Listener{
		For: "r", Name: "n", Network: fragment.UDP, Address: "::1", Port: 53,
		LocalPrefix: "198.18.0.0/15",
	},
	fragment.Dialer{For: "r", Ports: []uint16{1, 65535}},
	fragment.Pseudo{For: "r", Path: "/dev/pts", Type: fragment.Devpts},
}

// TestEvery holds the list above to its word, and the checks to all kinds.
func TestEvery(t *testing.T) {
	for _, s := range every {
		if err := fragment.Check(s); err != nil {
			t.Errorf("%s: %v", fragment.Kind(s), err)
		}
		for field, value := range reflect.ValueOf(s).Fields() {
			if value.IsZero() {
				t.Errorf("%s: %s is not set", fragment.Kind(s), field.Name)
			}
		}
	}
}

// TestNothingElseIsAStep: what only looks like a step is refused everywhere, and never dropped.
func TestNothingElseIsAStep(t *testing.T) {
	for _, s := range []fragment.Step{nil, &fragment.Mask{Path: "/a"}} {
		if err := fragment.Check(s); err == nil {
			t.Errorf("%T was taken for a step", s)
		}
		if _, err := json.Marshal(fragment.List{s}); err == nil {
			t.Errorf("%T was written", s)
		}
	}
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(every)
	if err != nil {
		t.Fatal(err)
	}
	var got fragment.List
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, every) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, every)
	}
	for text, want := range map[string]string{
		`{}`:                             "cannot unmarshal",
		`[{}]`:                           "step 0 has 0 kinds",
		`[null]`:                         "step 0 has 0 kinds",
		`[{"mask":{},"link":{}}]`:        "step 0 has 2 kinds",
		`[{"mask":{}},{"magic":{}}]`:     `unknown field "magic"`,
		`[{"mask":{"path":"/","to":1}}]`: `unknown field "to"`,
		`[{"mask":{"path":1}}]`:          "cannot unmarshal",
	} {
		if err := json.Unmarshal([]byte(text), &got); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// FuzzJSON: whatever is read is written the same, and nothing makes the reader fall over.
func FuzzJSON(f *testing.F) {
	text, err := json.Marshal(every)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`[{}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second fragment.List
		if json.Unmarshal(data, &first) != nil {
			return
		}
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &second); err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%v\nread    %#v\nwritten %s\nread    %#v", err, first, text, second)
		}
		for _, s := range first {
			_ = fragment.Check(s)
		}
	})
}
