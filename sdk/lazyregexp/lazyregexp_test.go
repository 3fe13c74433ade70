package lazyregexp_test

import (
	"testing"

	"github.com/nono-run/nono/sdk/lazyregexp"
)

func TestRegexp(t *testing.T) {
	r := lazyregexp.New(`^([a-z]+)=`)
	if !r.MatchString("a=") || r.MatchString("=") {
		t.Error("it matches something else")
	}
	if m := r.FindStringSubmatch("ab=c"); len(m) != 2 || m[1] != "ab" {
		t.Errorf("it found %q", m)
	}
	if s := r.ReplaceAllString("ab=c", "x"); s != "xc" {
		t.Errorf("it made %q", s)
	}
}
