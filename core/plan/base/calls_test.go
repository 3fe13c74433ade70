package base_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/plan/base"
)

// TestEveryCallIsJudged: each call of the kernel's table has its place in ours. It is in one
// judgement, or in several that look at its arguments.
func TestEveryCallIsJudged(t *testing.T) {
	judged := map[string][]base.Judgement{}
	for _, j := range base.Judgements() {
		for _, name := range j.Names() {
			judged[name] = append(judged[name], j)
		}
	}
	known := map[string]bool{}
	for _, m := range []filter.Machine{filter.AMD64, filter.ARM64} {
		for _, name := range filter.Names(m) {
			known[name] = true
			if len(judged[name]) == 0 {
				t.Errorf("%s on %s: nobody has judged it", name, m)
			}
		}
	}
	for name, js := range judged {
		if !known[name] {
			t.Errorf("%s is judged, and no machine has it", name)
		}
		for _, j := range js {
			if len(js) > 1 && len(j.When) == 0 {
				t.Errorf("%s is judged %d times, once without looking at its arguments", name, len(js))
			}
		}
	}
}

// TestHeaders: so has each call of the headers of this machine's kernel, which may be newer than
// what nono was built with.
func TestHeaders(t *testing.T) {
	judged := map[string]bool{}
	for _, j := range base.Judgements() {
		for _, name := range j.Names() {
			judged[name] = true
		}
	}
	var headers []string
	for _, pattern := range []string{"/usr/include/asm*/unistd_64.h", "/usr/include/*/asm/unistd_64.h", "/usr/*/include/asm/unistd_64.h"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, found...)
	}
	if len(headers) == 0 {
		t.Skip("the kernel's headers are not installed")
	}
	for _, h := range headers {
		text, err := os.ReadFile(h)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^#define __NR_(\w+)\s+\d+$`).FindAllSubmatch(text, -1)
		if len(found) < 300 {
			t.Errorf("%s has only %d numbers", h, len(found))
		}
		for _, m := range found {
			if !judged[string(m[1])] {
				t.Errorf("%s: %s: nobody has judged it", h, m[1])
			}
		}
	}
}

// TestReasons: each judgement says what it is about and why, in a line that a plan can print.
func TestReasons(t *testing.T) {
	shared := base.Shared{LandlockABI: 1}.Judgements()
	open := base.Shared{LandlockABI: 7, Network: true}.Judgements()
	led := base.Shared{LandlockABI: 7, Supervised: true, Connected: true}.Judgements()
	for _, j := range slices.Concat(base.Judgements(), shared, open, led) {
		switch {
		case j.About == "":
			t.Error("one is about nothing")
		case !strings.HasSuffix(j.Why, ".") || strings.Contains(j.Why, "\n") || strings.Contains(j.Why, "  "):
			t.Errorf("%s: why %q", j.About, j.Why)
		case len(j.Names()) == 0:
			t.Errorf("%s: no calls", j.About)
		case j.Errno == "" && len(j.When) > 0:
			t.Errorf("%s: refused with no error", j.About)
		}
	}
}
