package limits_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/nono-run/nono/core/limits"
)

// TestAdvice: what ran out is named with how to have more of it, and of other errors nothing is
// said.
func TestAdvice(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EAGAIN: "ulimit -u", syscall.ENOMEM: "ulimit -v", syscall.EMFILE: "ulimit -n",
		syscall.ETOOMANYREFS: "were taken",
		syscall.ENOENT:       "", syscall.EACCES: "",
	} {
		got := limits.Advice(fmt.Errorf("starting nono-init: %w", errno))
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%v: got %q, want %q", errno, got, want)
		}
	}
}
