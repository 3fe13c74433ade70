package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

func TestControls(t *testing.T) {
	const mountinfo = `21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /proc rw,nosuid - proc proc rw
23 22 0:33 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
24 21 0:21 / /sys rw - sysfs sysfs rw
25 24 0:22 / /sys/fs/cgroup ro shared:9 - cgroup2 cgroup2 rw
26 21 0:40 / /srv/ch\040root/proc rw - proc proc rw
27 21 0:20 /sys /home/ada/proj/kernel rw master:3 propagate_from:2 - proc proc rw
28 21 0:41 / /cgroup/memory rw - cgroup cgroup rw,memory
29 21 0:42 / /home/ada/proc rw - tmpfs proc rw
30 21 0:40 / /srv/ch\040root/proc rw - proc proc rw
nonsense
`
	if diff := cmp.Diff([]string{"/cgroup/memory", "/home/ada/proj/kernel", "/srv/ch root/proc"}, Controls(mountinfo)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestControlsAreHidden(t *testing.T) {
	input := func() Input {
		host := standardTree()
		host.put("/home/ada/proj/chroot/proc", "dir")
		in := standardInput(host)
		in.Controls = []string{"/home/ada/proj/chroot/proc", "/home/ada/proj/gone", "/srv/chroot/proc"}
		return in
	}
	in := input()
	if m := mountAt(mustMake(t, in), "/home/ada/proj/chroot/proc"); m != (fragment.Mask{For: ruleProc, Path: "/home/ada/proj/chroot/proc", Directory: true}) {
		t.Errorf("in a grant stands %#v", m)
	}

	in = input()
	host := in.Look
	e, _ := host("/home/ada/proj/chroot")
	in.Layers = append(in.Layers, custom("acme/x", fragment.Bind{Path: "/mnt/x", From: "/home/ada/proj/chroot", Writable: true, Device: e.Device, Inode: e.Inode}))
	if _, ok := mountAt(mustMake(t, in), "/mnt/x/proc").(fragment.Mask); !ok {
		t.Error("shown elsewhere it is not hidden")
	}

	in = input()
	in.Policy.Disabled = []policy.Disabled{{Kind: policy.KindFilesystem}}
	in.Layers = nil
	in.Own.Documents = nil
	if _, ok := mountAt(mustMake(t, in), "/home/ada/proj/chroot/proc").(fragment.Mask); !ok {
		t.Error("without a filesystem layer it is not hidden")
	}

	in = input()
	in.Controls = []string{"/home/ada/proj"}
	if got := refused(t, in); !strings.Contains(got, "/home/ada/proj cannot be shown inside") || !strings.Contains(got, "agent.hcl:4:3") {
		t.Error(got)
	}
}
