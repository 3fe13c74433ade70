package coding

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// all has a field of each sort.
type all struct {
	Signed int
	Small  uint16
	Large  uint64
	Yes    bool
	Text   string
	Bytes  []byte
	Names  []string
	Inner  *inner
}

type inner struct{ Port uint16 }

func (a *all) Walk(c *Coder) {
	Number(c, &a.Signed)
	Number(c, &a.Small)
	Number(c, &a.Large)
	c.Flag(&a.Yes)
	Text(c, &a.Text)
	c.Bytes(&a.Bytes)
	List(c, &a.Names, Text[string])
	Optional(c, &a.Inner)
}

func (i *inner) Walk(c *Coder) { Number(c, &i.Port) }

func TestBothWays(t *testing.T) {
	for _, want := range []all{
		{},
		{
			Signed: -1, Small: math.MaxUint16, Large: math.MaxUint64, Yes: true, Text: "\xff\x00",
			Bytes: []byte{0, 0xff}, Names: []string{"", "a", strings.Repeat("x", 1000)}, Inner: &inner{1},
		},
	} {
		data, err := Append([]byte("before"), &want)
		if err != nil {
			t.Fatal(err)
		}
		data, found := bytes.CutPrefix(data, []byte("before"))
		if !found {
			t.Error("what stood before is gone")
		}
		var got all
		if err := Read(data, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		// Nothing of what was read is in it.
		clear(data)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("it holds what it was read from: %+v", got)
		}
	}
}

type small struct{ Port uint16 }

func (s *small) Walk(c *Coder) { Number(c, &s.Port) }

type flag bool

func (f *flag) Walk(c *Coder) { c.Flag((*bool)(f)) }

type list []inner

func (l *list) Walk(c *Coder) {
	List(c, (*[]inner)(l), func(c *Coder, i *inner) { i.Walk(c) })
}

type text string

func (s *text) Walk(c *Coder) { Text(c, s) }

func TestRefused(t *testing.T) {
	far := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1} // 2^64-1
	for name, test := range map[string]struct {
		data []byte
		into Coded
		want string
	}{
		"nothing":                       {nil, new(small), "cut short"},
		"half a number":                 {[]byte{0x80}, new(small), "cut short"},
		"a number that is too large":    {[]byte{0x80, 0x80, 4}, new(small), "too large"},
		"no number at all":              {bytes.Repeat([]byte{0xff}, 20), new(small), "cut short"},
		"neither yes nor no":            {[]byte{2}, new(flag), "neither yes nor no"},
		"more than it":                  {[]byte{1, 1}, new(flag), "1 bytes are left over"},
		"a text without an end":         {[]byte{2, 'a'}, new(text), "cut short"},
		"a text longer than memory":     {far, new(text), "cut short"},
		"a list of more than there are": {[]byte{3, 1, 1}, new(list), "cut short"},
		"a list longer than memory":     {far, new(list), "cut short"},
		"a list with half an element":   {[]byte{2, 1, 0x80}, new(list), "cut short"},
	} {
		if err := Read(test.data, test.into); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

type refusing struct{}

func (*refusing) Walk(c *Coder) {
	c.Refuse(errors.New("first"))
	c.Refuse(errors.New("second"))
}

func TestRefuse(t *testing.T) {
	if _, err := Append(nil, new(refusing)); err == nil || err.Error() != "first" {
		t.Errorf("writing: %v", err)
	}
	if err := Read([]byte{1}, new(refusing)); err == nil || err.Error() != "first" {
		t.Errorf("reading: %v", err)
	}
}
