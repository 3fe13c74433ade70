package bytejson

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Former is a value that is written as another one. For encoding/json it has a MarshalJSON that
// writes the same.
type Former interface {
	// JSONForm is what is written in the value's place.
	JSONForm() (any, error)
}

// Marshal is [json.Marshal] that keeps all bytes of strings, keys of maps included.
//
// It is a writer of its own. What a process says is written once, and what encoding/json gets ready
// for each type before it writes the first value of it takes several times as long as the writing.
func Marshal(v any) ([]byte, error) {
	return appendValue(make([]byte, 0, 512), reflect.ValueOf(v))
}

// MarshalIndent is [json.MarshalIndent], likewise.
func MarshalIndent(v any, prefix, indent string) ([]byte, error) {
	text, err := Marshal(v)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Indent(&b, text, prefix, indent)
	return b.Bytes(), err
}

// shape is what there is to know of a type before a value of it is written.
type shape struct {
	// way is how the value is written, if a method of its type says so.
	way way
	// fields are those of a struct.
	fields []field
	err    error
}

// way is by which method a value is written.
type way int

const (
	byKind        way = iota // none: its kind says how
	byForm                   // Former
	byJSON                   // json.Marshaler
	byText                   // encoding.TextMarshaler
	byJSONOfPlace            // json.Marshaler of the pointer to it
	byTextOfPlace            // encoding.TextMarshaler of the pointer to it
)

// field is a field of a struct, or of one that is embedded in it.
type field struct {
	index []int
	// key is the name as it is written, with the colon.
	key   string
	name  string
	empty bool // it is left out where it is empty
	zero  bool // it is left out where it is zero
}

var (
	former        = reflect.TypeFor[Former]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// shapes are the shapes of the types that were seen, by type.
var shapes sync.Map

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{way: wayOf(t)}
	if s.way != byForm && s.way != byJSON && s.way != byText && t.Kind() == reflect.Struct {
		s.fields, s.err = fieldsOf(t)
	}
	shapes.Store(t, s)
	return s
}

func wayOf(t reflect.Type) way {
	place := t.Name() != "" && t.Kind() != reflect.Interface
	switch {
	case t.Implements(former):
		return byForm
	case t.Implements(jsonMarshaler):
		return byJSON
	case place && reflect.PointerTo(t).Implements(jsonMarshaler):
		return byJSONOfPlace
	case t.Implements(textMarshaler):
		return byText
	case place && reflect.PointerTo(t).Implements(textMarshaler):
		return byTextOfPlace
	}
	return byKind
}

// fieldsOf are the fields of a struct in their order, those of an embedded one in its place. Of
// several of one name the outermost is written.
func fieldsOf(t reflect.Type) ([]field, error) {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		embedded := f.Anonymous && name == "" && inner.Kind() == reflect.Struct
		if tag == "-" || !f.IsExported() && !embedded {
			continue
		}
		if embedded {
			all, err := fieldsOf(inner)
			if err != nil {
				return nil, err
			}
			for _, of := range all {
				of.index = append([]int{i}, of.index...)
				fields = append(fields, of)
			}
			continue
		}
		if name == "" {
			name = f.Name
		}
		one := field{index: []int{i}, name: name, key: string(appendString(nil, name)) + ":"}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				one.empty = true
			case "omitzero":
				one.zero = true
			case "":
			default:
				return nil, fmt.Errorf("writing a %s: %s has the option %q", t, f.Name, option)
			}
		}
		fields = append(fields, one)
	}
	return outermost(t, fields)
}

// outermost is the fields without those that another one of the same name stands before.
func outermost(t reflect.Type, fields []field) ([]field, error) {
	depths := make(map[string]int, len(fields))
	for _, f := range fields {
		depth, found := depths[f.name]
		if found && depth == len(f.index) {
			return nil, fmt.Errorf("writing a %s: it has two fields %s", t, f.name)
		}
		if !found || len(f.index) < depth {
			depths[f.name] = len(f.index)
		}
	}
	return slices.DeleteFunc(fields, func(f field) bool {
		return depths[f.name] < len(f.index)
	}), nil
}

func appendValue(to []byte, v reflect.Value) ([]byte, error) {
	if !v.IsValid() || isNil(v) {
		return append(to, "null"...), nil
	}
	if v.Kind() == reflect.Interface {
		return appendValue(to, v.Elem())
	}
	var s *shape // what has neither a name nor fields has no methods of its own
	if t := v.Type(); t.PkgPath() != "" || t.Kind() == reflect.Pointer || t.Kind() == reflect.Struct {
		s = shapeOf(t)
		switch s.way {
		case byForm:
			form, err := v.Interface().(Former).JSONForm()
			if err != nil {
				return nil, err
			}
			return appendValue(to, reflect.ValueOf(form))
		case byJSON:
			return appendJSON(to, v.Interface().(json.Marshaler))
		case byText:
			return appendText(to, v.Interface().(encoding.TextMarshaler))
		case byJSONOfPlace:
			if v.CanAddr() {
				return appendJSON(to, v.Addr().Interface().(json.Marshaler))
			}
		case byTextOfPlace:
			if v.CanAddr() {
				return appendText(to, v.Addr().Interface().(encoding.TextMarshaler))
			}
		case byKind:
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(to, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(to, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(to, v.Uint(), 10), nil
	case reflect.String:
		return appendString(to, v.String()), nil
	case reflect.Pointer:
		return appendValue(to, v.Elem())
	case reflect.Struct:
		return appendStruct(to, v, s)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 && wayOf(v.Type().Elem()) == byKind {
			to = append(to, '"')
			to = base64.StdEncoding.AppendEncode(to, v.Bytes())
			return append(to, '"'), nil
		}
		return appendList(to, v)
	case reflect.Array:
		return appendList(to, v)
	case reflect.Map:
		return appendMap(to, v)
	default: // a number with a fraction, or what cannot be written
		text, err := json.Marshal(v.Interface())
		return append(to, text...), err
	}
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return v.IsNil()
	default:
		return false
	}
}

func appendJSON(to []byte, v json.Marshaler) ([]byte, error) {
	text, err := v.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("writing a %T: %w", v, err)
	}
	b := bytes.NewBuffer(to)
	err = json.Compact(b, text) // which checks it as well
	return b.Bytes(), err
}

func appendText(to []byte, v encoding.TextMarshaler) ([]byte, error) {
	text, err := v.MarshalText()
	if err != nil {
		return nil, fmt.Errorf("writing a %T: %w", v, err)
	}
	return appendString(to, string(text)), nil
}

func appendStruct(to []byte, v reflect.Value, s *shape) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	to = append(to, '{')
	begun := len(to)
	for i := range s.fields {
		f := &s.fields[i]
		content, err := v.FieldByIndexErr(f.index)
		if err != nil || f.empty && isEmpty(content) || f.zero && isZero(content) {
			continue // the error is that of an embedded pointer that is nil
		}
		if len(to) > begun {
			to = append(to, ',')
		}
		if to, err = appendValue(append(to, f.key...), content); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	default:
		return v.IsZero()
	}
}

// isZero asks the value, where it has a say.
func isZero(v reflect.Value) bool {
	if v.Type().PkgPath() != "" && !isNil(v) {
		if z, ok := v.Interface().(interface{ IsZero() bool }); ok {
			return z.IsZero()
		}
	}
	return v.IsZero()
}

func appendList(to []byte, v reflect.Value) ([]byte, error) {
	to = append(to, '[')
	for i := range v.Len() {
		if i > 0 {
			to = append(to, ',')
		}
		var err error
		if to, err = appendValue(to, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return append(to, ']'), nil
}

// appendMap writes a map in the order of its keys.
func appendMap(to []byte, v reflect.Value) ([]byte, error) {
	if t := v.Type().Key(); t.Kind() != reflect.String || wayOf(t) != byKind {
		return nil, fmt.Errorf("writing a %s: its keys are no strings", v.Type())
	}
	content := make(map[string]reflect.Value, v.Len())
	for entry := v.MapRange(); entry.Next(); {
		content[entry.Key().String()] = entry.Value()
	}
	to = append(to, '{')
	for i, key := range slices.Sorted(maps.Keys(content)) {
		if i > 0 {
			to = append(to, ',')
		}
		var err error
		if to, err = appendValue(append(appendString(to, key), ':'), content[key]); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

// appendString writes a string as encoding/json does, HTML's characters escaped, but for bytes that
// are not UTF-8 and the runes that stand for them.
func appendString(to []byte, s string) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	done := 0 // s is written up to here
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if isPlain(c) {
				i++
				continue
			}
			to = append(to, s[done:i]...)
			if short := strings.IndexByte("\"\\\b\f\n\r\t", c); short >= 0 {
				to = append(to, '\\', `"\bfnrt`[short])
			} else {
				to = append(to, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
			}
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1, ours(r):
			to = append(to, s[done:i]...)
			for _, b := range []byte(s[i : i+size]) {
				to = utf8.AppendRune(to, bytesAt+rune(b))
			}
			done = i + size
		case r == '\u2028', r == '\u2029':
			to = append(to, s[done:i]...)
			to = append(to, '\\', 'u', '2', '0', '2', hex[r&0xf])
			done = i + size
		}
		i += size
	}
	to = append(to, s[done:]...)
	return append(to, '"')
}

// isPlain reports whether a character of ASCII stands in a string as it is.
func isPlain(c byte) bool {
	return c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}
