package lifeline_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk/lifeline"
)

func pair(t *testing.T) (*lifeline.Host, *lifeline.Layer, <-chan struct{}) {
	t.Helper()
	host, child, err := lifeline.Pair()
	if err != nil {
		t.Fatal(err)
	}
	lost := make(chan struct{})
	end, err := lifeline.Open(child, func() { close(lost) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = host.Close(), end.Close() })
	return host, end, lost
}

// TestDescriptorsFindTheirTakers sends pipes from several goroutines; each arrives under its own
// token.
func TestDescriptorsFindTheirTakers(t *testing.T) {
	host, end, _ := pair(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			r, w, err := os.Pipe()
			if err != nil {
				t.Error(err)
				return
			}
			token, err := host.Send(w)
			_ = w.Close()
			if err != nil {
				t.Error(err)
				return
			}
			got, err := end.Take(t.Context(), token)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = got.Write([]byte{byte(i)})
			_ = got.Close()
			text, readErr := io.ReadAll(r) // ends when the last copy of w is closed
			if err := errors.Join(err, readErr); err != nil || !bytes.Equal(text, []byte{byte(i)}) {
				t.Errorf("%d: read %v, %v", i, text, err)
			}
			soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := end.Take(soon, token); err == nil {
				t.Error("a descriptor was handed out twice")
			}
		})
	}
	wg.Wait()
}

func TestEndIsNoticed(t *testing.T) {
	host, end, lost := pair(t)
	select {
	case <-lost:
		t.Fatal("it is lost from the start")
	case <-time.After(20 * time.Millisecond):
	}
	if err := host.Close(); err != nil {
		t.Fatal(err)
	}
	<-lost
	if _, err := end.Take(t.Context(), lifeline.Token{}); err == nil {
		t.Error("a descriptor came from nowhere")
	}
}

// TestUntakenDescriptorsAreBounded: a layer that takes nothing does not run out of descriptors.
func TestUntakenDescriptorsAreBounded(t *testing.T) {
	host, _, lost := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	for range 1000 {
		if _, err := host.Send(w); err != nil {
			break // the other end has given up
		}
	}
	<-lost
}

func TestParseToken(t *testing.T) {
	for n, ok := range map[int]bool{0: false, 15: false, 16: true, 17: false} {
		if _, err := lifeline.ParseToken(make([]byte, n)); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestOpenRefusesWhatIsNoSocket(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lifeline.Open(f, func() {}); err == nil {
		t.Error("/dev/null was taken for a lifeline")
	}
	if _, err := lifeline.Open(nil, func() {}); err == nil {
		t.Error("nothing was taken for a lifeline")
	}
}
