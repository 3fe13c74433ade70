//go:build linux

package store

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

var kills = flag.Int("kills", 200, "how often a process that uses the store is killed")

// victim tells the test binary, started again, that it is to use a store until it is killed.
var victim = flag.String("victim", "", "a store to use until the process is killed")

// begun is what the process that is killed says first.
const begun = "begun"

// TestVictim is the process that is killed. It says which manifest it has sealed when it has, and
// prunes all but the last ones now and then.
func TestVictim(t *testing.T) {
	dir := *victim
	if dir == "" {
		return // it is nothing by itself
	}
	fmt.Println(begun)
	seed := uint64(time.Now().UnixNano())
	var last []ManifestID
	for i := uint64(0); ; i++ {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		release, err := s.Shared(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		contents := [][]byte{[]byte(strconv.FormatUint(seed+i, 10)), random(seed+i, 300_000), {}}
		for j := range 20 {
			contents = append(contents, text(int(seed+i/2)+j, 3000)) // half of them again
		}
		id := snapshot(t, s, i%3 == 0, contents...)
		fmt.Println(id)
		if i%4 == 1 {
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		release()
		if last = append(last, id); len(last) > 3 {
			last = last[1:]
		}
		if i%5 == 4 {
			prune(t, s, keep(last...))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A process that is killed at any moment leaves a store in which every manifest resolves, and what
// it had said to be sealed is there.
func TestKills(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	objects := 0
	for range *kills {
		last := killed(t, dir, time.Duration(rand.Int64N(int64(30*time.Millisecond))))
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if bad := s.Damaged(); len(bad) > 0 {
			t.Fatal(bad)
		}
		all, err := s.Manifests()
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range append(all, last...) {
			if err := resolves(s, id); err != nil {
				t.Fatal(err)
			}
		}
		for _, sub := range []string{packs, manifests} {
			if left, err := filepath.Glob(filepath.Join(dir, sub, "*"+being)); len(left) > 0 || err != nil {
				t.Fatalf("there are %v, %v", left, err)
			}
		}
		objects += s.Objects()
		prune(t, s, keep(last...)) // so that it stays small
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if objects == 0 {
		t.Error("each was killed before it had done anything")
	}
}

// killed runs a process that uses the store, kills it some time after it has begun, and returns the
// last manifest that it had sealed by then, if any.
func killed(t *testing.T, dir string, after time.Duration) []ManifestID {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$", "-victim="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != begun { // which may take longer than all else
		t.Fatalf("it began with %q", lines.Text())
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var last []ManifestID
	for lines.Scan() {
		id, err := ParseManifestID(lines.Text())
		if err != nil {
			t.Errorf("it failed: %s", lines.Text())
			continue
		}
		last = []ManifestID{id}
	}
	if err := cmd.Wait(); !errors.As(err, new(*exec.ExitError)) {
		t.Fatalf("it was not killed: %v", err)
	}
	return last
}
