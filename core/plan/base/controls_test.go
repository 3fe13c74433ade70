package base

import (
	"testing"

	"github.com/google/go-cmp/cmp"
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
