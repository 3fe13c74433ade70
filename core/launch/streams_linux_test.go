package launch_test

import (
	"errors"
	"os"
	"testing"

	"github.com/nono-run/nono/core/launch"
	"github.com/nono-run/nono/sdk/fragment"
)

// TestDevices: a stream that is a device is the session's own file of it, whose mode root cannot
// change for everybody; and one that is closed is the session's /dev/null. The control: without
// that step the host's own file is what the agent holds.
func TestDevices(t *testing.T) {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, stdin := range map[string]*os.File{"null": null, "closed": nil} {
		b := newBox(t, "stream=0")
		b.stdin = stdin
		b.want(t, map[string]string{"stream=0": "read-only true, chmod EROFS"})

		b = newBox(t, "stream=0")
		b.stdin = stdin
		b.options.Path = without(t, "devices")
		want := "read-only false, chmod EPERM"
		if os.Getuid() == 0 {
			want = "read-only false, chmod ok"
		}
		if got := b.run(t).of("stream=0"); got != want {
			t.Errorf("control: %s: got %s, want %s", name, got, want)
		}
	}
}

// TestDeviceIsADevice: what a layer put at a device's name is not taken for it.
func TestDeviceIsADevice(t *testing.T) {
	b := newBox(t, "pid")
	for i, s := range b.recipe.Mounts {
		if s.(fragment.Mount).At() == "/dev/null" {
			b.recipe.Mounts[i] = bind(t, built.prober, "/dev/null", false)
		}
	}
	_, _, err := b.prepare(t)
	var s *launch.StepError
	if !errors.As(err, &s) || s.Step != "devices" || s.Path != "/dev/null" {
		t.Errorf("got %v", err)
	}
}
