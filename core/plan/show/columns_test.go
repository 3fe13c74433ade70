package show

import (
	"strings"
	"testing"
)

// A cell of absurd length stands out of line, and does not move the others.
func TestColumns(t *testing.T) {
	long := strings.Repeat("x", 2*widest)
	rows := [][]string{{"a", "b", "c"}, {"aaa", "", "c"}, {"a", long, "c"}, {"alone, and as long as it likes"}, {"a", "é", "c", ""}}
	want := []string{"a    b  c", "aaa     c", "a    " + long + "  c", "alone, and as long as it likes", "a    é  c"}
	for i, row := range rows {
		if got := aligned(row, columnWidths(rows)); got != want[i] {
			t.Errorf("got  %q\nwant %q", got, want[i])
		}
	}
}
