package launch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/core/launch/streams"
	"github.com/nono-run/nono/sdk/fragment"
)

// BenchmarkRun shows where the time of a run of `true` goes, phase by phase, with the view that an
// ordinary run has: the medians. In a real run the plan is made between tier and prepare.
func BenchmarkRun(b *testing.B) {
	box := newBox(b, "true")
	box.recipe.Executable, box.recipe.Args = "/usr/bin/true", []string{"true"}
	box.mount(bind(b, "/usr", "/usr", false))
	for _, l := range []string{"bin", "lib", "lib64"} {
		box.mount(fragment.Link{Path: "/" + l, Target: "usr/" + l})
	}
	box.recipe.Landlock = []fragment.Landlock{
		{Path: "/usr", Rights: []fragment.Right{fragment.RightRead, fragment.RightExecute}},
		{Path: "/proc", Rights: []fragment.Right{fragment.RightRead, fragment.RightWrite}},
		{Path: "/dev", Rights: []fragment.Right{fragment.RightRead, fragment.RightWrite, fragment.RightDevice}},
	}
	var err error
	if box.options.Streams, err = streams.Examine(nil, nil, nil); err != nil {
		b.Fatal(err)
	}
	laps := map[string][]time.Duration{}
	for b.Loop() {
		began := time.Now()
		last := began
		lap := func(phase string, err error) {
			if err != nil {
				b.Fatal(err)
			}
			now := time.Now()
			laps[phase] = append(laps[phase], now.Sub(last))
			last = now
		}
		init, err := launch.Start(b.Context(), box.options)
		lap("start", err)
		host, err := init.Tier(b.Context())
		lap("tier", err)
		box.recipe.LandlockABI = host.LandlockABI
		ready, err := init.Prepare(b.Context(), box.recipe)
		lap("prepare", err)
		lap("exec", init.Go(b.Context(), false))
		_, err = init.Wait()
		lap("end", err)
		ready.Close()
		init.Close()
		laps["whole"] = append(laps["whole"], time.Since(began))
	}
	for phase, times := range laps {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds()), phase+"-median-µs")
	}
}
