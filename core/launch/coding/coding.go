// Package coding writes values as bytes and reads them back, between two programs of one build.
// What a value consists of is said once, for both directions, by a walk over its fields:
//
//	func (d *Dial) Walk(c *coding.Coder) {
//		coding.Number(c, &d.ID)
//		coding.Number(c, &d.Port)
//	}
//
// So the two ends cannot disagree. There are no names in what is written, and nothing is looked up
// by reflection: JSON, whose first use in a process costs more than all that is said over it, took
// nono-init a tenth of its time. The price is that nothing can be added or left out between two
// builds, and so whoever uses it writes the number of its format first.
//
// What is read is checked as far as bytes can be: nothing is taken that was not written, nothing is
// left over, and no length is believed that the bytes cannot hold.
package coding

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Coded is a value that knows its fields.
type Coded interface {
	// Walk hands each field to the coder, in the same order always.
	Walk(c *Coder)
}

// Coder takes the fields of a value one after the other, to write them or to read them.
type Coder struct {
	data    []byte // what was written, or what is still to be read
	reading bool
	err     error
}

// Append writes a value behind some bytes.
func Append(data []byte, value Coded) ([]byte, error) {
	c := &Coder{data: data}
	value.Walk(c)
	return c.data, c.err
}

// Read reads a value, which is zero before, and refuses what is not it, or more than it. The value
// holds no part of the bytes.
func Read(data []byte, value Coded) error {
	c := &Coder{data: data, reading: true}
	value.Walk(c)
	if c.err == nil && len(c.data) > 0 {
		return fmt.Errorf("%d bytes are left over", len(c.data))
	}
	return c.err
}

// Reading reports whether fields are being read.
func (c *Coder) Reading() bool { return c.reading }

// Refuse makes it fail. The first reason stands.
func (c *Coder) Refuse(err error) {
	if c.err == nil {
		c.err = err
	}
	c.data = nil // there is nothing more to be had
}

var errShort = errors.New("it was cut short")

// Number takes a number, of whatever size.
func Number[T ~int | ~uint16 | ~uint32 | ~uint64](c *Coder, v *T) {
	if !c.reading {
		c.data = binary.AppendUvarint(c.data, uint64(*v))
		return
	}
	read, size := binary.Uvarint(c.data)
	if size <= 0 {
		c.Refuse(errShort)
		return
	}
	c.data = c.data[size:]
	*v = T(read)
	if uint64(*v) != read {
		c.Refuse(fmt.Errorf("%d is too large a number where it stands", read))
	}
}

// Flag takes a yes or a no.
func (c *Coder) Flag(v *bool) {
	var set uint16
	if *v && !c.reading {
		set = 1
	}
	Number(c, &set)
	if set > 1 {
		c.Refuse(fmt.Errorf("%d is neither yes nor no", set))
	}
	*v = set == 1
}

// Text takes a string, of any bytes.
func Text[T ~string](c *Coder, v *T) {
	size := len(*v)
	if c.length(&size); c.reading {
		*v = T(c.data[:size])
		c.data = c.data[size:]
		return
	}
	c.data = append(c.data, *v...)
}

// Bytes takes bytes. None are read as nil.
func (c *Coder) Bytes(v *[]byte) {
	size := len(*v)
	if c.length(&size); c.reading {
		*v = append([]byte(nil), c.data[:size]...)
		c.data = c.data[size:]
		return
	}
	c.data = append(c.data, *v...)
}

// List takes the elements of a list, each by a function. An empty one is read as nil.
func List[T any](c *Coder, v *[]T, each func(*Coder, *T)) {
	count := len(*v)
	c.length(&count)
	if c.reading && count > 0 {
		*v = make([]T, 0, min(count, 256))
	}
	for i := 0; i < count && c.err == nil; i++ {
		if c.reading {
			*v = append(*v, *new(T))
		}
		each(c, &(*v)[i])
	}
}

// Optional takes a value that may be missing.
func Optional[T any, P interface {
	*T
	Coded
}](c *Coder, v *P) {
	there := *v != nil
	if c.Flag(&there); !there {
		return
	}
	if c.reading {
		*v = new(T)
	}
	(*v).Walk(c)
}

// length takes the length of something, each part of which takes at least a byte.
func (c *Coder) length(size *int) {
	Number(c, size)
	if c.reading && (*size < 0 || *size > len(c.data)) {
		c.Refuse(errShort)
		*size = 0
	}
}
