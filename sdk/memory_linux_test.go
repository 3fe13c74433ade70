package sdk_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk"
)

// TestMemoryIsHidden looks at another process, for what is given up cannot be had back.
func TestMemoryIsHidden(t *testing.T) {
	if os.Getenv("SDK_TEST_HIDE") != "" {
		hidden()
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, "-test.run=^TestMemoryIsHidden$")
	c.Env = append(os.Environ(), "SDK_TEST_HIDE=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"dumpable 1 then 0", "core 0"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	// Swap depends on the machine: it is locked, or that it is not is said.
	locked := strings.Contains(string(out), "locked true")
	said := strings.Contains(string(out), "the memory may be swapped out: ")
	if locked == said {
		t.Errorf("locked %v, and said to be missing %v:\n%s", locked, said, out)
	}
}

func hidden() {
	dumpable := func() int {
		n, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		return n
	}
	before := dumpable()
	err := sdk.HideMemory()
	fmt.Printf("dumpable %d then %d\n", before, dumpable())
	var core unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &core)
	fmt.Printf("core %d\n", core.Cur)
	var exposed *sdk.ExposedError
	if err != nil && !errors.As(err, &exposed) {
		fmt.Println("not an ExposedError")
		os.Exit(1)
	}
	fmt.Println("missing:", err)
	// It still runs, with memory of some size.
	big := make([][]byte, 0, 64)
	for range 64 {
		big = append(big, make([]byte, 1<<20))
	}
	fmt.Println(len(big))
	status, _ := os.ReadFile("/proc/thread-self/status")
	var kb int
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmLck:"); ok {
			_, _ = fmt.Sscan(rest, &kb)
		}
	}
	fmt.Printf("locked %v\n", kb > 0)
}
