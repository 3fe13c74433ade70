package confine

import (
	"slices"
	"testing"

	"github.com/nono-run/nono/sdk/hostfile/hosttest"
)

func TestWithDirectory(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		fixed []string // directories that this user cannot change
		want  []string
	}{
		"a plain file": {
			files: []string{"/etc/resolv.conf"}, fixed: []string{"/etc"},
			want: []string{"/etc/resolv.conf", "/etc"},
		},
		"a plain file, for root": {
			files: []string{"/etc/resolv.conf"},
			want:  []string{"/etc/resolv.conf"},
		},
		"a link": {
			files: []string{
				"/etc/resolv.conf -> ../run/systemd/resolve/stub-resolv.conf",
				"/run/systemd/resolve/stub-resolv.conf",
			},
			fixed: []string{"/etc", "/run", "/run/systemd", "/run/systemd/resolve"},
			want:  []string{"/etc/resolv.conf", "/run/systemd/resolve"},
		},
		"a link to a file that is not there yet": {
			files: []string{"/etc/resolv.conf -> /run/NetworkManager/resolv.conf", "/run/NetworkManager/"},
			fixed: []string{"/run/NetworkManager"},
			want:  []string{"/etc/resolv.conf", "/run/NetworkManager"},
		},
		"a file right beneath /run, where users have what is theirs": {
			files: []string{"/etc/resolv.conf -> /run/resolv.conf", "/run/resolv.conf"},
			fixed: []string{"/etc", "/run"},
			want:  []string{"/etc/resolv.conf"},
		},
		"a file of the user's own": {
			files: []string{"/etc/resolv.conf -> /home/ada/resolv.conf", "/home/ada/resolv.conf"},
			fixed: []string{"/etc", "/home"},
			want:  []string{"/etc/resolv.conf"},
		},
		"no file at all": {
			files: []string{"/"}, want: []string{"/etc/resolv.conf"},
		},
		"a loop": {
			files: []string{"/etc/resolv.conf -> resolv.conf"}, fixed: []string{"/etc"},
			want: []string{"/etc/resolv.conf"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tree := hosttest.New(test.files...)
			for _, dir := range test.fixed {
				n := tree[dir]
				n.Fixed = true
				tree[dir] = n
			}
			if got := withDirectory(tree.Look, "/etc/resolv.conf"); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	for abi, want := range map[int][2]int{
		1: {5, 3}, 2: {5, 3}, 3: {4, 2}, 5: {3, 1}, 6: {1, 0}, 7: {1, 0}, 8: {1, 0}, 9: {0, 0}, 20: {0, 0},
	} {
		if got := [2]int{len(missing(abi, true)), len(missing(abi, false))}; got != want {
			t.Errorf("version %d: %v are missing, want %v", abi, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	for want, r := range map[string]Report{
		"confined by Landlock, version 9": {ABI: 9},
		"confined by Landlock, version 7, which does not keep it from a, from b": {
			ABI: 7, Missing: []string{"a", "b"},
		},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
