package recipe

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/launch/coding"
	"github.com/nono-run/nono/sdk/fragment"
)

func sample() *Recipe {
	return &Recipe{
		Mounts: fragment.List{
			fragment.Tmpfs{For: "base.mounts", Path: "/", Size: 1, Mode: 0o755},
			fragment.Bind{For: "filesystem.read.0", Path: "/usr", Device: 1, Inode: 2},
		},
		Seccomp:    make([]byte, 16),
		Executable: "/usr/bin/true",
		Args:       []string{"true"},
		Env:        []string{"KEY=secret"},
		Dir:        "/",
		Umask:      0o022,
		Streams: [3]Stream{
			{Kind: FileStream, Read: true},
			{Kind: PipeStream, Write: true},
			{Kind: DeviceStream, Write: true, Path: "/dev/null"},
		},
	}
}

func TestSealed(t *testing.T) {
	fd, err := sample().Seal()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("x")); !errors.Is(err, unix.EPERM) {
		t.Errorf("a sealed recipe was written to: %v", err)
	}
	if err := unix.Ftruncate(fd, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("a sealed recipe was cut: %v", err)
	}
	for range 2 { // reading does not use it up
		got, err := Open(fd)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, sample()) {
			t.Errorf("got %+v", got)
		}
	}
}

// TestEncode: every kind of mount arrives as it was sent.
func TestEncode(t *testing.T) {
	r := sample()
	r.Mounts = append(r.Mounts,
		fragment.Bind{
			For: "r", Path: "/a", From: "/b", Writable: true, NoExec: true, Devices: true, Device: 1 << 63,
			Inode: 1<<64 - 1,
		},
		fragment.Tmpfs{For: "r", Path: "/t", Size: 1 << 40, Mode: 0o777 | os.ModeSticky, Report: true},
		fragment.Mask{For: "r", Path: "/m", Directory: true, Readable: true},
		fragment.File{For: "r", Path: "/f", Mode: 0o444, Content: []byte{0, 0xff, '\n'}},
		fragment.Link{For: "r", Path: "/l\xe9", Target: "a/../b\xff"},
		fragment.Pseudo{For: "r", Path: "/proc", Type: fragment.Procfs},
		fragment.Pseudo{For: "r", Path: "/dev/pts", Type: fragment.Devpts},
	)
	r.Landlock = []fragment.Landlock{{
		For: "r", Path: "/", Rights: []fragment.Right{fragment.RightRead},
	}}
	r.LandlockABI = 7
	r.Listeners = []fragment.Listener{{
		For: "r", Name: "n", Network: fragment.UDP, Address: "::1", Port: 53,
		LocalPrefix: "198.18.0.0/15",
	}}
	r.Dial = []uint16{1, 65535}
	r.Executable, r.Dir = "/bin/caf\xe9", "/\xff"
	r.Args = []string{"a\xffb", "\uef80", ""}
	r.Env = []string{"N\xe9=\xff<&>"}
	data, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(data)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, r)
	}
	for n := range data {
		if _, err := decode(data[:n]); err == nil {
			t.Errorf("the first %d bytes were taken for a recipe", n)
		}
	}
	if _, err := decode(append(data, 0)); err == nil {
		t.Error("a byte too many was taken for a part of a recipe")
	}
}

// TestOtherBuild: what another build wrote is told by its first byte, whatever follows.
func TestOtherBuild(t *testing.T) {
	data, err := sample().encode()
	if err != nil {
		t.Fatal(err)
	}
	data[0]++
	if _, err := decode(data); err == nil || !strings.Contains(err.Error(), "another build of nono") {
		t.Errorf("got %v", err)
	}
}

// TestNoMount: what is no mount, or a pointer to one, does not become a recipe.
func TestNoMount(t *testing.T) {
	for _, s := range []fragment.Step{nil, fragment.Env{Name: "X"}, &fragment.Bind{Path: "/usr"}} {
		r := sample()
		r.Mounts = append(r.Mounts, s)
		if _, err := r.encode(); err == nil {
			t.Errorf("%#v was written", s)
		}
	}
}

// TestEveryField: no field of anything that is written is left out.
func TestEveryField(t *testing.T) {
	r := new(Recipe)
	fill(reflect.ValueOf(r).Elem())
	for _, m := range []any{
		new(fragment.Bind), new(fragment.Copy), new(fragment.File), new(fragment.Hold), new(fragment.Link),
		new(fragment.Mask), new(fragment.Pseudo), new(fragment.Tmpfs),
	} {
		fill(reflect.ValueOf(m).Elem())
		r.Mounts = append(r.Mounts, reflect.ValueOf(m).Elem().Interface().(fragment.Step))
	}
	data, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decode(data); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, r)
	}
	for _, m := range []coding.Coded{new(Request), new(Reply)} {
		fill(reflect.ValueOf(m).Elem())
		data, err := coding.Append(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(m).Elem()).Interface().(coding.Coded)
		if err := coding.Read(data, got); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, m)
		}
	}
}

// fill puts something into everything that a value consists of.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		if v.Type() != reflect.TypeFor[fragment.List]() {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0))
			fill(v.Index(1))
		}
	case reflect.Array:
		for n := range v.Len() {
			fill(v.Index(n))
		}
	case reflect.Struct:
		for n := range v.NumField() {
			fill(v.Field(n))
		}
	default:
		panic("nobody said what to put into a " + v.Kind().String())
	}
}

// TestFormat: whoever changes what is written changes the number that says so.
func TestFormat(t *testing.T) {
	all := []any{
		Recipe{},
		Request{},
		Reply{},
		fragment.Bind{},
		fragment.Copy{},
		fragment.File{},
		fragment.Hold{},
		fragment.Link{},
		fragment.Mask{},
		fragment.Pseudo{},
		fragment.Tmpfs{},
	}
	var text strings.Builder
	for _, v := range all {
		describe(&text, reflect.TypeOf(v))
	}
	got := fmt.Sprintf("%d %x", format, sha256.Sum256([]byte(text.String())))
	const want = "2 86a16b43de79e2bfada79740822a50d5f08000b10f2160d7379af1fcf38e6768"
	if got != want {
		t.Errorf("fields have changed. Change the format as well, and then this test to %q", got)
	}
}

// describe writes a type with all that it is made of.
func describe(to *strings.Builder, t reflect.Type) {
	fmt.Fprintf(to, "%s %s;", t, t.Kind())
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		describe(to, t.Elem())
	case reflect.Struct:
		for n := range t.NumField() {
			fmt.Fprintf(to, "%s:", t.Field(n).Name)
			describe(to, t.Field(n).Type)
		}
	}
}

// FuzzDecode: whatever nono-init takes for a recipe it reads the same again, and nothing makes it
// fall over.
func FuzzDecode(f *testing.F) {
	data, err := sample().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{format, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := decode(data)
		if err != nil {
			return
		}
		again, err := first.encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := decode(again)
		if err != nil || !cmp.Equal(first, second, cmpopts.EquateEmpty()) {
			t.Fatalf("%v\nread  %+v\nagain %+v", err, first, second)
		}
		_ = first.Check(TierA)
	})
}

func TestUnsealed(t *testing.T) {
	fd, err := newMemfd()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := Open(fd); err == nil || !strings.Contains(err.Error(), "not sealed") {
		t.Errorf("an unsealed recipe: %v", err)
	}
}

func TestCheck(t *testing.T) {
	if err := sample().Check(TierA); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		change func(*Recipe)
		want   string
	}{
		{func(r *Recipe) { r.Mounts = nil }, "no root"},
		{func(r *Recipe) { r.Mounts = r.Mounts[1:] }, "must be the root"},
		{func(r *Recipe) { r.Mounts = append(r.Mounts, r.Mounts[0]) }, "must be the root"},
		{func(r *Recipe) { r.Mounts[1] = fragment.Bind{Path: "usr"} }, "not absolute and clean"},
		{func(r *Recipe) { r.Mounts[1] = fragment.Bind{Path: "/usr/../etc"} }, "not absolute and clean"},
		{func(r *Recipe) { r.Mounts[1] = fragment.Env{Name: "X"} }, "of the kind env"},
		{func(r *Recipe) { r.Mounts[1] = nil }, "not a <nil>"},
		{
			func(r *Recipe) { r.Mounts[1] = fragment.Bind{Path: "/usr"} },
			"bind step: the layer did not look",
		},
		{
			func(r *Recipe) { r.Landlock = []fragment.Landlock{{Path: "/"}} },
			"landlock step: rights: there are none",
		},
		{func(r *Recipe) { r.Listeners = []fragment.Listener{{}} }, "listener step: name: it is empty"},
		{func(r *Recipe) { r.Seccomp = nil }, "no filter"},
		{func(r *Recipe) { r.Seccomp = make([]byte, 9) }, "no filter"},
		{func(r *Recipe) {
			r.Landlock = []fragment.Landlock{{Path: "/", Rights: []fragment.Right{fragment.RightRead}}}
		}, "no Landlock version"},
		{func(r *Recipe) { r.Executable = "true" }, "not an absolute path"},
		{func(r *Recipe) { r.Umask = 0o1000 }, "no umask has"},
		{func(r *Recipe) { r.Args = nil }, "no arguments"},
		{func(r *Recipe) { r.Dir = "" }, "not an absolute path"},
		{func(r *Recipe) { r.Streams[1] = Stream{} }, "standard stream 1: nobody said what it is"},
		{func(r *Recipe) { r.Streams[2].Kind = "directory" }, "nobody said what it is"},
		{func(r *Recipe) { r.Streams[2].Path = "" }, "a device without a path"},
		{func(r *Recipe) { r.Streams[1].Path = "/dev/null" }, "a pipe has no path"},
		{func(r *Recipe) { r.Streams[0].Path = "/file" }, "no view of a file that is written to"},
		{func(r *Recipe) { r.Streams[1].Kind = SocketStream }, "must be relayed"},
	} {
		r := sample()
		test.change(r)
		if err := r.Check(TierA); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

func TestCheckTierB(t *testing.T) {
	plain := func() *Recipe {
		r := sample()
		r.Mounts, r.Listeners, r.Dial, r.Processes = nil, nil, nil, 0
		r.LandlockABI, r.Landlock = 7, []fragment.Landlock{
			{Path: "/usr", Rights: []fragment.Right{fragment.RightRead}},
		}
		return r
	}
	if err := plain().Check(TierB); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		tier   Tier
		change func(*Recipe)
		want   string
	}{
		{TierB, func(r *Recipe) { r.Mounts = sample().Mounts }, "mounts /, and in tier B nothing"},
		{TierB, func(r *Recipe) { r.Landlock = nil }, "no Landlock rules"},
		{TierB, func(r *Recipe) { r.LandlockABI = 0 }, "no Landlock version"},
		{TierB, func(r *Recipe) { r.Listeners = []fragment.Listener{{Name: "x", Network: fragment.TCP, Port: 1}} }, "core opens itself"},
		{TierB, func(r *Recipe) { r.Dial = []uint16{1} }, "core opens itself"},
		{TierB, func(r *Recipe) { r.Processes = 7 }, "limits the processes"},
		{TierB, func(r *Recipe) { r.Notify = make([]byte, 9) }, "filter of notifications has 9 bytes"},
		{TierA, func(r *Recipe) { r.Mounts, r.BindTCP = sample().Mounts, []uint16{1} }, "ports of the host's"},
		{"", func(*Recipe) {}, `no tier ""`},
	} {
		r := plain()
		test.change(r)
		if err := r.Check(test.tier); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("tier %s: got %v, want %q", test.tier, err, test.want)
		}
	}
}

func TestLifeline(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()

	sent := Reply{Ready: &Ready{Descriptors: []Descriptor{{ListenerDescriptor, "x"}}}}
	if err := Send(pair[0], &sent, int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var reply Reply
	fds, err := Receive(pair[1], &reply)
	if err != nil || len(fds) != 1 || reply.Ready == nil || reply.Ready.Descriptors[0].Name != "x" {
		t.Fatalf("got %+v with %v, %v", reply, fds, err)
	}
	flags, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the descriptor is not close-on-exec: %#x, %v", flags, err)
	}
	CloseAll(fds)
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the descriptor was not the pipe's other end, or was not closed: %v", err)
	}

	// The largest frame passes, one more byte does not.
	around, err := coding.Append(nil, framed{&Reply{Failed: &Failed{Text: strings.Repeat("x", 1<<14)}}})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", MaxFrame-len(around)+1<<14) // of both lengths the number is three bytes
	if err := Send(pair[0], &Reply{Failed: &Failed{Text: long}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(pair[1], &reply); err != nil || reply.Failed.Text != long {
		t.Errorf("the largest frame: %v", err)
	}
	if err := Send(pair[0], &Reply{Failed: &Failed{Text: long + "x"}}); err == nil {
		t.Error("more than a frame was sent")
	}
	if err := Send(pair[0], &Reply{}, make([]int, MaxDescriptors+1)...); err == nil {
		t.Error("more descriptors than a message carries were sent")
	}

	// What was said last arrives, although something was said to that side that it had not read.
	if err := Send(pair[1], &Request{Signal: 1}); err != nil {
		t.Fatal(err)
	}
	if err := Send(pair[0], &Reply{Failed: &Failed{Text: "last"}}); err != nil {
		t.Fatal(err)
	}
	unix.Close(pair[0])
	reply = Reply{}
	if _, err := Receive(pair[1], &reply); err != nil || reply.Failed == nil || reply.Failed.Text != "last" {
		t.Errorf("what was said last: %+v, %v", reply.Failed, err)
	}
	if _, err := Receive(pair[1], &reply); err != io.EOF {
		t.Errorf("after the other side is gone: %v", err)
	}
	if err := Send(pair[1], &Reply{}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("to nobody: %v", err)
	}
}

// TestNoDescriptorLeft: what cannot be taken is said, and nothing of it is kept.
func TestNoDescriptorLeft(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(pair[:])
	if err := Send(pair[0], &Reply{Ready: &Ready{}}, 0, 1, 2); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	next, err := unix.Dup(pair[0])
	if err != nil {
		t.Fatal(err)
	}
	CloseAll([]int{next})
	low := limit
	low.Cur = uint64(next + 1) // room for one
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	_, err = Receive(pair[1], &Reply{})
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), "too many files open") {
		t.Errorf("got %v", err)
	}
	if again, err := unix.Dup(pair[0]); err != nil || again != next {
		t.Errorf("the next descriptor is %d, %v, and was %d", again, err, next)
	} else {
		CloseAll([]int{again})
	}
}
