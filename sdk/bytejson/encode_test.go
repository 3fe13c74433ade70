package bytejson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/nono-run/nono/sdk/bytejson"
)

// The ways in which a type says how it is written.
type (
	byJSON    struct{ A string }
	byText    struct{ A string }
	byForm    struct{ A string }
	byPointer struct{ A string }
	number    int
)

func (v byJSON) MarshalJSON() ([]byte, error)     { return json.Marshal([]string{v.A}) }
func (v byText) MarshalText() ([]byte, error)     { return []byte("<" + v.A + ">"), nil }
func (v byForm) JSONForm() (any, error)           { return []any{1, v.A}, nil }
func (v byForm) MarshalJSON() ([]byte, error)     { return json.Marshal([]any{1, v.A}) }
func (v *byPointer) MarshalJSON() ([]byte, error) { return json.Marshal("*" + v.A) }
func (n number) IsZero() bool                     { return n == 7 }

type shadowed struct {
	Name  string `json:"name"`
	Other int    `json:"other"`
}

type outer struct {
	*shadowed
	Embedded `json:"named"`
	Name     string `json:"name,omitempty"`
}

// Embedded is exported, and a field of its own where it has a name.
type Embedded struct {
	A, B  *int8
	Local string `json:"<&>"`
}

type made struct {
	Embedded
	Flag      bool              `json:"flag"`
	Small     int8              `json:"small,omitempty"`
	Number    uint64            `json:"number,omitempty"`
	Fraction  float64           `json:"fraction"`
	Text      string            `json:"text,omitempty"`
	Content   []byte            `json:"content"`
	Fixed     [3]byte           `json:"fixed"`
	Names     map[string]*int16 `json:"map,omitempty"`
	Pointer   *byPointer        `json:"pointer"`
	Place     byPointer         `json:"place"`
	JSON      byJSON            `json:"json"`
	Forms     []byForm          `json:"forms"`
	Texts     map[string]byText `json:"texts"`
	Unless    number            `json:"unless,omitzero"`
	Struct    Embedded          `json:"struct,omitzero"`
	Anonymous struct {
		time.Duration
		Again *made
	} `json:"anonymous"`
	Hidden string `json:"-"`
}

type every struct {
	made
	List    []outer   `json:"list,omitempty"`
	Any     any       `json:"any"`
	Time    time.Time `json:"time,omitzero"`
	private string
}

// What is written is what encoding/json would have written, in all that holds no bytes.
func TestAsOthersWriteIt(t *testing.T) {
	same := func(v every) bool {
		for _, of := range []any{v, &v, []every{v}, map[string]any{"a<b": &v, "a": v.List}, v.Any} {
			want, wantErr := json.Marshal(of)
			if standsForBytes(want) {
				return true // as one string in a thousand that quick makes
			}
			got, err := bytejson.Marshal(of)
			if err != nil || wantErr != nil || string(got) != string(want) {
				t.Logf("got  %s, %v\nwant %s, %v", got, err, want, wantErr)
				return false
			}
		}
		got, err := bytejson.MarshalIndent(v, " ", "\t")
		want, wantErr := json.MarshalIndent(v, " ", "\t")
		return err == nil && wantErr == nil && string(got) == string(want)
	}
	valid := func(m made) bool {
		v := every{made: m, Any: "any\u2028\x00<>&\b\f\n\r\t\x7f\"\\/ü", private: "unseen"}
		v.List, v.Time = []outer{{Embedded: m.Embedded}}, time.Unix(int64(m.Small), 1)
		return same(v)
	}
	if err := quick.Check(valid, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
	for _, of := range []any{
		nil, true, -1, 1.5, 1e300, []string(nil), map[string]int(nil),
		(*every)(nil), (*byJSON)(nil),
		[]any{nil, int16(3)},
		[0]int{},
		struct{}{},
		outer{},
		outer{shadowed: &shadowed{"a", 1}},
		json.RawMessage(` {"a" : [ 1 ]} `), number(7),
	} {
		if !same(every{Any: of}) {
			t.Errorf("%#v is written otherwise", of)
		}
	}
}

type twice struct {
	Embedded
	Others
}

// Others has a name that Embedded has.
type Others struct{ A string }

func standsForBytes(text []byte) bool {
	return bytes.ContainsFunc(text, func(r rune) bool { return r >= 0xef80 && r <= 0xefff })
}

type unwritable struct{}

func (unwritable) MarshalText() ([]byte, error) { return nil, errors.New("not this") }

// What Marshal does not know how to write as encoding/json would is an error.
func TestUnwritable(t *testing.T) {
	for name, of := range map[string]any{
		"a function":            func() {},
		"no number":             math.NaN(),
		"keys that are numbers": map[int]string{1: "a"},
		"keys with a text":      map[byText]string{{}: "a"},
		"an option": struct {
			A int `json:",string"`
		}{},
		"two of one name": twice{},
		"a broken method": []any{unwritable{}},
		"broken JSON":     json.RawMessage(`{"a":`),
	} {
		if got, err := bytejson.Marshal(of); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestFormsKeepBytes(t *testing.T) {
	got, err := bytejson.Marshal([]any{byForm{"\xff"}, &byForm{"\xfe"}})
	if want := "[[1,\"\uefff\"],[1,\"\ueffe\"]]"; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if strings.Contains(string(got), "\ufffd") {
		t.Error("a byte was lost")
	}
}
