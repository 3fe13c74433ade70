package bytejson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/bytejson"
)

type inner struct {
	Path string `json:"path"`
}

// embedded is not exported, and its fields are all the same.
type embedded struct {
	Name string `json:"name"`
}

type sample struct {
	embedded
	Text     string            `json:"text"`
	List     []string          `json:"list"`
	Bytes    []byte            `json:"bytes"`
	Array    [2]string         `json:"array"`
	Pointer  *inner            `json:"pointer"`
	Map      map[string]inner  `json:"map"`
	Any      any               `json:"any"`
	Nothing  *inner            `json:"nothing"`
	Numbers  []uint16          `json:"numbers"`
	Keys     map[string]string `json:"keys"`
	internal string
}

func with(s string) sample {
	return sample{
		embedded: embedded{s}, Text: s, List: []string{s, "plain"}, Bytes: []byte(s), Array: [2]string{s},
		Pointer: &inner{s},
		Map:     map[string]inner{s: {s}}, Any: s, Numbers: []uint16{1}, Keys: map[string]string{s: s},
	}
}

var difficult = []string{
	"", "plain", "é", "a\xffb", "caf\xe9", "\x80", "\uef80", "\uefff", "\uef7f\uf000", "\ufffd",
	"\ufffd\xff",
	"\xed\xa0\x80", "\xf0\x9f", "\x00\n\u2028<&>", `"\`, "\xee\xbe", "\xee\xbe\x80",
}

func TestEverywhere(t *testing.T) {
	for _, s := range difficult {
		in := with(s)
		before := with(strings.Clone(s))
		text, err := bytejson.Marshal(in)
		if err != nil || !json.Valid(text) {
			t.Fatalf("%q: %s, %v", s, text, err)
		}
		if !reflect.DeepEqual(in, before) {
			t.Errorf("%q: writing changed what was written: %+v", s, in)
		}
		var got sample
		if err := bytejson.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, in) {
			t.Errorf("%q: %v\ngot  %+v\nwant %+v", s, err, got, in)
		}
		in.internal = "not written"
		indented, err := bytejson.MarshalIndent(in, "", "  ")
		var again sample
		if err != nil || bytejson.Unmarshal(indented, &again) != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%q, indented: %+v, %v", s, again, err)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"plain é":  `"plain é"`, // as JSON has it anyway
		"a\xffb":   "\"a\uefffb\"",
		"\uef80":   "\"\uefee\uefbe\uef80\"",
		"\ufffd":   "\"\ufffd\"",
		"\xe9\xe9": "\"\uefe9\uefe9\"",
	} {
		if got, err := bytejson.Marshal(in); err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v; want %s", in, got, err, want)
		}
	}
	if got, err := bytejson.Marshal(nil); err != nil || string(got) != "null" {
		t.Errorf("nil: %s, %v", got, err)
	}
	for _, escaped := range []string{`"\uefff"`, `"\uEFFF"`, "\"\uefff\""} {
		var got string
		if err := bytejson.Unmarshal([]byte(escaped), &got); err != nil || got != "\xff" {
			t.Errorf("%s: got %q, %v", escaped, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{\"path\":\"a\xff\"}":  "not UTF-8",
		`{"path":"a","more":1}`: "unknown field",
		`{"path":"a"} {}`:       "more than one",
		`{"path":"a"} x`:        "more than one",
		`{"path":1}`:            "cannot unmarshal",
		`{"path":`:              "unexpected EOF",
	} {
		var got inner
		err := bytejson.Unmarshal([]byte(text), &got)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func FuzzString(f *testing.F) {
	for _, s := range difficult {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := map[string][]string{s: {s}}
		text, err := bytejson.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string][]string
		if err := bytejson.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %s and then %q: %v", s, text, got, err)
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	for _, s := range difficult {
		text, err := bytejson.Marshal(with(s))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second sample
		if bytejson.Unmarshal(data, &first) != nil {
			return
		}
		text, err := bytejson.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := bytejson.Unmarshal(text, &second); err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%v\nread  %#v\nagain %#v", err, first, second)
		}
	})
}
