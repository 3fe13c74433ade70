package codec

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// writer appends a message's fields. A field that has its zero is left out.
type writer struct {
	b      []byte
	escape bool // text that is not UTF-8, which is an error otherwise
	err    error
}

// number writes a field of any type of number, of an enum or a bool.
func (w *writer) number(field protowire.Number, n uint64) {
	if n != 0 {
		w.present(field, n)
	}
}

// present writes a number even if it is zero.
func (w *writer) present(field protowire.Number, n uint64) {
	w.b = protowire.AppendTag(w.b, field, protowire.VarintType)
	w.b = protowire.AppendVarint(w.b, n)
}

func (w *writer) bytes(field protowire.Number, b []byte) {
	if len(b) > 0 {
		w.blob(field, b)
	}
}

// blob writes bytes even if there are none.
func (w *writer) blob(field protowire.Number, b []byte) {
	w.b = protowire.AppendTag(w.b, field, protowire.BytesType)
	w.b = protowire.AppendBytes(w.b, b)
}

func (w *writer) blobs(field protowire.Number, list [][]byte) {
	for _, b := range list {
		w.blob(field, b)
	}
}

func (w *writer) text(field protowire.Number, s string) {
	if s != "" {
		w.line(field, s)
	}
}

// line writes text even if it is empty.
func (w *writer) line(field protowire.Number, s string) {
	if !utf8.ValidString(s) {
		if !w.escape {
			w.err = errors.New("there is text in it that is not UTF-8")
		}
		s = escape(s)
	}
	w.b = protowire.AppendTag(w.b, field, protowire.BytesType)
	w.b = protowire.AppendString(w.b, s)
}

func (w *writer) lines(field protowire.Number, list []string) {
	for _, s := range list {
		w.line(field, s)
	}
}

// escape makes UTF-8 of text: of a byte that is not, such as one of a path in a diagnostic, becomes
// \xff.
func escape(s string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			b.WriteString(`\x`)
			b.WriteByte(hex[s[i]>>4])
			b.WriteByte(hex[s[i]&15])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// boolean is a bool as a number.
func boolean(b bool) uint64 { return protowire.EncodeBool(b) }

// numbers writes a list of numbers, one behind the other.
func numbers[N ~int32 | ~uint32 | ~uint64](w *writer, field protowire.Number, list []N) {
	if len(list) == 0 {
		return
	}
	begin := w.begin(field)
	for _, n := range list {
		w.b = protowire.AppendVarint(w.b, uint64(n))
	}
	w.end(begin)
}

// one writes a message that is there.
func one[M any](w *writer, field protowire.Number, m *M, write func(*writer, *M)) {
	if m != nil {
		always(w, field, m, write)
	}
}

// always writes a message even if it is nil, which is an empty one.
func always[M any](w *writer, field protowire.Number, m *M, write func(*writer, *M)) {
	begin := w.begin(field)
	write(w, m)
	w.end(begin)
}

func many[M any](w *writer, field protowire.Number, list []*M, write func(*writer, *M)) {
	for _, m := range list {
		always(w, field, m, write)
	}
}

// begin leaves the one byte for a length that most have.
func (w *writer) begin(field protowire.Number) int {
	w.b = protowire.AppendTag(w.b, field, protowire.BytesType)
	w.b = append(w.b, 0)
	return len(w.b)
}

// end fills in the length of what was written since begin, and moves that if the length is longer.
func (w *writer) end(begin int) {
	n := uint64(len(w.b) - begin)
	more := protowire.SizeVarint(n) - 1
	if more > 0 {
		w.b = append(w.b, make([]byte, more)...)
		copy(w.b[begin+more:], w.b[begin:])
	}
	protowire.AppendVarint(w.b[:begin-1], n)
}

// pairs writes a map, sorted, so that two that are equal are written alike.
func pairs[V any](
	w *writer, field protowire.Number, m map[string]V, value func(*writer, protowire.Number, V),
) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		begin := w.begin(field)
		w.text(keyField, key)
		value(w, valueField, m[key])
		w.end(begin)
	}
}

// The fields of a map's entry.
const (
	keyField   = 1
	valueField = 2
)
