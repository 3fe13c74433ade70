package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// A file that was named by -c may by itself grant what lies beneath its own directory: that is the
// project it came with. But where a file lies is no authority. A stranger's policy that was saved
// to the home directory, or to /tmp, would be given all that lies there, which came from elsewhere
// and is nothing of its own. So a directory that is no project by any reading gives nothing, and
// what the file grants there is asked for like anything else.

// temporary are directories that everybody's files lie in.
var temporary = []string{"/tmp", "/var/tmp", "/dev/shm", "/private/tmp", "/private/var/tmp"}

// gathering are directories in the home that files of all kinds are put into, a stranger's among
// them.
var gathering = []string{"Desktop", "Documents", "Downloads"}

// noProject says why a directory, with links resolved, is no project; "" if nothing speaks against
// it.
func (h *host) noProject(dir string) string {
	temp, err := h.resolve(h.TempDir)
	switch {
	case dir == "/":
		return "holds everything"
	case slices.Contains(temporary, dir), err == nil && dir == temp.Path:
		return "is for everybody's temporary files"
	case dir == h.home:
		return "is your home directory"
	case policy.Within(h.home, dir):
		return "holds your home directory"
	case dir == h.values["XDG_RUNTIME_DIR"]:
		return "holds the sockets of your session"
	}
	if filepath.Dir(dir) == h.home {
		switch name := filepath.Base(dir); {
		case slices.Contains(gathering, name):
			return "is where files of all kinds are put"
		case strings.HasPrefix(name, "."):
			return "holds what programs keep in your home directory"
		}
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return "cannot be looked at"
	}
	if hostfile.OthersWrite(&st) || st.Uid != 0 && int(st.Uid) != h.UID {
		return "is a directory that others can write"
	}
	return ""
}

// ground is the directory of a file that was named by -c, and why it gives nothing by itself.
func (h *host) ground(named string) (dir, gives string, err error) {
	to, err := h.resolve(filepath.Dir(named))
	if err != nil {
		return "", "", err
	}
	if why := h.noProject(to.Path); why != "" {
		return to.Path, h.homely(to.Path) + " " + why, nil
	}
	for _, link := range to.Links() {
		if !h.systems(link.Path) {
			return to.Path, fmt.Sprintf("it was found through the link %s, which the agent of an "+
				"earlier run could have made (without it: -c %s)", h.homely(link.Path),
				diag.Word(h.homely(filepath.Join(to.Path, filepath.Base(named))))), nil
		}
	}
	return to.Path, "", nil
}
