package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Strict reports the first field, at any depth, that this version of the contract does not know. In what a layer returns it is an
// error: the layer meant something by it, and core would be acting on less than the layer said.
func Strict(m proto.Message) error { return strict(m.ProtoReflect(), "") }

func strict(m protoreflect.Message, at string) error {
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		number, _, _ := protowire.ConsumeTag(unknown)
		if at == "" {
			at = string(m.Descriptor().Name())
		}
		return fmt.Errorf("%s has the unknown field %d", at, number)
	}
	var found error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		found = strictField(f, v, join(at, string(f.Name())))
		return found == nil
	})
	return found
}

func strictField(f protoreflect.FieldDescriptor, v protoreflect.Value, at string) error {
	switch {
	case f.IsMap():
		// No map of the contract holds messages; strings and bytes have no fields.
		return nil
	case f.Message() == nil:
		return nil
	case f.IsList():
		for i := range v.List().Len() {
			if err := strict(v.List().Get(i).Message(), fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
		return nil
	default:
		return strict(v.Message(), at)
	}
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
