package wire

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Revision is the version of the contract within its major one, which is the proto package. It
// rises with each change of what may be said.
const Revision = 1

// Features are all that this version knows of what a layer may return: each field of each message,
// and each value of each enum. Core tells a layer its own, so that the layer need not find out what
// core would refuse.
//
//	"Bind.no_exec", "Right.RIGHT_READ"
//
// They are generated: to list them from the messages' descriptions, a process would have to make
// all of these. The list is everybody's, and not to be changed.
func Features() []string { return features }

func fieldFeature(f protoreflect.FieldDescriptor) string {
	return string(f.ContainingMessage().Name()) + "." + string(f.Name())
}

func valueFeature(v protoreflect.EnumValueDescriptor) string {
	return string(v.Parent().Name()) + "." + string(v.Name())
}

// dispensable are fields without which core does the same, with less comfort for the user. They are
// left out for a core that does not know them; for any other, core would act on less than was said.
var dispensable = map[string]bool{
	"DescribeResponse.subcommands": true,
	"Coverage.by":                  true,
	"Diagnostic.detail":            true,
	"Setting.help":                 true,
}

// Fit makes a message one that core understands, which knows these features: it leaves out what
// core can do without, and reports the first thing that core cannot.
func Fit(m proto.Message, known func(feature string) bool) error {
	return fit(m.ProtoReflect(), known)
}

func fit(m protoreflect.Message, known func(string) bool) error {
	var found error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		feature := fieldFeature(f)
		switch {
		case known(feature):
			found = fitField(f, v, known)
		case dispensable[feature]:
			m.Clear(f)
		default:
			found = fmt.Errorf("it needs a nono that knows %s", feature)
		}
		return found == nil
	})
	return found
}

func fitField(f protoreflect.FieldDescriptor, v protoreflect.Value, known func(string) bool) error {
	each := func(v protoreflect.Value) error {
		switch {
		case f.Message() != nil:
			return fit(v.Message(), known)
		case f.Enum() != nil:
			value := f.Enum().Values().ByNumber(v.Enum())
			if value != nil && !known(valueFeature(value)) {
				return fmt.Errorf("it needs a nono that knows %s", valueFeature(value))
			}
		}
		return nil
	}
	switch {
	case f.IsMap(): // none holds messages or enums
		return nil
	case f.IsList():
		for i := range v.List().Len() {
			if err := each(v.List().Get(i)); err != nil {
				return err
			}
		}
		return nil
	default:
		return each(v)
	}
}
