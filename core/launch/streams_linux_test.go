package launch_test

import (
	"errors"
	"os"
	"path/filepath"
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

// TestFileStream: a file that is read is seen through a mount on which nothing can be changed, and
// can be opened by its name in the direction in which it was given. The controls: without the view
// the file's content comes through a pipe, which has no such mount; without the rule Landlock
// refuses the name.
func TestFileStream(t *testing.T) {
	name := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(name, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	const byName, write = "read=/proc/self/fd/0", "open-w=/proc/self/fd/0"
	run := func(init string) result {
		b := newBox(t, "stream=0", write, byName)
		b.options.Path = init
		b.recipe.Landlock = []fragment.Landlock{
			{Path: "/prober", Rights: []fragment.Right{fragment.RightExecute, fragment.RightRead}},
			{Path: "/proc", Rights: []fragment.Right{fragment.RightRead}},
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b.stdin = f
		r := b.run(t)
		if r.err != nil {
			t.Fatal(r.err)
		}
		return r
	}
	for _, test := range []struct{ init, stream, byName string }{
		{built.init, "read-only true, chmod EROFS", "content"},
		{without(t, "files"), "read-only false, chmod ok", "content"},
		{without(t, "stream-rules"), "read-only true, chmod EROFS", "EACCES"},
	} {
		r := run(test.init)
		if r.of("stream=0") != test.stream || r.of(byName) != test.byName {
			t.Errorf("%s: got %q, %q; want %q, %q", test.init, r.of("stream=0"), r.of(byName), test.stream, test.byName)
		}
		if got := r.of(write); test.init == built.init && got != "EROFS" && got != "EACCES" {
			t.Errorf("opened for writing: %s", got)
		}
	}
}
