package doctor

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nono-run/nono/core/plan/base"
)

// Host is what the host says of itself. What it does not say is empty.
type Host struct {
	Kernel       string `json:"kernel"`
	Distribution string `json:"distribution,omitempty"`
	// Container is what this is a container of: docker, podman, kubernetes, lxc, systemd-nspawn; or
	// "container", where it is one and does not say of what.
	Container string `json:"container,omitempty"`
	// WSL is the version of the Windows Subsystem for Linux.
	WSL int `json:"wsl,omitempty"`
	// Runner is the service whose job this is: github, gitlab.
	Runner string `json:"runner,omitempty"`
	// Service is the unit of systemd's that this runs in.
	Service string `json:"service,omitempty"`
	// Inside says that this is inside a sandbox of nono's.
	Inside bool `json:"inside_nono,omitempty"`

	UID int `json:"uid"`
	// NoCapabilities says that this process has none and can get none.
	NoCapabilities bool `json:"no_capabilities,omitempty"`
	// Filtered says that all runs beneath a filter of system calls already.
	Filtered bool `json:"seccomp,omitempty"`
	// Covered are parts of /proc over which something is mounted.
	Covered []string `json:"covered_proc,omitempty"`
	// Modules are the kernel's security modules that are switched on; Profile is AppArmor's for this
	// process.
	Modules []string `json:"security_modules,omitempty"`
	Profile string   `json:"apparmor_profile,omitempty"`
	// Settings are those of the kernel's that decide about namespaces, and others that are of account
	// to a run: by their names, as sysctl has them.
	Settings map[string]string `json:"settings,omitempty"`
	// Group is the control group, and Delegated says that the user may divide it.
	Group     string `json:"control_group,omitempty"`
	Delegated bool   `json:"control_group_delegated,omitempty"`
}

// Settings that are looked at.
const (
	SettingLimit    = "user.max_user_namespaces"
	SettingDebian   = "kernel.unprivileged_userns_clone"
	SettingAppArmor = "kernel.apparmor_restrict_unprivileged_userns"
	SettingYama     = "kernel.yama.ptrace_scope"
	SettingCore     = "kernel.core_pattern"
)

// Env is what of the environment says something about the host.
type Env struct {
	UID    int
	Lookup func(string) (string, bool)
	// MayWrite says whether this process may write in a directory.
	MayWrite func(name string) bool
}

// mostRead is how much is read of a file that says something of the host.
const mostRead = 1 << 20

// Look reads what the host says of itself, beneath its root.
func Look(root fs.FS, env Env) Host {
	l := looker{root, env}
	h := Host{UID: env.UID, Settings: map[string]string{}}
	for _, name := range []string{
		SettingLimit, SettingDebian, SettingAppArmor, SettingYama, SettingCore,
	} {
		if value := l.line("proc/sys/" + strings.ReplaceAll(name, ".", "/")); value != "" {
			h.Settings[name] = value
		}
	}
	h.Kernel = l.line("proc/sys/kernel/osrelease")
	h.Distribution = l.distribution()
	h.WSL = wsl(h.Kernel)
	h.Container = l.container()
	h.Runner = l.runner()
	h.Inside = l.line("proc/1/comm") == "nono-init" || l.variable(base.SessionVariable) != ""
	l.status(&h)
	h.Covered = l.covered()
	if list := l.line("sys/kernel/security/lsm"); list != "" {
		h.Modules = strings.Split(list, ",")
	}
	if profile := l.line("proc/self/attr/current"); profile != "unconfined" {
		h.Profile = profile
	}
	l.group(&h)
	return h
}

type looker struct {
	root fs.FS
	env  Env
}

// text is a file's content, as far as anybody wants it; empty where it cannot be read.
func (l looker) text(name string) string {
	f, err := l.root.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	var b []byte
	for piece := make([]byte, 32<<10); len(b) < mostRead; {
		n, err := f.Read(piece)
		b = append(b, piece[:n]...)
		if err != nil {
			break
		}
	}
	return strings.TrimRight(string(b), "\x00")
}

func (l looker) line(name string) string { return strings.TrimSpace(l.text(name)) }

func (l looker) exists(name string) bool {
	_, err := fs.Stat(l.root, name)
	return err == nil
}

func (l looker) variable(name string) string {
	value, _ := l.env.Lookup(name)
	return value
}

func (l looker) distribution() string {
	for line := range strings.Lines(l.text("etc/os-release")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"'`)
		}
	}
	return ""
}

// wsl is the version that a kernel's release says, for those of Microsoft's have their name in it.
func wsl(release string) int {
	lower := strings.ToLower(release)
	switch {
	case strings.Contains(lower, "wsl2"):
		return 2
	case strings.Contains(lower, "microsoft"):
		return 1
	}
	return 0
}

// container is what marks the containers that there are have.
func (l looker) container() string {
	switch {
	case l.variable("KUBERNETES_SERVICE_HOST") != "":
		return "kubernetes"
	case l.exists("run/.containerenv"):
		return "podman"
	case l.exists(".dockerenv"):
		return "docker"
	}
	// systemd's convention, which LXC and nspawn keep.
	switch named := l.variable("container"); named {
	case "":
	case "lxc", "podman", "docker", "systemd-nspawn":
		return named
	default:
		return "container"
	}
	return l.line("run/systemd/container")
}

func (l looker) runner() string {
	switch {
	case l.variable("GITHUB_ACTIONS") != "":
		return "github"
	case l.variable("GITLAB_CI") != "":
		return "gitlab"
	}
	return ""
}

// status is what the kernel says of this process.
func (l looker) status(h *Host) {
	fields := map[string]string{}
	for line := range strings.Lines(l.text("proc/self/status")) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	h.Filtered = fields["Seccomp"] == "2"
	none := func(set string) bool {
		n, err := strconv.ParseUint(fields[set], 16, 64)
		return err == nil && n == 0
	}
	h.NoCapabilities = none("CapPrm") && none("CapBnd")
}

// covered are the places beneath /proc at which something else is mounted. A /proc of which part is
// hidden keeps everybody from mounting another one.
func (l looker) covered() []string {
	const point = 4 // of the fields of a line
	var names []string
	for line := range strings.Lines(l.text("proc/self/mountinfo")) {
		f := strings.Fields(line)
		if len(f) > point && strings.HasPrefix(f[point], "/proc/") && !harmless(f[point]) {
			names = append(names, f[point])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// harmless is what systemd mounts into /proc, where the directory is empty by itself and hides
// nothing.
func harmless(name string) bool { return name == "/proc/sys/fs/binfmt_misc" }

// group is where in the tree of control groups this process is.
func (l looker) group(h *Host) {
	for line := range strings.Lines(l.text("proc/self/cgroup")) {
		if at, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			h.Group = at
		}
	}
	if h.Group == "" {
		return
	}
	h.Delegated = l.env.MayWrite(path.Join("/sys/fs/cgroup", h.Group))
	if unit := path.Base(h.Group); strings.HasSuffix(unit, ".service") &&
		!strings.HasPrefix(unit, "user@") {
		h.Service = unit
	}
}
