//go:build linux

package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nono-run/nono/plugins/snapshot"
	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/policy"
)

func TestConformance(t *testing.T) { layertest.Conformance(t, snapshot.New, layertest.Options{}) }

// flag is where a test's rules come from.
var flag = policy.Source{Origin: policy.OriginFlag, Flag: "--snapshot"}

// place is a directory that is recorded, and what a run is told.
type place struct {
	t    *testing.T
	root string
	run  sdk.Run
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t, root: filepath.Join(dir, "proj"), run: layertest.Request(nil).Run}
	for _, d := range []string{"proj", "state", "own"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.run.SessionID = "first"
	p.run.StateDir, p.run.Dir = filepath.Join(dir, "state"), filepath.Join(dir, "own")
	p.run.Policy.Snapshot = policy.Snapshot{
		Paths:   []policy.SnapshotPath{{ID: "snapshot.path.0", Path: p.root, Source: flag}},
		Exclude: []policy.SnapshotExclude{{ID: "snapshot.exclude.0", Pattern: "cache/", Source: flag}},
	}
	return p
}

func (p *place) write(name, content string) {
	p.t.Helper()
	path := filepath.Join(p.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) remove(name string) {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.root, name)); err != nil {
		p.t.Fatal(err)
	}
}

// start and finish are in processes of their own in a run, and here in layers of their own.
func (p *place) start() []byte {
	p.t.Helper()
	return layertest.New(p.t, snapshot.New()).Start(&sdk.StartRequest{Run: p.run}, nil).State
}

func (p *place) finish(state []byte, reason sdk.EndReason) string {
	p.t.Helper()
	return strings.Join(layertest.New(p.t, snapshot.New()).Finish(&sdk.FinishRequest{
		Run: p.run, End: sdk.End{Reason: reason}, State: state, Stored: reason == sdk.EndCoreLost,
	}).Lines, "\n")
}

func (p *place) known() *sessions.Sessions {
	p.t.Helper()
	known, err := sessions.Open(filepath.Join(p.run.StateDir, "sessions"))
	if err != nil {
		p.t.Fatal(err)
	}
	return known
}

// stored reports whether bytes are anywhere in the layer's directory, as they are or in a pack that
// did not compress them.
func (p *place) stored(content string) bool {
	found := false
	err := filepath.WalkDir(p.run.StateDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			found = found || bytes.Contains(text, []byte(content))
			return err
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// A line at the end says what changed; asked again, it says the same, whatever was changed since.
func TestSummary(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"a", "b", "c", "cache/x"} {
		p.write(name, name)
	}
	state := p.start()
	p.write("a", "changed")
	p.remove("b")
	p.write("new/file", "new")
	p.write("cache/x", "changed")
	want := "2 paths changed, 2 new, 1 removed, 1 of which cannot be undone: nono session diff"
	if got := p.finish(state, sdk.EndExited); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.write("a", "the user's own, afterwards")
	p.write("another", "")
	if got := p.finish(state, sdk.EndExited); got != want {
		t.Errorf("the second time: %s", got)
	}

	p.run.SessionID = "second"
	if got := p.finish(p.start(), sdk.EndExited); got != "nothing changed" {
		t.Errorf("got %s", got)
	}
}

// diffHead is the first line that nono session diff says.
func (p *place) diffHead() string {
	p.t.Helper()
	head, _, _ := strings.Cut(p.command("session diff"), "\n")
	return head
}

// The line at the end and the head of the difference count one way: what was renamed is one path,
// and a git directory is one, whatever changed in it.
func TestOneWayOfCounting(t *testing.T) {
	repository := func(p *place, in, objects string) {
		p.write(in+"/HEAD", "ref: refs/heads/main\n")
		p.write(in+"/config", objects)
		p.write(in+"/refs/heads/main", strings.Repeat(objects, 40)+"\n")
		p.write(in+"/objects/0"+objects+"/object", objects)
	}
	for _, test := range []struct {
		name   string
		change func(*place)
		want   string
	}{
		{"all of it", func(p *place) {
			p.write("a", "changed")
			p.remove("b")
			p.write("new/file", "new")
			if err := os.Rename(p.root+"/moved", p.root+"/elsewhere"); err != nil {
				p.t.Fatal(err)
			}
			repository(p, ".git", "2")
		}, "1 path changed, 3 renamed, 2 new, 1 removed, and .git"},
		{"a rename", func(p *place) {
			if err := os.Rename(p.root+"/a", p.root+"/z"); err != nil {
				p.t.Fatal(err)
			}
		}, "1 renamed"},
		{"git alone", func(p *place) { repository(p, ".git", "2") }, ".git changed"},
		{"two repositories", func(p *place) {
			repository(p, ".git", "2")
			repository(p, "lib/.git", "2")
			p.write("a", "changed")
			p.write("cache/x", "changed")
		}, "2 paths changed, and 2 git directories, 1 of which cannot be undone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t)
			for _, name := range []string{"a", "b", "moved/one", "moved/two", "cache/x"} {
				p.write(name, "this is "+name)
			}
			repository(p, ".git", "1")
			repository(p, "lib/.git", "1")
			state := p.start()
			test.change(p)
			if got := p.finish(state, sdk.EndExited); got != test.want+": nono session diff" {
				t.Errorf("at the end: %s\nnot         %s", got, test.want)
			}
			if got := p.diffHead(); got != "# session first: "+test.want {
				t.Errorf("the head: %s\nnot %s", got, test.want)
			}
		})
	}
}

// Of a session that never began nothing is kept; of one whose core was killed the second snapshot
// is taken, and it is said that it is late.
func TestOtherEnds(t *testing.T) {
	p := newPlace(t)
	p.write("a", "a")
	p.finish(p.start(), sdk.EndStartFailed)
	if _, err := p.known().Get("first"); !os.IsNotExist(err) {
		t.Errorf("a session that never began: %v", err)
	}
	if got := p.finish(nil, sdk.EndStartFailed); got != "" {
		t.Errorf("without a state: %s", got)
	}
	state := p.start()
	p.write("a", "b")
	p.finish(state, sdk.EndCoreLost)
	if of, err := p.known().Get("first"); err != nil || !of.Late || !of.Over() {
		t.Errorf("got %+v, %v", of, err)
	}
}

// A directory that was replaced is not taken for the one that was recorded.
func TestRootGone(t *testing.T) {
	p := newPlace(t)
	p.write("a", "a")
	state := p.start()
	if err := os.Rename(p.root, p.root+"-moved"); err != nil {
		t.Fatal(err)
	}
	if got := p.finish(state, sdk.EndExited); !strings.Contains(got, "cannot be compared") {
		t.Errorf("got %s", got)
	}
	p.run.SessionID = "second"
	if err := os.Rename(p.root+"-moved", p.root); err != nil {
		t.Fatal(err)
	}
	state = p.start()
	if err := os.Rename(p.root, p.root+"-moved"); err != nil {
		t.Fatal(err)
	}
	p.write("planted", "x")
	if got := p.finish(state, sdk.EndExited); !strings.Contains(got, "another directory stands in its place") {
		t.Errorf("got %s", got)
	}
}

// An agent that takes all rights to the directory away does not keep it from being recorded. Root
// needs none, so for it this is no attack.
func TestRootWithoutRights(t *testing.T) {
	for _, mode := range []os.FileMode{0, 0o300, 0o500} {
		p := newPlace(t)
		p.write("a", "a")
		state := p.start()
		p.write("a", "b")
		if err := os.Chmod(p.root, mode); err != nil {
			t.Fatal(err)
		}
		if got := p.finish(state, sdk.EndExited); !strings.Contains(got, "paths changed") &&
			!strings.Contains(got, "1 path changed") {
			t.Errorf("%o: %s", mode, got)
		}
		if of, err := p.known().Get("first"); err != nil || !of.Over() || of.Roots[0].Gone != "" {
			t.Errorf("%o: %+v, %v", mode, of, err)
		}
		if err := os.Chmod(p.root, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// secret is of bytes that do not compress, so that a look into the packs would find it.
const secret = "x7Qk2mPz9vR4tLw8sNb3cYh6"

// What is denied to the agent is nowhere in the store, nor where a link leads that it planted.
// Without the denial it is.
func TestNoSecretIsStored(t *testing.T) {
	for _, denies := range []bool{true, false} {
		p := newPlace(t)
		outside := filepath.Join(filepath.Dir(p.root), "id_rsa")
		if err := os.WriteFile(outside, []byte("outside-"+secret), 0o600); err != nil {
			t.Fatal(err)
		}
		p.write("keys/secret", secret)
		p.write("other", "x")
		if denies {
			p.run.Policy.Filesystem = []policy.PathRule{{
				ID: "filesystem.deny.0", Access: policy.Deny, Path: p.root + "/keys", Type: policy.Directory,
				Source: flag,
			}}
		}
		state := p.start()
		if err := os.Symlink(outside, filepath.Join(p.root, "link")); err != nil {
			t.Fatal(err)
		}
		p.finish(state, sdk.EndExited)
		if p.stored(secret) == denies {
			t.Errorf("denied: %v; in the store: %v", denies, !denies)
		}
		if p.stored("outside-" + secret) {
			t.Error("a link was followed")
		}
	}
}

// What is denied under one name, and lies in the recorded directory under another, is a file of
// that directory: the agent reads and changes it there, so it is recorded, or could not be undone.
// Where it has no name there it is nowhere in the store.
func TestAnotherNameOfWhatIsDenied(t *testing.T) {
	for _, linked := range []bool{true, false} {
		p := newPlace(t)
		p.write("keys/secret", secret)
		p.write("other", "x")
		p.run.Policy.Filesystem = []policy.PathRule{{
			ID: "filesystem.deny.0", Access: policy.Deny, Path: p.root + "/keys", Type: policy.Directory,
			Source: flag,
		}}
		name := filepath.Join(p.root, "public")
		if linked {
			if err := os.Link(filepath.Join(p.root, "keys/secret"), name); err != nil {
				t.Fatal(err)
			}
		}
		state := p.start()
		p.write("public", "changed")
		p.finish(state, sdk.EndExited)
		if p.stored(secret) != linked {
			t.Errorf("linked: %t; in the store: %t", linked, !linked)
		}
		p.command("session rollback", "yes")
		text, err := os.ReadFile(name)
		if linked && string(text) != secret || !linked && !os.IsNotExist(err) {
			t.Errorf("linked: %t; %q, %v", linked, text, err)
		}
	}
}

// command carries out one of the layer's commands, and returns what it prints.
func (p *place) command(path string, flags ...string) string {
	p.t.Helper()
	out, err := os.Create(filepath.Join(p.t.TempDir(), "out"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	given := map[string][]string{}
	for _, name := range flags {
		given[name] = []string{""}
	}
	stdout := os.Stdout
	os.Stdout = out
	err = snapshot.New().(sdk.Commander).Run(p.t.Context(), &sdk.SubcommandRequest{
		Path: path, Dir: p.root, StateDir: p.run.StateDir, Flags: given,
		Session: &sdk.StoredSession{Run: p.run},
	})
	os.Stdout = stdout
	text, readErr := os.ReadFile(out.Name())
	if err != nil || readErr != nil {
		p.t.Fatalf("%s: %v, %v\n%s", path, err, readErr, text)
	}
	return string(text)
}

// Who is kept waiting at the end may end it with Ctrl-C. Nothing is lost by that: a later Finish
// takes the second snapshot.
func TestFinishThatIsCalledOff(t *testing.T) {
	p := newPlace(t)
	for i := range 300 {
		p.write(fmt.Sprintf("d%d/f", i), fmt.Sprint("before", i))
	}
	state := p.start()
	for i := range 300 {
		p.write(fmt.Sprintf("d%d/f", i), fmt.Sprint("after", i))
	}
	calledOff := 0
	for after := time.Duration(0); after < 50*time.Millisecond; after += 5 * time.Millisecond {
		kit := layertest.New(t, snapshot.New())
		ctx, end := context.WithTimeout(t.Context(), after)
		_, err := kit.Host.Finish(ctx, &sdk.FinishRequest{
			Run: p.run, End: sdk.End{Reason: sdk.EndExited}, State: state,
		})
		end()
		if err != nil {
			calledOff++
		}
	}
	if calledOff == 0 {
		t.Error("it was never called off")
	}
	if got := p.finish(state, sdk.EndExited); !strings.Contains(got, "300 paths changed") {
		t.Errorf("got %s", got)
	}
	p.command("session verify")
	p.command("session rollback", "yes")
	if text, err := os.ReadFile(filepath.Join(p.root, "d7/f")); string(text) != "before7" {
		t.Errorf("%q, %v", text, err)
	}
	left, err := filepath.Glob(filepath.Join(p.run.StateDir, "store", "*", "*.tmp"))
	if len(left) > 0 || err != nil {
		t.Errorf("left: %q, %v", left, err)
	}
}

// Sessions begin and end while others are forgotten, again and again: what is not forgotten is
// whole.
func TestForgetWhileSessionsRun(t *testing.T) {
	const workers, sessionsEach = 3, 8
	p := newPlace(t)
	p.write("shared", "shared-"+secret)
	kept := make([][]string, workers)
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			root := fmt.Sprintf("%s-%d", p.root, w)
			run := p.run
			run.Policy.Snapshot.Paths = []policy.SnapshotPath{{ID: "snapshot.path.0", Path: root, Source: flag}}
			layer := snapshot.New()
			for n := range sessionsEach {
				run.SessionID = fmt.Sprintf("w%dn%d", w, n)
				file := filepath.Join(root, fmt.Sprint("file", n%3))
				err := errors.Join(os.MkdirAll(root, 0o700),
					os.WriteFile(file, []byte(run.SessionID+secret), 0o600))
				if err != nil {
					t.Error(err)
					return
				}
				kit := layertest.New(t, layer)
				started, err := kit.Host.Start(t.Context(), &sdk.StartRequest{Run: run}, nil)
				if err != nil {
					t.Errorf("%s: %v", run.SessionID, err)
					return
				}
				if err := os.WriteFile(file, []byte("changed by "+run.SessionID), 0o600); err != nil {
					t.Error(err)
				}
				_, err = kit.Host.Finish(t.Context(), &sdk.FinishRequest{
					Run: run, End: sdk.End{Reason: sdk.EndExited}, State: started.State,
				})
				if err != nil {
					t.Errorf("%s: %v", run.SessionID, err)
				}
				if n%2 == 0 {
					kept[w] = append(kept[w], run.SessionID)
					continue
				}
				_, err = layertest.New(t, layer).Host.Forget(t.Context(), &sdk.ForgetRequest{
					StateDir: run.StateDir, Sessions: []string{run.SessionID},
				})
				if err != nil {
					t.Errorf("forgetting %s: %v", run.SessionID, err)
				}
			}
		})
	}
	work.Wait()
	all := slices.Concat(kept...)
	p.wantKept(all...)
	for _, id := range all {
		p.run.SessionID = id
		p.command("session verify")
	}
}

// What is forgotten is gone from the store, and only that; it is told how much that frees.
func TestForget(t *testing.T) {
	p := newPlace(t)
	p.write("stays", "stays-"+secret)
	p.write("goes", "goes-"+secret)
	state := p.start()
	p.remove("goes")
	p.finish(state, sdk.EndExited)
	p.run.SessionID = "second"
	p.finish(p.start(), sdk.EndExited)
	if !p.stored("goes-"+secret) || !p.stored("stays-"+secret) {
		t.Fatal("not stored") // the control
	}
	kit := layertest.New(t, snapshot.New())
	resp, err := kit.Host.Forget(t.Context(), &sdk.ForgetRequest{
		StateDir: p.run.StateDir, Sessions: []string{"first", "never"},
	})
	if err != nil || resp.Freed == 0 {
		t.Errorf("%+v, %v", resp, err)
	}
	if p.stored("goes-" + secret) {
		t.Error("it is still there")
	}
	if !p.stored("stays-" + secret) {
		t.Error("what another session needs is gone")
	}
	if _, err := p.known().Get("second"); err != nil {
		t.Error(err)
	}
}

// Old snapshots go at the end of a session, and never the one of that session, nor of one that
// runs.
func TestRetention(t *testing.T) {
	p := newPlace(t)
	p.write("a", "a")
	one := int64(1)
	p.run.Policy.Snapshot.Keep = &policy.SnapshotKeep{ID: "snapshot.keep.0", Sessions: &one, Source: flag}
	for _, id := range []string{"first", "second"} {
		p.run.SessionID = id
		state := p.start()
		p.write("a", id)
		p.finish(state, sdk.EndExited)
	}
	p.run.SessionID = "running"
	p.start()
	if err := os.Remove(filepath.Join(p.run.StateDir, "pruned")); err != nil {
		t.Fatal(err)
	}
	p.run.SessionID = "last"
	p.finish(p.start(), sdk.EndExited)
	for id, kept := range map[string]bool{"first": false, "second": false, "running": true, "last": true} {
		if _, err := p.known().Get(id); (err == nil) != kept {
			t.Errorf("%s: %v, want it kept: %v", id, err, kept)
		}
	}
	// Not again within the hour.
	p.run.SessionID = "after"
	p.finish(p.start(), sdk.EndExited)
	if _, err := p.known().Get("last"); err != nil {
		t.Error(err)
	}
}

// tidy has the next session look at what is to be kept, however short ago that was done.
func (p *place) tidy() {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.run.StateDir, "pruned")); err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
}

// session is one in which the agent writes so many bytes, which do not compress.
func (p *place) session(id string, bytes int) (says string) {
	p.t.Helper()
	p.run.SessionID = id
	state := p.start()
	text := make([]byte, bytes)
	_, _ = rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32s", id)))).Read(text)
	p.write("written", string(text))
	p.tidy()
	return p.finish(state, sdk.EndExited)
}

func (p *place) wantKept(want ...string) {
	p.t.Helper()
	list, _, err := p.known().List()
	if err != nil {
		p.t.Fatal(err)
	}
	var got []string
	for _, of := range list {
		got = append(got, of.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.t.Errorf("kept: %q, want %q", got, want)
	}
}

// Whatever an agent writes, it does not push the snapshots of earlier sessions out: its own are the
// first to go. Where many have written, the oldest go. It is told each time.
func TestOneSessionDoesNotPushOutTheOthers(t *testing.T) {
	p := newPlace(t)
	room := int64(1 << 20)
	p.run.Policy.Snapshot.Keep = &policy.SnapshotKeep{ID: "snapshot.keep.0", Size: &room, Source: flag}
	for _, id := range []string{"a", "b", "c"} {
		if says := p.session(id, 100<<10); strings.Contains(says, "keep.size") {
			t.Errorf("%s: %s", id, says)
		}
	}
	says := p.session("greedy", 3<<20)
	p.wantKept("a", "b", "c", "greedy")
	if !strings.Contains(says, "hold 3.1 MiB, more than half of 1.0 MiB (keep.size)") {
		t.Errorf("the greedy one: %s", says)
	}
	p.session("beside", 100<<10) // it has begun with what the greedy one has left
	p.wantKept("a", "b", "c", "greedy", "beside")
	says = p.session("next", 100<<10)
	p.wantKept("a", "b", "c", "next")
	if !strings.Contains(says, "the snapshots of 2 sessions were removed, to keep no more than "+
		"1.0 MiB (keep.size): greedy, beside") {
		t.Errorf("after the greedy one: %s", says)
	}
	for _, id := range []string{"d", "e", "f"} { // each less than half
		says = p.session(id, 300<<10)
	}
	if _, err := p.known().Get("a"); !os.IsNotExist(err) {
		t.Errorf("the oldest is still there: %v", err)
	}
	if _, err := p.known().Get("e"); err != nil {
		t.Error(err)
	}
	if !strings.Contains(says, "were removed, to keep no more than") {
		t.Errorf("the last: %s", says)
	}
}

// A snapshot that nobody can read any more keeps nothing from being forgotten, and is told with the
// session that it is of. What the others need stays.
func TestForgetGoesOnWithoutASnapshot(t *testing.T) {
	p := newPlace(t)
	p.session("first", 50<<10)
	p.session("broken", 60<<10)
	p.session("last", 70<<10)
	of, err := p.known().Get("broken")
	if err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(p.run.StateDir, "store/manifests", of.Roots[0].Before.String())
	last, err := p.known().Get("last")
	if err != nil {
		t.Fatal(err)
	}
	if of.Roots[0].Before != last.Roots[0].Before {
		t.Log("they have nothing in common")
	}
	if err := os.Remove(manifest); err != nil {
		t.Fatal(err)
	}
	resp, err := layertest.New(t, snapshot.New()).Host.Forget(t.Context(), &sdk.ForgetRequest{
		StateDir: p.run.StateDir, Sessions: []string{"first"},
	})
	if err != nil || resp.Freed == 0 {
		t.Errorf("%+v, %v", resp, err)
	}
	p.wantKept("broken", "last")
	says := p.session("next", 1)
	if !strings.Contains(says, "a snapshot of session broken is damaged") ||
		!strings.Contains(says, "nono session rm broken") {
		t.Errorf("it says %s", says)
	}
	p.run.SessionID = "last"
	if head := p.diffHead(); !strings.HasPrefix(head, "# session last: 1 path changed") {
		t.Errorf("another one: %s", head)
	}
}

// A directory that is not there any more ends the start.
func TestStartRefuses(t *testing.T) {
	p := newPlace(t)
	p.run.Policy.Snapshot.Paths[0].Path = p.root + "/gone"
	_, err := layertest.New(t, snapshot.New()).Host.Start(
		t.Context(), &sdk.StartRequest{Run: p.run}, nil)
	if err == nil || !strings.Contains(err.Error(), p.root+"/gone") {
		t.Errorf("got %v", err)
	}
}

// One that lies in another is recorded with it.
func TestNestedRoots(t *testing.T) {
	p := newPlace(t)
	p.write("sub/a", "a")
	p.run.Policy.Snapshot.Paths = append(p.run.Policy.Snapshot.Paths,
		policy.SnapshotPath{ID: "snapshot.path.1", Path: p.root + "/sub", Source: flag})
	resp := layertest.New(t, snapshot.New()).Plan(&sdk.PlanRequest{Run: p.run})
	if by := resp.Coverage[1].By; !strings.HasPrefix(by, "recorded with ") {
		t.Errorf("it is %s", by)
	}
	p.start()
	of, err := p.known().Get("first")
	if err != nil || len(of.Roots) != 1 || time.Since(of.Began) > time.Hour {
		t.Errorf("got %+v, %v", of, err)
	}
}
