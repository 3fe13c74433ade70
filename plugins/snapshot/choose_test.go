//go:build linux

package snapshot

import (
	"fmt"
	"testing"
)

func TestParsePicked(t *testing.T) {
	for answer, want := range map[string]string{
		"": "[]", "1": "[{0 false}]", "2h 1": "[{1 true} {0 false}]", "1-3": "[{0 false} {1 false} {2 false}]",
		"*": "[{0 false} {1 false} {2 false}]", "1, 3": "[{0 false} {2 false}]", "1 1": "[{0 false}]",
	} {
		got, err := parsePicked(answer, 3)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v", answer, got, err)
		}
	}
	for _, answer := range []string{"0", "4", "2-9", "3-1", "x", "-", "1h-2", "99999999999999999999"} {
		if got, err := parsePicked(answer, 3); err == nil {
			t.Errorf("%q: %v", answer, got)
		}
	}
}
