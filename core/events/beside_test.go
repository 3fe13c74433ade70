package events

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestBeside(t *testing.T) {
	var got bytes.Buffer
	b := NewBeside(&got)
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		if n, err := b.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if left, err := b.Close(time.Minute); left != 0 || err != nil {
		t.Errorf("%d lines are left, %v", left, err)
	}
	if got.String() != "one\ntwo\nthree\n" {
		t.Errorf("%q was written", got.String())
	}
	if _, err := b.Write([]byte("late\n")); err != nil {
		t.Error(err)
	}
	if left, _ := b.Close(0); left != 1 {
		t.Errorf("a line behind the end is left out, and %d are told", left)
	}
}

// A reader who has stopped stops nobody, and what he has not got is told.
func TestBesideAStoppedReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	b := NewBeside(w)
	const lines = 2000
	line := []byte(strings.Repeat("x", 9999) + "\n")
	for range lines {
		if _, err := b.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if b.kept.Len() > maxBeside {
		t.Errorf("%d bytes are kept for him", b.kept.Len())
	}
	left, err := b.Close(10 * time.Millisecond)
	if left < lines-maxBeside/len(line)-1 || left > lines || err != nil {
		t.Errorf("%d of %d lines are told to be left out, %v", left, lines, err)
	}
}

func TestBesideAReaderWhoIsGone(t *testing.T) {
	b := NewBeside(&full{room: 4})
	for range 3 {
		_, _ = b.Write([]byte("one\n"))
	}
	if left, err := b.Close(time.Minute); left == 0 || !errors.Is(err, errFull) {
		t.Errorf("%d lines are left out, %v", left, err)
	}
	if _, err := b.Write([]byte("one\n")); !errors.Is(err, errFull) {
		t.Errorf("he is written to: %v", err)
	}
}
