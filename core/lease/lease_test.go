package lease

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"
)

func root(t *testing.T) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestALeaseEndsWithItsProcess(t *testing.T) {
	base := root(t)
	name := NewID()
	if !IsID(name) || IsID(beingMade+name) || IsID("") || IsID("../../etcx") {
		t.Errorf("what a name is: %s", name)
	}
	l, err := Make(base, name)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := Held(base, name); !held || err != nil {
		t.Errorf("it is held: %t, %v", held, err)
	}
	if _, err := Take(base, name); !errors.Is(err, ErrHeld) {
		t.Errorf("taking it: %v", err)
	}
	if err := l.Close(); err != nil { // what the kernel does for a process that is gone
		t.Fatal(err)
	}
	if held, err := Held(base, name); held || err != nil {
		t.Errorf("it is held: %t, %v", held, err)
	}
	taken, err := Take(base, name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Take(base, name); !errors.Is(err, ErrHeld) {
		t.Errorf("taking it twice: %v", err)
	}
	if err := taken.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Take(base, "gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("taking what is not there: %v", err)
	}
}

// A process that was killed, or is stopped, between the making of its directory and its lock: it is
// left alone while it may still be wanted.
func TestADirectoryThatIsBeingMade(t *testing.T) {
	base := root(t)
	making := beingMade + NewID()
	if err := base.Mkdir(making, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(base, making); !errors.Is(err, ErrHeld) {
		t.Errorf("at once: %v", err)
	}
	long := time.Now().Add(-2 * makingTime)
	if err := base.Chtimes(making, long, long); err != nil {
		t.Fatal(err)
	}
	taken, err := Take(base, making)
	if err != nil {
		t.Fatalf("later: %v", err)
	}
	_ = taken.Close()
}
