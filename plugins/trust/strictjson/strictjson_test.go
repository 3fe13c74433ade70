package strictjson_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nono-run/nono/plugins/trust/strictjson"
)

type pet struct {
	Name  string         `json:"name"`
	Feet  []int          `json:"feet"`
	Other jsontext.Value `json:"other"`
}

func TestUnmarshal(t *testing.T) {
	var got pet
	text := " {\"other\": {\"a\": [{}]}, \"name\": \"Zo\u00eb \\u00eb\", \"feet\": [1]}\n"
	if err := strictjson.Unmarshal([]byte(text), 4, &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "Zo\u00eb \u00eb" || len(got.Feet) != 1 || string(got.Other) != `{"a": [{}]}` {
		t.Errorf("read %+v", got)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
		says string
	}{
		"empty":                       {"", strictjson.ErrEmpty, "empty"},
		"white":                       {" \n\t", strictjson.ErrEmpty, "empty"},
		"deep":                        {`{"other": [[[[]]]]}`, strictjson.ErrDeep, "more than 4 deep"},
		"very deep":                   {`{"other": ` + strings.Repeat("[", 1<<20), strictjson.ErrDeep, "more than 4 deep"},
		"twice":                       {`{"name": "a", "name": "b"}`, strictjson.ErrTwice, "/name"},
		"twice, spelled differently":  {`{"name": "a", "n\u0061me": "b"}`, strictjson.ErrTwice, "/name"},
		"twice where nobody looks":    {`{"other": {"a": {"x": 1, "x": 2}}}`, strictjson.ErrTwice, "/other/a/x"},
		"other case":                  {`{"Name": "a"}`, strictjson.ErrUnknown, "/Name"},
		"unknown":                     {`{"nam": "a"}`, strictjson.ErrUnknown, "/nam"},
		"unknown, for a terminal":     {`{"\u001b[2J": "a"}`, strictjson.ErrUnknown, `/\x1b[2J`},
		"unknown and long":            {`{"` + strings.Repeat("y", 1000) + `": 1}`, strictjson.ErrUnknown, "yyy..."},
		"no UTF-8":                    {"{\"name\": \"\xff\"}", strictjson.ErrSyntax, "JSON"},
		"no UTF-8 where nobody looks": {"{\"other\": \"\xc3\"}", strictjson.ErrSyntax, "JSON"},
		"half of a pair":              {`{"name": "\ud800"}`, strictjson.ErrSyntax, "JSON"},
		"after the end":               {`{} {}`, strictjson.ErrSyntax, "JSON"},
		"a letter after the end":      {`{} x`, strictjson.ErrSyntax, "JSON"},
		"cut":                         {`{"name": "a"`, strictjson.ErrSyntax, "JSON"},
		"a byte order mark":           {"\ufeff{}", strictjson.ErrSyntax, "JSON"},
		"another type":                {`{"name": 1}`, strictjson.ErrType, "/name"},
	} {
		t.Run(name, func(t *testing.T) {
			var got pet
			err := strictjson.Unmarshal([]byte(c.text), 4, &got)
			if !errors.Is(err, c.want) {
				t.Fatalf("read %+v with %v, want %v", got, err, c.want)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("said %q, without %q", err, c.says)
			}
			if len(err.Error()) > 200 {
				t.Errorf("said %d bytes", len(err.Error()))
			}
		})
	}
}
