package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/policy"
)

// fake is a layer that no SDK keeps from doing what it should not. What layers in Go can do wrong
// is tried in package layertest.
type fake struct {
	sdk.Description
	answered atomic.Uint64
	slow     func()
	start    func() (*sdk.StartResponse, error)
	finish   func(*sdk.FinishRequest) (*sdk.FinishResponse, error)
}

func (f *fake) Describe(context.Context) (sdk.Description, error) { return f.Description, nil }

func (f *fake) OpenSession(context.Context, host.Handler) error {
	f.answered.Store(2)
	return nil
}

func (f *fake) Plan(context.Context, *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	return &sdk.PlanResponse{}, nil
}

func (f *fake) Start(
	context.Context, *sdk.StartRequest, map[string]host.Listener,
) (*sdk.StartResponse, error) {
	if f.slow != nil {
		f.slow()
	}
	return f.start()
}

func (f *fake) Finish(_ context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	return f.finish(req)
}

func (f *fake) Beats() uint64 { return f.answered.Load() }
func (f *fake) Kill()         {}
func (f *fake) Close()        {}

func newFake(lifetime sdk.Lifetime) *fake {
	return &fake{
		Description: sdk.Description{
			Name: "test/fake", Version: "1", Kind: policy.KindCustom, Lifetime: lifetime,
		},
		start: func() (*sdk.StartResponse, error) { return &sdk.StartResponse{}, nil },
		finish: func(*sdk.FinishRequest) (*sdk.FinishResponse, error) {
			return &sdk.FinishResponse{}, nil
		},
	}
}

func hold(t *testing.T, f *fake, hold func(*trial) error) error {
	t.Helper()
	connect := func(context.Context) (Host, error) { return f, nil }
	return Check{hold: hold}.Hold(t.Context(), Subject{Connect: connect, Dir: t.TempDir()})
}

func TestEphemeralWithAStart(t *testing.T) {
	no := errors.New("there is no such call")
	f := newFake(sdk.Ephemeral)
	if err := hold(t, f, ephemeral); err == nil || err.Error() != "it could be started" {
		t.Errorf("with a Start: %v", err)
	}
	f.start = func() (*sdk.StartResponse, error) { return nil, no }
	if err := hold(t, f, ephemeral); err == nil || err.Error() != "it could be finished" {
		t.Errorf("with a Finish: %v", err)
	}
	f.finish = func(*sdk.FinishRequest) (*sdk.FinishResponse, error) { return nil, no }
	if err := hold(t, f, ephemeral); err != nil {
		t.Errorf("with neither: %v", err)
	}
}

func TestSilence(t *testing.T) {
	f := newFake(sdk.Resident)
	const long, says = silence * 3 / 2, "while Start ran, no beat was answered for"
	for name, c := range map[string]struct {
		slow func()
		want string
	}{
		"a quick call":                     {func() {}, ""},
		"a long one in which it answers":   {func() { f.beatFor(long) }, ""},
		"one in which it does not":         {func() { time.Sleep(long) }, says},
		"one that it makes up for at once": {func() { time.Sleep(long); f.answered.Add(30) }, says},
	} {
		f.slow = c.slow
		err := hold(t, f, beats)
		if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func (f *fake) beatFor(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		f.answered.Add(1)
	}
}

// Every change is seen, and nothing else is.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(Furnish(dir))
	before, err := treeOf(dir)
	must(err)
	if again, err := treeOf(dir); err != nil || len(before.changes(again)) > 0 {
		t.Errorf("nothing was changed: %v, %v", before.changes(again), err)
	}
	must(os.WriteFile(dir+"/new", nil, 0o600))
	must(os.Remove(dir + "/out/file"))
	must(os.Chmod(dir+"/notes", 0o644))
	info, err := os.Stat(dir + "/data/file")
	must(err)
	must(os.WriteFile(dir+"/data/file", []byte("DATA/FILE"), 0o600))
	must(os.Chtimes(dir+"/data/file", time.Time{}, info.ModTime()))
	after, err := treeOf(dir)
	must(err)
	if got := strings.Join(before.changes(after), " "); got != ". data/file new notes out out/file" {
		t.Errorf("changed: %s", got)
	}
}

// Forget implements Host.
func (f *fake) Forget(context.Context, *sdk.ForgetRequest) (*sdk.ForgetResponse, error) {
	return &sdk.ForgetResponse{}, nil
}
