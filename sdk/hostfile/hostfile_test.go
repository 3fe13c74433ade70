package hostfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// links is a file system in which some paths are links, and all others directories but for those
// that contain a name from missing.
type links map[string]string

const missing = "new"

func (l links) look(name string) (hostfile.Entry, error) {
	if target, ok := l[name]; ok {
		return hostfile.Entry{Type: policy.Special, Target: target}, nil
	}
	if strings.Contains(name, missing) {
		return hostfile.Entry{Type: policy.Missing}, nil
	}
	return hostfile.Entry{Type: policy.Directory}, nil
}

func TestFollow(t *testing.T) {
	host := links{
		"/home/ada/abs": "/home/ada/real", "/home/ada/rel": "../ada/real", "/home/ada/up": "abs/..",
		"/home/ada/gone": "new", "/home/ada/loop": "loop",
	}
	const ada = "/home /home/ada "
	tests := []struct{ name, path, hops string }{
		{"/home/ada/real/nono", "/home/ada/real/nono", ada + "/home/ada/real /home/ada/real/nono"},
		{"/home/ada/rel/nono", "/home/ada/real/nono", ada + "/home/ada/rel /home/ada /home/ada/real /home/ada/real/nono"},
		{"/home/ada/abs", "/home/ada/real", ada + "/home/ada/abs " + ada + "/home/ada/real"},
		// Not cleaned to /home/ada before the link is followed.
		{"/home/ada/up", "/home/ada", ada + "/home/ada/up /home/ada/abs " + ada + "/home/ada/real"},
		{"/home/ada/new/nono", "/home/ada/new/nono", ada + "/home/ada/new /home/ada/new/nono"},
		{"/home/ada/gone/x", "/home/ada/new/x", ada + "/home/ada/gone /home/ada/new /home/ada/new/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := hostfile.Follow(host.look, tt.name)
			if err != nil {
				t.Fatal(err)
			}
			var hops, met []string
			for _, h := range r.Hops {
				hops = append(hops, h.Path)
				if h.Entry.Target != "" {
					met = append(met, h.Path)
				}
			}
			if r.Path != tt.path || strings.Join(hops, " ") != tt.hops {
				t.Errorf("leads to %s by %v", r.Path, hops)
			}
			var listed []string
			for _, h := range r.Links() {
				listed = append(listed, h.Path)
			}
			if diff := cmp.Diff(met, listed); diff != "" {
				t.Errorf("its links (-want +got):\n%s", diff)
			}
			alone, err := hostfile.FollowLinks(host.look, tt.name)
			if err != nil || alone.Path != r.Path || alone.Entry != r.Entry {
				t.Errorf("with its links alone: %+v, %v", alone, err)
			}
			if diff := cmp.Diff(r.Links(), alone.Hops); diff != "" {
				t.Errorf("its links alone (-all +alone):\n%s", diff)
			}
			want, _ := host.look(tt.path)
			if diff := cmp.Diff(want, r.Entry); diff != "" {
				t.Errorf("what is there (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := hostfile.Follow(host.look, "/home/ada/loop/x"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a circle: %v", err)
	}
}

// The kernel follows forty links and refuses the next; a name that it would refuse leads nowhere.
func TestFollowHasTheKernelsLimits(t *testing.T) {
	dir := t.TempDir()
	at := func(n int) string { return filepath.Join(dir, fmt.Sprintf("link%d", n)) }
	if err := os.WriteFile(at(0), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= hostfile.MaxLinks+1; n++ {
		if err := os.Symlink(at(n-1), at(n)); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int]error{hostfile.MaxLinks: nil, hostfile.MaxLinks + 1: unix.ELOOP} {
		_, err := hostfile.Follow(hostfile.Host, at(n))
		_, kernel := os.Stat(at(n))
		if !errors.Is(err, want) || !errors.Is(kernel, want) {
			t.Errorf("%d links: %v, and the kernel says %v", n, err, kernel)
		}
	}
	// Only the number of names is nono's own limit: here it is one of forty links.
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		to := strings.Repeat("d/../", 790) + fmt.Sprintf("far%d", n-1)
		if n == 0 {
			to = "d"
		}
		if err := os.Symlink(to, filepath.Join(dir, fmt.Sprintf("far%d", n))); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]error{"far5": nil, "far9": unix.ELOOP} {
		if _, err := hostfile.Follow(hostfile.Host, filepath.Join(dir, name)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	long := "/" + strings.Repeat("./", hostfile.MaxPath/2)
	for name, want := range map[string]error{long[:hostfile.MaxPath]: nil, long + "x": unix.ENAMETOOLONG} {
		_, err := hostfile.Follow(hostfile.Host, name)
		_, kernel := os.Stat(name)
		if !errors.Is(err, want) || !errors.Is(kernel, want) {
			t.Errorf("%d bytes: %v, and the kernel says %v", len(name), err, kernel)
		}
	}
}

func TestResolve(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(dir, dir+"/back"), os.Symlink("gone", dir+"/nothing"),
		os.Symlink("loop", dir+"/loop")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		dir + "/back/back": nil, dir + "/nothing": unix.ENOENT, dir + "/gone": unix.ENOENT,
		dir + "/loop": unix.ELOOP, "relative": unix.EINVAL,
	} {
		got, err := hostfile.Resolve(name)
		if !errors.Is(err, want) || want == nil && got != dir {
			t.Errorf("%s: %s, %v, want %v", name, got, err, want)
		}
	}
}

func TestHost(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!x"), 0o610); err != nil {
		t.Fatal(err)
	}
	longest := strings.Repeat("x", hostfile.MaxPath)
	for name, err := range map[string]error{
		"link":    os.Symlink("file", filepath.Join(dir, "link")),
		"linked":  os.Link(file, filepath.Join(dir, "linked")),
		"longest": os.Symlink(longest, filepath.Join(dir, "longest")),
	} {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]hostfile.Entry{
		dir:                            {Type: policy.Directory},
		file:                           {Type: policy.Regular, Links: 2, Ours: true},
		program:                        {Type: policy.Regular, Links: 1, Executable: true, Size: 3, Ours: true},
		filepath.Join(dir, "link"):     {Type: policy.Special, Target: "file"},
		filepath.Join(dir, "longest"):  {Type: policy.Special, Target: longest},
		filepath.Join(dir, "no"):       {Type: policy.Missing},
		filepath.Join(file, "no", "x"): {Type: policy.Missing},
		os.DevNull:                     {Type: policy.Special},
	} {
		got, err := hostfile.Host(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		there := want.Type != policy.Missing
		if (got.Inode != 0) != there || (got.Device != 0) != there {
			t.Errorf("%s: device %d, inode %d", name, got.Device, got.Inode)
		}
		got.Device, got.Inode, got.Rooted = 0, 0, false
		if want.Type != policy.Regular {
			got.Links = 0
		}
		if got != want {
			t.Errorf("%s: %+v, wanted %+v", name, got, want)
		}
	}
}

// A directory of one's own can be changed, whatever its mode says now: its owner can change the
// mode. One of root's cannot, but by root.
func TestFixed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if e, err := hostfile.Host(dir); err != nil || e.Fixed {
		t.Errorf("one's own directory without write permission: %+v, %v", e, err)
	}
	if e, err := hostfile.Host("/"); err != nil || e.Fixed == (os.Geteuid() == 0) {
		t.Errorf("/ for user %d: %+v, %v", os.Geteuid(), e, err)
	}
}

// What root made, where nobody else could have put it, is the system's; a mode that lets others in
// takes that away.
func TestRooted(t *testing.T) {
	root := os.Geteuid() == 0
	dir := t.TempDir()
	if err := os.Symlink("/usr", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		mode os.FileMode // 0: as it is
		want bool
	}{
		{"/", 0, true},
		{"/usr", 0, true},
		{dir, 0o755, root},
		{dir, 0o757, false},
		{dir, 0o775, root}, // root's own group
		{filepath.Join(dir, "link"), 0, root},
		{filepath.Join(dir, "missing"), 0, false},
		{os.TempDir(), 0, false},
	} {
		if tt.mode != 0 {
			if err := os.Chmod(tt.path, tt.mode); err != nil {
				t.Fatal(err)
			}
		}
		if e, err := hostfile.Host(tt.path); err != nil || e.Rooted != tt.want {
			t.Errorf("%s with mode %o: %+v, %v", tt.path, tt.mode, e, err)
		}
	}
}

func TestOthersWrite(t *testing.T) {
	for _, tt := range []struct {
		st   unix.Stat_t
		want bool
	}{
		{unix.Stat_t{Uid: 1000, Gid: 1000, Mode: unix.S_IFDIR | 0o755}, false},
		{unix.Stat_t{Uid: 1000, Gid: 1000, Mode: unix.S_IFDIR | 0o775}, false}, // a private group
		{unix.Stat_t{Uid: 1000, Gid: 100, Mode: unix.S_IFDIR | 0o755}, false},
		{unix.Stat_t{Uid: 1000, Gid: 100, Mode: unix.S_IFDIR | 0o775}, true},
		{unix.Stat_t{Uid: 1000, Gid: 1000, Mode: unix.S_IFDIR | 0o777}, true},
		{unix.Stat_t{Mode: unix.S_IFDIR | 0o1777}, true},
	} {
		if got := hostfile.OthersWrite(&tt.st); got != tt.want {
			t.Errorf("%d:%d with mode %o: %v", tt.st.Uid, tt.st.Gid, tt.st.Mode, got)
		}
	}
}

func TestOnce(t *testing.T) {
	asked := 0
	look := hostfile.Once(func(string) (hostfile.Entry, error) {
		asked++
		return hostfile.Entry{Type: policy.Directory}, nil
	})
	for range 3 {
		if _, err := hostfile.Follow(look, "/a/b/c"); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 4 { // the root and three names
		t.Errorf("the file system was asked %d times", asked)
	}
	beneath := links{}
	asked = 0
	look = hostfile.Once(func(name string) (hostfile.Entry, error) {
		asked++
		return beneath.look(name)
	})
	for _, name := range []string{"/a/new/b/c", "/a/new/b/d", "/a/newer/x"} {
		r, err := hostfile.Follow(look, name)
		if err != nil || r.Path != name || r.Entry.Type != policy.Missing {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if asked != 4 { // the root, /a, and what is missing in it
		t.Errorf("the file system was asked %d times about what is missing", asked)
	}
}

// TestList: a directory's entries, no more than were asked for, and nothing but a directory's.
func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := hostfile.List(dir, 2); err != nil || len(entries) != 2 {
		t.Errorf("of three names two: %v, %v", entries, err)
	}
	if entries, err := hostfile.List(dir, 9); err != nil || len(entries) != 3 {
		t.Errorf("all three names: %v, %v", entries, err)
	}
	if entries, err := hostfile.List(t.TempDir(), 9); err != nil || len(entries) != 0 {
		t.Errorf("an empty directory: %v, %v", entries, err)
	}
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink(dir, link), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, pipe, filepath.Join(dir, "a"), filepath.Join(dir, "none")} {
		if entries, err := hostfile.List(name, 9); err == nil {
			t.Errorf("%s was listed: %v", name, entries)
		}
	}
}
