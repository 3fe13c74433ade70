package lease

import (
	"errors"
	"io/fs"
	"os"
	"sync"
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
	if !IsID(name) || IsID(BeingMade+name) || IsID("") || IsID("../../etcx") {
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
	making := BeingMade + NewID()
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

// Whoever looks for abandoned directories is in nobody's way who makes one.
func TestMakingBesideTaking(t *testing.T) {
	base := root(t)
	stop := make(chan struct{})
	var looking sync.WaitGroup
	for range 4 {
		looking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				names, err := fs.ReadDir(base.FS(), ".")
				if err != nil {
					t.Error(err)
					return
				}
				for _, n := range names {
					if taken, err := Take(base, n.Name()); err == nil {
						t.Errorf("%s was taken while it was held", n.Name())
						_ = taken.Close()
					}
				}
			}
		})
	}
	for range 200 {
		name := NewID()
		made, err := Make(base, name)
		if err == nil {
			err = errors.Join(base.RemoveAll(name), made.Close())
		}
		if err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	looking.Wait()
}
