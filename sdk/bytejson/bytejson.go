// Package bytejson is JSON for strings that may hold any bytes: arguments, variables and paths,
// which the kernel takes as they are. encoding/json would put U+FFFD for each byte that is not
// UTF-8, without a word.
//
// What is written is ordinary JSON. A byte b that is not part of a UTF-8 sequence stands in it as
// the rune U+EF00+b, one of U+EF80 to U+EFFF, which belong to nobody; such a rune itself is written
// byte by byte, so that nothing is lost either way (MirBSD's OPTU encodes the same). All other
// strings are as they would be anyway.
package bytejson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// A byte b from 0x80 on stands as the rune bytesAt+b.
const (
	bytesAt = 0xEF00
	first   = bytesAt + 0x80
	last    = bytesAt + 0xFF
)

// Marshal is [json.Marshal] that keeps all bytes of strings, keys of maps included.
func Marshal(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err == nil && !mayHoldBytes(text) && !bytes.Contains(text, replaced) {
		return text, nil // as most is: nothing had to be changed
	}
	return json.Marshal(with(v, Escape))
}

// replaced is what encoding/json puts for a byte that is not UTF-8.
var replaced = []byte(`\ufffd`)

// MarshalIndent is [json.MarshalIndent], likewise.
func MarshalIndent(v any, prefix, indent string) ([]byte, error) {
	return json.MarshalIndent(with(v, Escape), prefix, indent)
}

// Unmarshal is [json.Unmarshal] of what Marshal wrote. A field that v does not have is an error,
// and so is text that is not UTF-8: nothing is dropped or changed without a word.
func Unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("the JSON is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is more than one value")
	}
	if mayHoldBytes(data) {
		rewrite(reflect.ValueOf(v).Elem(), Unescape)
	}
	return nil
}

// mayHoldBytes reports whether JSON may hold one of our runes, as itself or as \uef80. Most does
// not, and then nobody need look at every string of it.
func mayHoldBytes(data []byte) bool {
	return bytes.Contains(data, []byte{0xEE, 0xBE}) || bytes.Contains(data, []byte{0xEE, 0xBF}) ||
		bytes.Contains(data, []byte(`\ue`)) || bytes.Contains(data, []byte(`\uE`))
}

// Escape is a string as JSON can hold it.
func Escape(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || ours(r) }) {
		return s
	}
	var b strings.Builder
	for rest := s; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && size == 1 || ours(r) {
			for _, c := range []byte(rest[:size]) {
				b.WriteRune(bytesAt + rune(c))
			}
		} else {
			b.WriteRune(r)
		}
		rest = rest[size:]
	}
	return b.String()
}

// Unescape is the string that Escape was given.
func Unescape(s string) string {
	if !strings.ContainsFunc(s, ours) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if ours(r) {
			b.WriteByte(byte(r - bytesAt))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func ours(r rune) bool { return first <= r && r <= last }

// with is a copy of v in which each string is what change makes of it.
func with(v any, change func(string) string) any {
	if v == nil {
		return nil
	}
	c := reflect.New(reflect.TypeOf(v)).Elem()
	c.Set(reflect.ValueOf(v))
	rewrite(c, change)
	return c.Interface()
}

// rewrite changes the strings in a variable. What it refers to is copied first: it belongs to
// others.
func rewrite(v reflect.Value, change func(string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(change(v.String()))
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			// The fields of an embedded struct are written even where its own name is not exported.
			embedded := v.Type().Field(i).Anonymous && f.Kind() == reflect.Struct
			if f.CanSet() || embedded {
				rewrite(f, change)
			}
		}
	case reflect.Slice:
		if v.IsNil() || !mayHoldStrings(v.Type().Elem()) {
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		for i := range c.Len() {
			rewrite(c.Index(i), change)
		}
		v.Set(c)
	case reflect.Array:
		for i := range v.Len() {
			rewrite(v.Index(i), change)
		}
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		c := reflect.New(v.Elem().Type())
		c.Elem().Set(v.Elem())
		rewrite(c.Elem(), change)
		if v.Kind() == reflect.Interface {
			c = c.Elem()
		}
		v.Set(c)
	case reflect.Map:
		if v.IsNil() {
			return
		}
		c := reflect.MakeMapWithSize(v.Type(), v.Len())
		for entry := v.MapRange(); entry.Next(); {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.Set(entry.Key())
			value.Set(entry.Value())
			rewrite(key, change)
			rewrite(value, change)
			c.SetMapIndex(key, value)
		}
		v.Set(c)
	}
}

// mayHoldStrings reports whether a slice of these is worth a look: contents of files and filters
// are not.
func mayHoldStrings(t reflect.Type) bool {
	return t.Kind() < reflect.Bool || t.Kind() > reflect.Complex128
}
