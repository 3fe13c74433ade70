package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Strict reports the first field, at any depth, that this version of the contract does not know. In
// what a layer returns it is an error: the layer meant something by it, and core would be acting on
// less than the layer said.
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

// EscapeText makes valid UTF-8 of all text in a message that a layer sends: of a byte that is not,
// such as one of a path in a diagnostic, becomes \xff. gRPC refuses such a message, without saying
// which field it was.
func EscapeText(m proto.Message) { escapeText(m.ProtoReflect()) }

func escapeText(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			escapeMap(f, v.Map())
		case f.IsList():
			for i := range v.List().Len() {
				if item, ok := escaped(f, v.List().Get(i)); ok {
					v.List().Set(i, item)
				}
			}
		default:
			if text, ok := escaped(f, v); ok {
				m.Set(f, text)
			}
		}
		return true
	})
}

func escapeMap(f protoreflect.FieldDescriptor, m protoreflect.Map) {
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		key, keyChanged := escaped(f.MapKey(), k.Value())
		value, valueChanged := escaped(f.MapValue(), v)
		if keyChanged || valueChanged {
			m.Clear(k)
			m.Set(key.MapKey(), value)
		}
		return true
	})
}

// escaped is a value with its text escaped, and whether that is another value. Messages are changed
// where they are.
func escaped(f protoreflect.FieldDescriptor, v protoreflect.Value) (protoreflect.Value, bool) {
	switch f.Kind() {
	case protoreflect.MessageKind:
		escapeText(v.Message())
	case protoreflect.StringKind:
		if s := v.String(); !utf8.ValidString(s) {
			return protoreflect.ValueOfString(escapeBytes(s)), true
		}
	}
	return v, false
}

func escapeBytes(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
