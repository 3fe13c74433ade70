package limits

import (
	"os"
	"strings"
	"testing"
)

func TestNoProcessLimit(t *testing.T) {
	for _, tt := range []struct {
		kernel string
		root   bool
		scope  string
		want   string
	}{
		{"5.14.0-427.el9.x86_64", false, "", ""},
		{"6.18.44", false, "1", ""},
		{"6.18.44", false, "0", ""},
		{"6.18.44", true, "", "root has no such limit"},
		{"5.13.19", false, "", "before 5.14"},
		{"4.18.0", false, "", "before 5.14"},
		{"6.1.0", false, "2", "ptrace_scope is 2"},
		{"6.1.0", false, "3", "ptrace_scope is 3"},
		{"", false, "", "nobody knows"},
	} {
		got := noProcessLimit(tt.kernel, tt.root, noTracing(tt.scope))
		if !strings.Contains(got, tt.want) || (tt.want == "") != (got == "") {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
	if root, err := isRoot(); err != nil || os.Getuid() == 0 && !root {
		t.Errorf("it is root: %v, %v", root, err)
	}
}
