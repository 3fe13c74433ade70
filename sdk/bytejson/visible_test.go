package bytejson_test

import (
	"testing"
	"unicode"

	"github.com/nono-run/nono/sdk/bytejson"
)

func TestVisible(t *testing.T) {
	want := map[string]string{"a": "caf\xe9 \x1b[31m\u009b31m\x7f\u202e\u2028\U000e0041 Gr\u00fc\u00dfe <&> \U0001f600"}
	text, err := bytejson.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	shown := bytejson.Visible(text)
	for _, r := range string(shown) {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Co) {
			t.Errorf("%q is in %s", r, shown)
		}
	}
	var got map[string]string
	if err := bytejson.Unmarshal(shown, &got); err != nil || got["a"] != want["a"] {
		t.Errorf("it means something else now: %q, %v", got, err)
	}
}
