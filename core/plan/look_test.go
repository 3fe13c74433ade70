package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/policy"
)

func TestFollow(t *testing.T) {
	host := newTree("/home/ada/real/nono", "/home/ada/abs -> /home/ada/real", "/home/ada/rel -> ../ada/real", "/home/ada/up -> abs/..",
		"/home/ada/gone -> nowhere", "/home/ada/loop -> loop")
	tests := []struct {
		name, path, hops string
	}{
		{"/home/ada/real/nono", "/home/ada/real/nono", "/home /home/ada /home/ada/real /home/ada/real/nono"},
		{"/home/ada/rel/nono", "/home/ada/real/nono", "/home /home/ada /home/ada/rel /home/ada /home/ada/real /home/ada/real/nono"},
		{"/home/ada/abs", "/home/ada/real", "/home /home/ada /home/ada/abs /home /home/ada /home/ada/real"},
		{"/home/ada/up", "/home/ada", "/home /home/ada /home/ada/up /home/ada/abs /home /home/ada /home/ada/real"}, // not cleaned to /home/ada
		{"/home/ada/new/nono", "/home/ada/new/nono", "/home /home/ada /home/ada/new /home/ada/new/nono"},
		{"/home/ada/gone/x", "/home/ada/nowhere/x", "/home /home/ada /home/ada/gone /home/ada/nowhere /home/ada/nowhere/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := follow(host.look, tt.name)
			if err != nil {
				t.Fatal(err)
			}
			var hops []string
			for _, h := range r.hops {
				hops = append(hops, h.path)
			}
			if r.path != tt.path || strings.Join(hops, " ") != tt.hops {
				t.Errorf("leads to %s by %v", r.path, hops)
			}
			want, _ := host.look(tt.path)
			if diff := cmp.Diff(want, r.entry); diff != "" {
				t.Errorf("what is there (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := follow(host.look, "/home/ada/loop/x"); err == nil || !strings.Contains(err.Error(), "too many links") {
		t.Errorf("a circle: %v", err)
	}
}

func TestHost(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"link":   os.Symlink("file", filepath.Join(dir, "link")),
		"linked": os.Link(file, filepath.Join(dir, "linked")),
	} {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]Entry{
		dir:                            {Type: policy.Directory},
		file:                           {Type: policy.Regular, Links: 2},
		filepath.Join(dir, "link"):     {Type: policy.Special, Target: "file"},
		filepath.Join(dir, "no"):       {Type: policy.Missing},
		filepath.Join(file, "no", "x"): {Type: policy.Missing},
		os.DevNull:                     {Type: policy.Special},
	} {
		got, err := Host(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if (got.Inode != 0) != (want.Type != policy.Missing) || (got.Device != 0) != (want.Type != policy.Missing) {
			t.Errorf("%s: device %d, inode %d", name, got.Device, got.Inode)
		}
		got.Device, got.Inode = 0, 0
		if want.Type != policy.Regular {
			got.Links = 0
		}
		if got != want {
			t.Errorf("%s: %+v, wanted %+v", name, got, want)
		}
	}
}

// A directory of one's own can be changed, whatever its mode says now: its owner can change the mode. One of root's cannot, but by root.
func TestFixed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if e, err := Host(dir); err != nil || e.Fixed {
		t.Errorf("one's own directory without write permission: %+v, %v", e, err)
	}
	if e, err := Host("/"); err != nil || e.Fixed == (os.Geteuid() == 0) {
		t.Errorf("/ for user %d: %+v, %v", os.Geteuid(), e, err)
	}
}
