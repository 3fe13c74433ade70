package launch_test

import (
	"errors"
	"testing"

	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/sdk/fragment"
)

// All that a step can grant.
var everything = []fragment.Right{
	fragment.RightRead, fragment.RightWrite, fragment.RightExecute, fragment.RightDevice,
}

// newPlainBox makes a sandbox of tier B around the prober: it may read itself and /proc, and write
// to /dev/null and the project.
func newPlainBox(t testing.TB, tries ...string) *box {
	t.Helper()
	b := newBox(t, tries...)
	b.options.Tier = recipe.TierB
	b.recipe.Mounts = nil
	b.recipe.Seccomp = plainFilter(t, 7)
	b.recipe.Executable = built.prober
	b.recipe.Landlock = []fragment.Landlock{
		grant(built.prober, fragment.RightRead, fragment.RightExecute),
		grant("/proc", fragment.RightRead),
		grant("/dev/null", everything...),
		grant("/dev/tty", everything...),
		grant(b.project, everything...),
	}
	return b
}

// plainFilter is the filter of every agent in tier B, where Landlock has a version.
func plainFilter(t testing.TB, abi int) []byte {
	t.Helper()
	program, err := filter.Assemble(base.Shared{LandlockABI: abi}.Calls())
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// maker makes a sandbox around the prober.
type maker func(t testing.TB, tries ...string) *box

// inBothTiers is for what is the same in both.
func inBothTiers(t *testing.T, test func(t *testing.T, box maker)) {
	t.Run("tier A", func(t *testing.T) { test(t, newBox) })
	t.Run("tier B", func(t *testing.T) { test(t, newPlainBox) })
}

func grant(path string, rights ...fragment.Right) fragment.Landlock {
	return fragment.Landlock{For: "filesystem.allow.0", Path: path, Rights: rights}
}

// TestAgentB is what an agent of tier B finds: itself in a process group of its own, in
// nono-init's session, no privilege, nothing open, and of the host's files what was granted.
func TestAgentB(t *testing.T) {
	b := newPlainBox(t, "cwd", "env=HELLO", "descriptors", "umask", "slack",
		"status=CapInh,CapPrm,CapEff,CapAmb,NoNewPrivs,Seccomp", "status=SigBlk,SigIgn",
		"write=new", "read=new", "list=/etc", "read=/etc/hostname", "list=/")
	b.recipe.Env = []string{"HELLO=a value"}
	const none = "0000000000000000"
	b.want(t, map[string]string{
		"cwd":         b.project,
		"env=HELLO":   "a value",
		"descriptors": "",
		"umask":       "027",
		"slack":       timerSlack(t),
		"status=CapInh,CapPrm,CapEff,CapAmb,NoNewPrivs,Seccomp": none + " " + none + " " + none + " " + none + " 1 2",
		"write=new": "ok", "read=new": "written inside",
		"list=/etc": "EACCES", "read=/etc/hostname": "EACCES", "list=/": "EACCES",
	})
}

// TestNotify: a recipe's notifications come to whoever holds the listener, and once nobody does the
// calls fail.
func TestNotify(t *testing.T) {
	asking, err := filter.AssembleNotices([]filter.Notice{{Calls: []string{"mkdirat", "mkdir"}}})
	if err != nil {
		t.Fatal(err)
	}
	b := newPlainBox(t, "mkdir=asked", "stat=.")
	b.recipe.Notify = asking
	b.stdout = nil
	lines := b.pipe(t)
	init, ready, err := b.prepare(t)
	if err != nil {
		t.Fatal(err)
	}
	if ready.Notify == nil {
		t.Fatal("no listener came")
	}
	ready.Notify.Close()
	if err := init.Go(deadline(t), false); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range lines {
		got = append(got, line)
		if len(got) == 2 {
			break
		}
	}
	if _, err := init.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != "mkdir=asked: ENOSYS" || got[1] != "stat=.: ok" {
		t.Errorf("got %q", got)
	}
}

// TestTierUnknown: a caller that does not say which sandbox it wants gets none.
func TestTierUnknown(t *testing.T) {
	_, err := launch.Start(t.Context(), launch.Options{Path: built.init})
	if err == nil {
		t.Error("it was started")
	}
	var step *launch.StepError
	if errors.As(err, &step) {
		t.Errorf("a step failed: %v", err)
	}
}

// TestMovesB: a file can be moved from one directory of a grant to another, whatever domains there
// are: of those that are about signals Landlock asks nothing about files.
func TestMovesB(t *testing.T) {
	b := newPlainBox(t, "mkdir=a", "mkdir=b", "write=a/file", "rename=a/file,b/file", "read=b/file")
	b.want(t, map[string]string{"rename=a/file,b/file": "ok", "read=b/file": "written inside"})
}
