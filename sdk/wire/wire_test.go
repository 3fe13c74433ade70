package wire_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk/codec"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// TestStepsSurvive takes random steps over the wire and back.
func TestStepsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := steps().Draw(t, "steps")
		encoded, err := wire.EncodeSteps(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := wire.DecodeSteps(over(t, &layerpb.PlanResponse{Steps: encoded}).GetSteps())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, out, emptyIsNil...); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestEveryStepOfALayerIsGenerated keeps TestStepsSurvive honest: a step added to the contract must
// be added to the generator.
func TestEveryStepOfALayerIsGenerated(t *testing.T) {
	missing := map[string]bool{}
	fields := (&layerpb.Step{}).ProtoReflect().Descriptor().Oneofs().ByName("step").Fields()
	for i := range fields.Len() {
		missing[string(fields.Get(i).Name())] = true
	}
	for seed := range 200 {
		for _, s := range steps().Example(seed) {
			delete(missing, fragment.Kind(s))
		}
	}
	if len(missing) > 0 {
		t.Errorf("no generator makes %v", missing)
	}
}

func TestPoliciesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := policies().Draw(t, "policy")
		encoded, err := wire.EncodePolicy(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := wire.DecodePolicy(over(t, encoded))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Fatal(diff)
		}
	})
}

// over takes a message over the wire.
func over[M proto.Message](t *rapid.T, m M) M {
	raw, err := codec.Core.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	out := m.ProtoReflect().New().Interface()
	if err := codec.Core.Decode(raw, out); err != nil {
		t.Fatal(err)
	}
	return out.(M)
}

// Empty and nil slices are one on the wire.
var emptyIsNil = []cmp.Option{
	cmp.Transformer(
		"value", func(v fragment.Value) []fragment.Part { return append([]fragment.Part{}, v...) },
	),
	cmp.Transformer("when", func(s fragment.Seccomp) any {
		return []any{s.For, s.Syscalls, append([]fragment.Condition{}, s.When...), s.Errno}
	}),
}

// TestEnumsAreWhole: each value of the wire has one of Go's, but for its zero.
func TestEnumsAreWhole(t *testing.T) {
	for name, of := range map[string]func(int32) error{
		"Kind":    func(n int32) error { _, err := wire.Kinds.Decode(layerpb.Kind(n)); return err },
		"Network": func(n int32) error { _, err := wire.Networks.Decode(layerpb.Network(n)); return err },
		"Right": func(n int32) error {
			return decode(&layerpb.Step{Step: &layerpb.Step_Landlock{Landlock: &layerpb.Landlock{
				Path: []byte("/a"), Rights: []layerpb.Right{layerpb.Right(n)},
			}}})
		},
		"Op": func(n int32) error {
			return decode(&layerpb.Step{Step: &layerpb.Step_Seccomp{Seccomp: &layerpb.Seccomp{
				Syscalls: []string{"bpf"}, Errno: "EPERM",
				When: []*layerpb.Condition{{Comparisons: []*layerpb.Comparison{{
					Op: layerpb.Op(n), Values: []uint64{1},
				}}}},
			}}})
		},
		"Origin":    func(n int32) error { return rule(layerpb.Origin(n), 1, 1) },
		"Access":    func(n int32) error { return rule(1, layerpb.Access(n), 1) },
		"FileType":  func(n int32) error { return rule(1, 1, layerpb.FileType(n)) },
		"EnvAction": envRule,
		"HostAction": func(n int32) error {
			_, err := wire.DecodePolicy(&layerpb.Policy{Hosts: []*layerpb.HostRule{{
				Source: &layerpb.Source{Origin: 1}, Action: layerpb.HostAction(n),
			}}})
			return err
		},
		"PortAction": func(n int32) error {
			_, err := wire.DecodePolicy(&layerpb.Policy{Ports: []*layerpb.PortRule{{
				Source: &layerpb.Source{Origin: 1}, Action: layerpb.PortAction(n), Port: 1,
			}}})
			return err
		},
		"Shows": func(n int32) error {
			_, err := wire.DecodePlaces(&layerpb.Places{Places: []*layerpb.Place{{
				Shows: layerpb.Shows(n), Type: 1,
			}}})
			return err
		},
		"Standing": func(n int32) error {
			_, err := wire.DecodePlaces(&layerpb.Places{Rules: []*layerpb.PlaceRule{{
				Is: layerpb.Standing(n),
			}}})
			return err
		},
	} {
		values := layerpb.File_nono_layer_v1_layer_proto.Enums().ByName(protoreflect.Name(name)).Values()
		for i := range values.Len() {
			n := int32(values.Get(i).Number())
			if err := of(n); (err == nil) != (n != 0) {
				t.Errorf("%s: %v", values.Get(i).Name(), err)
			}
		}
		// A user reads this of a layer that misbehaves: the field's name says what it is, and no Go type.
		if err := of(int32(values.Len())); err == nil || strings.Contains(err.Error(), "layerpb") {
			t.Errorf("%s, of a value that it does not know: %v", name, err)
		}
	}
}

func decode(s *layerpb.Step) error {
	_, err := wire.DecodeSteps([]*layerpb.Step{s})
	return err
}

func rule(o layerpb.Origin, a layerpb.Access, f layerpb.FileType) error {
	_, err := wire.DecodePolicy(&layerpb.Policy{Filesystem: []*layerpb.PathRule{{
		Source: &layerpb.Source{Origin: o}, Access: a, Type: f,
	}}})
	return err
}

func envRule(n int32) error {
	_, err := wire.DecodePolicy(&layerpb.Policy{Environment: []*layerpb.EnvRule{{
		Source: &layerpb.Source{Origin: 1}, Action: layerpb.EnvAction(n),
		From: &layerpb.KeySource{Type: 1},
	}}})
	return err
}

// TestRefused lists what a layer may not send. Each is a good step with one thing wrong.
func TestRefused(t *testing.T) {
	bind := func(change func(*fragment.Bind)) fragment.Step {
		b := fragment.Bind{Path: "/a", Device: 1, Inode: 2}
		change(&b)
		return b
	}
	seccomp := func(change func(*fragment.Seccomp)) fragment.Step {
		s := fragment.Seccomp{
			Syscalls: []string{"bpf"}, Errno: "EPERM",
			When: []fragment.Condition{{{Op: fragment.OpIn, Values: []uint64{1}}}},
		}
		change(&s)
		return s
	}
	for _, c := range []struct {
		step fragment.Step
		want string
	}{
		{bind(func(*fragment.Bind) {}), ""},
		{seccomp(func(*fragment.Seccomp) {}), ""},
		{
			bind(func(b *fragment.Bind) { b.Path = "a" }),
			"step 0 (bind): path: \"a\" is not absolute and clean",
		},
		{bind(func(b *fragment.Bind) { b.Path = "/a/../b" }), "not absolute and clean"},
		{bind(func(b *fragment.Bind) { b.Path = "/a/" }), "not absolute and clean"},
		{bind(func(b *fragment.Bind) { b.Path = "" }), "it is empty"},
		{bind(func(b *fragment.Bind) { b.Path = "/a\x00b" }), "NUL"},
		{bind(func(b *fragment.Bind) { b.Path = "/" + strings.Repeat("a", 4096) }), "at most 4095"},
		{bind(func(b *fragment.Bind) { b.From = "b" }), "from: \"b\" is not absolute"},
		{bind(func(b *fragment.Bind) { b.Inode = 0 }), "did not look"},
		{bind(func(b *fragment.Bind) { b.Device = 0 }), "did not look"},
		{bind(func(b *fragment.Bind) { b.For = "a\nb" }), "rule:"},
		{fragment.Link{Path: "/a"}, "target:"},
		{fragment.Tmpfs{Path: "/a", Mode: 0o755}, "size: no limit"},
		{fragment.File{Path: "/a", Content: make([]byte, 64<<10)}, ""},
		{fragment.File{Path: "/a", Content: make([]byte, 64<<10+1)}, "content: 65537 bytes"},
		{fragment.File{Path: "/a", Mode: fs.ModeSticky | 0o644}, "mode:"},
		{fragment.Landlock{Path: "/a"}, "rights: there are none"},
		{
			fragment.Landlock{Path: "/a", Rights: []fragment.Right{fragment.RightRead, fragment.RightRead}},
			"twice",
		},
		{seccomp(func(s *fragment.Seccomp) { s.Syscalls = nil }), "syscalls: there are none"},
		{seccomp(func(s *fragment.Seccomp) { s.Syscalls = []string{"bpf "} }), "is not a name"},
		{seccomp(func(s *fragment.Seccomp) { s.Errno = "13" }), "errno:"},
		{
			seccomp(func(s *fragment.Seccomp) { s.When = []fragment.Condition{{}} }),
			"condition 0: it has no comparison",
		},
		{
			seccomp(func(s *fragment.Seccomp) { s.When[0][0].Arg = 6 }),
			"arg: a system call has the arguments 0 to 5, not 6",
		},
		{seccomp(func(s *fragment.Seccomp) { s.When[0][0].Values = nil }), "values: there are none"},
		{fragment.Listener{Name: "a", Network: fragment.TCP}, ""},
		{fragment.Listener{Network: fragment.TCP}, "name: it is empty"},
		{fragment.Listener{Name: "a\nb", Network: fragment.TCP}, "name:"},
		{fragment.Listener{Name: "a", Network: fragment.TCP, Address: "localhost"}, "address:"},
		{fragment.Listener{Name: "a", Network: fragment.TCP, LocalPrefix: "10.0.0.0"}, "local_prefix:"},
		{fragment.Dialer{}, "ports: there are none"},
		{fragment.Dialer{Ports: []uint16{0}}, "0 is not a port"},
		{fragment.Env{Name: "A=B"}, "holds a ="},
		{fragment.Env{Name: "A\xff\n"}, ""},
		{fragment.Env{}, "name: it is empty"},
		{fragment.Env{Name: "A\x00"}, "name:"},
		{fragment.Env{Name: "A", Value: fragment.Text("a\x00b")}, "NUL"},
		{fragment.Env{Name: "A", Value: fragment.Text("many\nlines")}, ""},
	} {
		encoded, err := wire.EncodeSteps([]fragment.Step{c.step})
		if err != nil {
			t.Errorf("%+v: %v", c.step, err)
			continue
		}
		_, err = wire.DecodeSteps(encoded)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.step, err, c.want)
		}
	}
}

func TestTooManySteps(t *testing.T) {
	for n, ok := range map[int]bool{wire.MaxSteps: true, wire.MaxSteps + 1: false} {
		list := make([]fragment.Step, n)
		for i := range list {
			list[i] = fragment.Mask{Path: fmt.Sprintf("/%d", i)}
		}
		encoded, err := wire.EncodeSteps(list)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.DecodeSteps(encoded); (err == nil) != ok {
			t.Errorf("%d steps: %v", n, err)
		}
	}
}

// TestNotEncoded: what an author gets wrong in Go is an error at the layer's end already.
func TestNotEncoded(t *testing.T) {
	for _, s := range []fragment.Step{
		nil,
		&fragment.Mask{Path: "/a"},
		fragment.Landlock{Path: "/a", Rights: []fragment.Right{"all"}},
		fragment.Listener{Name: "a"},
		fragment.Seccomp{When: []fragment.Condition{{{Arg: -1, Op: fragment.OpIn}}}},
		fragment.Pseudo{Path: "/proc", Type: fragment.Procfs},
	} {
		if _, err := wire.EncodeSteps([]fragment.Step{s}); err == nil {
			t.Errorf("%#v was encoded", s)
		}
	}
	if _, err := wire.EncodePolicy(policy.Policy{Filesystem: []policy.PathRule{{}}}); err == nil {
		t.Error("a rule that says nothing was encoded")
	}
}

func TestLayerName(t *testing.T) {
	for name, ok := range map[string]bool{
		"landlock": true, "acme/egress": true, "a-1/b-2": true,
		"": false, "/": false, "a/": false, "/a": false, "a/b/c": false, "..": false, "a/..": false,
		"A": false, "a b": false, "-a": false, "a\x00": false,
	} {
		if err := wire.LayerName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
