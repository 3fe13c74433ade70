package diag_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/core/diag"
)

// TestHeld: what is written meanwhile comes afterwards, in order.
func TestHeld(t *testing.T) {
	var out bytes.Buffer
	h := diag.NewHeld(&out)
	fmt.Fprintln(h, "before")
	h.Hold()
	fmt.Fprintln(h, "one")
	fmt.Fprintln(h, "two")
	if out.String() != "before\n" {
		t.Errorf("it was not held: %q", out.String())
	}
	h.Release(0)
	h.Release(0) // nothing is printed twice
	fmt.Fprintln(h, "after")
	if want := "before\none\ntwo\nafter\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// TestHeldStatus: the next line of any kind takes the place of a passing one, and while lines are
// held none is shown.
func TestHeldStatus(t *testing.T) {
	var screen bytes.Buffer
	h := diag.NewHeld(&screen)
	shows := func(want string) {
		t.Helper()
		if screen.String() != want {
			t.Errorf("got %q, want %q", screen.String(), want)
		}
		screen.Reset()
	}
	h.Status("one")
	shows("one")
	h.Status("two")
	shows("\r\x1b[Ktwo")
	_, _ = io.WriteString(h, "a line\n")
	shows("\r\x1b[Ka line\n")
	h.Status("three")
	shows("three")
	h.Hold()
	shows("\r\x1b[K")
	h.Status("four")
	shows("")
	h.Release(0)
	h.Status("five")
	h.Status("")
	shows("five\r\x1b[K")
}

// TestHeldTooMuch: there is a bound, and what was lost is said.
func TestHeldTooMuch(t *testing.T) {
	var out bytes.Buffer
	h := diag.NewHeld(&out)
	h.Hold()
	line := strings.Repeat("x", 1023) + "\n"
	for range 1030 {
		if _, err := io.WriteString(h, line); err != nil {
			t.Fatal(err)
		}
	}
	h.Release(0)
	if !strings.HasSuffix(out.String(), "nono: 6 more lines were not kept\n") {
		t.Errorf("it ends with %q", out.String()[out.Len()-80:])
	}
}

// TestHeldStuck: with patience a reader that takes nothing is given up once and for all.
func TestHeldStuck(t *testing.T) {
	r, w := io.Pipe() // nobody reads
	defer r.Close()
	h := diag.NewHeld(w)
	h.Release(time.Millisecond)
	for range 2 {
		if _, err := io.WriteString(h, "x\n"); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
	}
}
