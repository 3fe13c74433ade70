package codec

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// deepest bounds how far messages may be nested. Those of the contract need about ten.
const deepest = 64

// reader takes a message apart, field by field. Its first fault ends the reading, and stays.
type reader struct {
	b       []byte
	lenient bool // passes over fields that it does not know
	depth   int
	fault   *fault

	field protowire.Number // the last one, and its form
	form  protowire.Type
}

// fault is what is wrong with a message, and in which part of it.
type fault struct{ at, what string }

// Error implements error.
func (f *fault) Error() string { return f.at + f.what }

// within puts the place of a message before a fault in it.
func (f *fault) within(place string) *fault {
	if f.at != "" {
		place += "." + f.at
	}
	return &fault{place, f.what}
}

func (r *reader) fail(format string, args ...any) {
	if r.fault == nil {
		r.fault = &fault{what: fmt.Sprintf(format, args...)}
	}
}

// key is how a field begins: its number, and its form.
type key uint64

func varint(field protowire.Number) key { return key(field)<<3 | key(protowire.VarintType) }
func blob(field protowire.Number) key   { return key(field)<<3 | key(protowire.BytesType) }

// next goes on to the next field, if there is one.
func (r *reader) next() (key, bool) {
	if r.fault != nil || len(r.b) == 0 {
		return 0, false
	}
	field, form, n := protowire.ConsumeTag(r.b)
	if !r.took(n) {
		return 0, false
	}
	r.field, r.form = field, form
	return key(field)<<3 | key(form), true
}

// took goes on behind what was read, or notes that it could not be.
func (r *reader) took(n int) bool {
	if n < 0 {
		r.fail(": %v", protowire.ParseError(n))
		return false
	}
	r.b = r.b[n:]
	return true
}

// unknown is a field that the message does not have, or not in that form.
func (r *reader) unknown() {
	if !r.lenient {
		r.fail(" has the unknown field %d", r.field)
		return
	}
	r.took(protowire.ConsumeFieldValue(r.field, r.form, r.b))
}

// number is one of any type, an enum or a bool.
func (r *reader) number() uint64 {
	n, size := protowire.ConsumeVarint(r.b)
	r.took(size)
	return n
}

func (r *reader) bool() bool { return protowire.DecodeBool(r.number()) }

// rest is what a length stands before; it is not a copy.
func (r *reader) rest() []byte {
	b, n := protowire.ConsumeBytes(r.b)
	r.took(n)
	return b
}

func (r *reader) bytes() []byte { return append([]byte{}, r.rest()...) }

func (r *reader) text() string {
	b := r.rest()
	if !utf8.Valid(b) {
		r.fail(": field %d is not UTF-8", r.field)
	}
	return string(b)
}

// integer is the type of a list's numbers.
type integer interface{ ~int32 | ~uint32 | ~uint64 }

// packed reads numbers that stand one behind the other.
func packed[N integer](r *reader, list []N) []N {
	inner := reader{b: r.rest()}
	for len(inner.b) > 0 && inner.fault == nil {
		list = append(list, N(inner.number()))
	}
	if inner.fault != nil {
		r.fault = inner.fault
	}
	return list
}

// into reads a message. What is there already is added to, as protobuf has it.
func into[M any](r *reader, name string, m *M, read func(*reader, *M)) *M {
	if m == nil {
		m = new(M)
	}
	if f := r.nested(func(inner *reader) { read(inner, m) }); f != nil {
		r.fault = f.within(name)
	}
	return m
}

// item reads one more message of a list.
func item[M any](r *reader, name string, list []*M, read func(*reader, *M)) []*M {
	m := new(M)
	if f := r.nested(func(inner *reader) { read(inner, m) }); f != nil {
		r.fault = f.within(fmt.Sprintf("%s[%d]", name, len(list)))
	}
	return append(list, m)
}

// pair reads one more entry of a map.
func pair[V any](r *reader, name string, m map[string]V, value func(*reader) V) map[string]V {
	var k string
	var v V
	f := r.nested(func(inner *reader) {
		for is, ok := inner.next(); ok; is, ok = inner.next() {
			switch is {
			case blob(keyField):
				k = inner.text()
			case blob(valueField):
				v = value(inner)
			default:
				inner.unknown()
			}
		}
	})
	if f != nil {
		r.fault = f.within(name)
	}
	if m == nil {
		m = map[string]V{}
	}
	m[k] = v
	return m
}

// nested has what a length stands before read as a message.
func (r *reader) nested(read func(*reader)) *fault {
	inner := reader{b: r.rest(), lenient: r.lenient, depth: r.depth + 1}
	switch {
	case r.fault != nil:
		return &fault{what: r.fault.what}
	case inner.depth > deepest:
		inner.fail(" is nested too deeply")
	default:
		read(&inner)
	}
	return inner.fault
}
