package codec_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/nono-run/nono/sdk/codec"
	"github.com/nono-run/nono/sdk/layerpb"
)

// messages are the names of all messages of the contract.
func messages() []protoreflect.FullName {
	var all []protoreflect.FullName
	of := layerpb.File_nono_layer_v1_layer_proto.Messages()
	for i := range of.Len() {
		all = append(all, of.Get(i).FullName())
	}
	return all
}

func empty(t testing.TB, name protoreflect.FullName) proto.Message {
	t.Helper()
	is, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return is.New().Interface()
}

// TestAsProtobufHasIt fills every message with random content, and has the one way read what the
// other wrote.
func TestAsProtobufHasIt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range messages() {
		for range 50 {
			m := empty(t, name)
			fill(random, m.ProtoReflect(), 0)
			for _, c := range []codec.Codec{codec.Core, codec.Layer} {
				ours, err := c.Encode(m)
				if err != nil {
					t.Fatal(name, err)
				}
				read := empty(t, name)
				if err := proto.Unmarshal(ours, read); err != nil || !proto.Equal(m, read) {
					t.Fatalf("protobuf reads %v\nwhere this was written: %v\n%v", read, m, err)
				}
				theirs, err := proto.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				read = empty(t, name)
				if err := c.Decode(theirs, read); err != nil || !proto.Equal(m, read) {
					t.Fatalf("read      %v\nwhere this was written: %v\n%v", read, m, err)
				}
			}
		}
	}
}

// fill gives random values to most fields of a message.
func fill(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if r.IntN(4) == 0 || depth > 5 {
			continue
		}
		switch {
		case f.IsMap():
			for range r.IntN(4) {
				key := protoreflect.ValueOfString(fmt.Sprint(r.IntN(9))).MapKey()
				m.Mutable(f).Map().Set(key, value(r, f.MapValue()))
			}
		case f.IsList():
			for range r.IntN(4) {
				list := m.Mutable(f).List()
				if f.Message() != nil {
					fill(r, list.AppendMutable().Message(), depth+1)
				} else {
					list.Append(value(r, f))
				}
			}
		case f.Message() != nil:
			fill(r, m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, value(r, f))
		}
	}
}

func value(r *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	n := r.Uint64() >> r.IntN(64)
	text := strings.Repeat("ä\x00b", r.IntN(70))
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n&1 == 1)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(n)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(text + "\xff"))
	default:
		panic(f.Kind())
	}
}

// TestWritesAlike: two messages that are equal are the same bytes, maps too.
func TestWritesAlike(t *testing.T) {
	m := &layerpb.PlanResponse{Secrets: map[string][]byte{}}
	for i := range 20 {
		m.Secrets[fmt.Sprint(i)] = []byte{1}
	}
	first, _ := codec.Core.Encode(m)
	for range 20 {
		if again, _ := codec.Core.Encode(m); !bytes.Equal(first, again) {
			t.Fatal("the same message is written in two ways")
		}
	}
}

// FuzzDecode: core reads what the protobuf module reads, with the same content, if that has found
// nothing unknown; and all else is an error. A layer reads all that the module does.
func FuzzDecode(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for i, name := range messages() {
		m := empty(f, name)
		fill(random, m.ProtoReflect(), 0)
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, data)
		f.Add(i, append(data, unknown...))
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		all := messages()
		name := all[max(i, 0)%len(all)]
		want := empty(t, name)
		wantErr := proto.UnmarshalOptions{RecursionLimit: 64}.Unmarshal(data, want)

		lenient := empty(t, name)
		if err := codec.Layer.Decode(data, lenient); (err == nil) != (wantErr == nil) {
			t.Fatalf("%s, leniently: %v; protobuf: %v", name, err, wantErr)
		}
		strict := empty(t, name)
		err := codec.Core.Decode(data, strict)
		switch {
		case err == nil && (wantErr != nil || !proto.Equal(strict, want)):
			t.Fatalf("%s: read      %v\nprotobuf: %v, %v", name, strict, want, wantErr)
		case err != nil && wantErr == nil && !strings.Contains(err.Error(), "unknown field"):
			t.Fatalf("%s: %v, and protobuf reads it", name, err)
		case err == nil && hasUnknown(want.ProtoReflect()):
			t.Fatalf("%s: passed over what is unknown in %v", name, want)
		}
		if wantErr == nil {
			forget(want.ProtoReflect())
			if !proto.Equal(lenient, want) {
				t.Fatalf("%s, leniently: read %v\nprotobuf: %v", name, lenient, want)
			}
		}
	})
}

// each visits a message and those in it.
func each(m protoreflect.Message, visit func(protoreflect.Message)) {
	visit(m)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() || f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				each(v.List().Get(i).Message(), visit)
			}
		default:
			each(v.Message(), visit)
		}
		return true
	})
}

func hasUnknown(m protoreflect.Message) (found bool) {
	each(m, func(m protoreflect.Message) { found = found || len(m.GetUnknown()) > 0 })
	return found
}

func forget(m protoreflect.Message) {
	each(m, func(m protoreflect.Message) { m.SetUnknown(nil) })
}

var unknown = protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1)

// TestUnknownFields: core finds one wherever it is; a layer passes over it.
func TestUnknownFields(t *testing.T) {
	spoil := func(m proto.Message) { m.ProtoReflect().SetUnknown(unknown) }
	whole := func() *layerpb.PlanResponse {
		return &layerpb.PlanResponse{
			Steps: []*layerpb.Step{{}, {Step: &layerpb.Step_Seccomp{Seccomp: &layerpb.Seccomp{
				When: []*layerpb.Condition{{Comparisons: []*layerpb.Comparison{{}}}},
			}}}},
			Secrets: map[string][]byte{"a": nil},
		}
	}
	over := func(c codec.Codec, m proto.Message) error {
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return c.Decode(data, &layerpb.PlanResponse{})
	}
	if err := over(codec.Core, whole()); err != nil {
		t.Fatal(err)
	}
	for where, at := range map[string]func(*layerpb.PlanResponse){
		"PlanResponse": func(m *layerpb.PlanResponse) { spoil(m) },
		"steps[1]":     func(m *layerpb.PlanResponse) { spoil(m.GetSteps()[1]) },
		"steps[1].seccomp": func(m *layerpb.PlanResponse) {
			spoil(m.GetSteps()[1].GetSeccomp())
		},
		"steps[1].seccomp.when[0].comparisons[0]": func(m *layerpb.PlanResponse) {
			spoil(m.GetSteps()[1].GetSeccomp().GetWhen()[0].GetComparisons()[0])
		},
	} {
		m := whole()
		at(m)
		want := where + " has the unknown field 999"
		if err := over(codec.Core, m); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := over(codec.Layer, m); err != nil {
			t.Errorf("a layer that is told more than it knows: %v", err)
		}
	}
	entry := protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), unknown)
	if err := codec.Core.Decode(entry, &layerpb.PlanResponse{}); err == nil ||
		err.Error() != "secrets has the unknown field 999" {
		t.Errorf("in an entry of a map: %v", err)
	}
}

// TestPolicyIsReadOnce: a policy that is told again is not read again, and another one is.
func TestPolicyIsReadOnce(t *testing.T) {
	rule := func(id string) *layerpb.Policy {
		return &layerpb.Policy{Ports: []*layerpb.PortRule{{Id: id, Port: 1}}}
	}
	tell := func(p *layerpb.Policy) []byte {
		data, err := codec.Core.Encode(&layerpb.Run{Policy: p})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	hear := func(data []byte) *layerpb.Policy {
		var run layerpb.Run
		if err := codec.Layer.Decode(data, &run); err != nil {
			t.Fatal(err)
		}
		return run.GetPolicy()
	}
	one, other := rule("one"), rule("other")
	if !bytes.Equal(tell(one), tell(one)) || bytes.Equal(tell(one), tell(other)) {
		t.Error("what is written is not what was given")
	}
	first, again := hear(tell(one)), hear(tell(one))
	if first != again {
		t.Error("it is read twice")
	}
	if got := hear(tell(other)); !proto.Equal(got, other) {
		t.Errorf("another one is read as %v", got)
	}
	if got := hear(nil); got != nil {
		t.Errorf("none is read as %v", got)
	}
	hear(tell(one))
	both := hear(append(tell(one), tell(other)...))
	if len(both.GetPorts()) != 2 {
		t.Errorf("two that belong together are read as %v", both)
	}
	if got := hear(tell(one)); !proto.Equal(got, one) {
		t.Errorf("after that the one is read as %v", got)
	}
}

// TestText: it is UTF-8, and a layer's is made so.
func TestText(t *testing.T) {
	m := &layerpb.PlanResponse{
		Diagnostics: []*layerpb.Diagnostic{{Summary: "a\xffb\ufffdc"}},
		Secrets:     map[string][]byte{"k\xfe": []byte("\xff")},
	}
	if _, err := codec.Core.Encode(m); err == nil {
		t.Error("core sends text that is not UTF-8")
	}
	data, err := codec.Layer.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	var got layerpb.PlanResponse
	if err := codec.Core.Decode(data, &got); err != nil {
		t.Fatal(err)
	}
	want := &layerpb.PlanResponse{
		Diagnostics: []*layerpb.Diagnostic{{Summary: `a\xffb` + "\ufffdc"}},
		Secrets:     map[string][]byte{`k\xfe`: []byte("\xff")},
	}
	if !proto.Equal(&got, want) {
		t.Errorf("got  %v\nwant %v", &got, want)
	}
	wrong := []byte("\x12\x05\x1a\x03a\xffb") // coverage[0].by, as another program may write it
	for _, c := range []codec.Codec{codec.Core, codec.Layer} {
		err := c.Decode(wrong, &layerpb.PlanResponse{})
		if err == nil || err.Error() != "coverage[0]: field 3 is not UTF-8" {
			t.Errorf("%v", err)
		}
	}
}

// TestDepth: no message makes the reader fall as deep as it likes.
func TestDepth(t *testing.T) {
	data := []byte{}
	for range 1 << 16 {
		data = protowire.AppendBytes(protowire.AppendTag(nil, 8, protowire.BytesType), data)
		if len(data) > 1<<14 {
			break
		}
	}
	for _, c := range []codec.Codec{codec.Core, codec.Layer} {
		if err := c.Decode(data, &layerpb.Setting{}); err == nil ||
			!strings.HasSuffix(err.Error(), "is nested too deeply") {
			t.Errorf("%.200v", err)
		}
	}
}

// TestForeign: messages of others go over the same connection, as the protobuf module writes them.
func TestForeign(t *testing.T) {
	m := wrapperspb.String("a")
	if _, err := codec.Core.Encode(m); err == nil {
		t.Error("it is taken for one of the contract")
	}
	if err := codec.Core.Decode(nil, m); err == nil {
		t.Error("it is taken for one of the contract")
	}
	data, err := codec.Layer.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var got wrapperspb.StringValue
	if err := codec.Layer.Unmarshal(data, &got); err != nil || got.GetValue() != "a" {
		t.Errorf("%v, %v", &got, err)
	}
}
