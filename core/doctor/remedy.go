package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk"
)

// Remedies are what would make a host hold more than it does, the most likely first. They follow
// from what the host says and what the start came to, and nothing else.
func Remedies(h Host, s Sandbox, l Landlock) []Remedy {
	var list []Remedy
	add := func(what string, do ...string) { list = append(list, Remedy{what, do}) }
	if h.Inside {
		add("this is inside a sandbox of nono's, which holds for all that is started here",
			"run the command itself, without nono")
		return list
	}
	if s.Tier == sdk.TierA || s.Tier == "" && !s.Refused {
		return list // nothing that the host refuses
	}
	if l.ABI == 0 {
		withoutLandlock(h, l, add)
	}
	switch {
	case h.WSL == 1:
		add("this is WSL 1, which has no Linux kernel",
			"in a terminal of Windows: wsl --set-version DISTRIBUTION 2")
	case h.Runner != "" && h.walled():
		runnersContainer(h, add)
	case h.walled():
		container(h, add)
	case h.Container == "" && h.Service != "":
		add("the unit "+h.Service+" keeps namespaces or mounts away", unit()...)
	}
	settings(h, add)
	if h.UID == 0 && h.NoCapabilities {
		add("root without capabilities may not give his own number to a user namespace",
			"run nono as an ordinary user; in a container: docker run --user 1000:1000 ...")
	}
	return list
}

// walled reports whether this is a container that has what containers have in the way.
func (h Host) walled() bool { return h.Container != "" && (h.Filtered || len(h.Covered) > 0) }

// settings are the kernel's, which root can change where this is no container: there they are the
// host's.
func settings(h Host, add func(string, ...string)) {
	where := ""
	if h.Container != "" {
		where = "on the container's host: "
	}
	if h.Settings[SettingAppArmor] == "1" {
		do := []string{
			where + "nono doctor --apparmor | sudo tee /etc/apparmor.d/nono >/dev/null",
			where + "sudo apparmor_parser -r /etc/apparmor.d/nono",
		}
		what := "AppArmor lets only programs with a profile use user namespaces " +
			"(" + SettingAppArmor + " is 1); this gives nono alone one"
		if h.Runner == "github" && h.Container == "" {
			do = []string{
				"as a step of the job, before nono: " +
					"sudo sysctl -w " + SettingAppArmor + "=0",
			}
			what = "AppArmor restricts user namespaces (" + SettingAppArmor + " is 1), " +
				"and the runner is the job's alone"
		}
		add(what, do...)
	}
	if h.Settings[SettingLimit] == "0" {
		add(SettingLimit+" is 0: nobody may make user namespaces",
			persistent(where, SettingLimit, "15000")...)
	}
	if h.Settings[SettingDebian] == "0" {
		add(SettingDebian+" is 0: only root may make user namespaces",
			persistent(where, SettingDebian, "1")...)
	}
}

// persistent sets a setting, now and at each start of the machine.
func persistent(where, name, value string) []string {
	return []string{
		fmt.Sprintf("%ssudo sysctl -w %s=%s", where, name, value),
		fmt.Sprintf("%secho %s=%s | sudo tee /etc/sysctl.d/60-nono.conf >/dev/null",
			where, name, value),
	}
}

// container is for those in which somebody at a terminal, or a cluster, runs nono. What is taken
// away here from the container's own walls nono puts around the agent again; what else runs in the
// container loses them.
func container(h Host, add func(string, ...string)) {
	const what = "the container's filter, or its covered /proc, keeps namespaces away; " +
		"what runs beside nono in it loses those walls"
	switch h.Container {
	case "docker":
		add(what, "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "+
			"--security-opt systempaths=unconfined --user 1000:1000 ...")
	case "podman":
		add(what, "podman run --security-opt seccomp=unconfined --security-opt unmask=ALL "+
			"--userns=keep-id ...")
	case "kubernetes":
		add(what, "in the pod's spec: hostUsers: false",
			"in the container's securityContext: procMount: Unmasked, "+
				"seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}, runAsUser: 1000")
	case "lxc":
		add("the container may not nest", "on its host: lxc config set NAME security.nesting true")
	case "systemd-nspawn":
		add("the container has no user namespaces of its own",
			"systemd-nspawn --private-users=pick --system-call-filter=@mount ...")
	default:
		add(what, "start it with its /proc whole, and with a seccomp profile "+
			"that lets clone, mount and pivot_root through")
	}
}

// runnersContainer is for a job that runs in a container of a service's.
func runnersContainer(h Host, add func(string, ...string)) {
	switch h.Runner {
	case "github":
		add("the job runs in a container, whose filter keeps namespaces away",
			"in the workflow: take `container:` out of the job, or give it",
			"  options: --security-opt seccomp=unconfined --security-opt apparmor=unconfined "+
				"--security-opt systempaths=unconfined")
	default:
		add("the job runs in a container, whose filter keeps namespaces away",
			"in the runner's config.toml, beneath [runners.docker]:",
			`  security_opt = ["seccomp:unconfined", "apparmor:unconfined", "systempaths=unconfined"]`)
	}
}

// unit are the settings of a service of systemd's that keep a sandbox from being made: of each the
// value that does not.
func unit() []string {
	return []string{
		"in the unit: RestrictNamespaces=no, RestrictSUIDSGID=no, PrivateUsers=no, " +
			"and no SystemCallFilter= without @mount",
		"and nothing that covers /proc: ProtectKernelTunables=no, ProtectKernelLogs=no, " +
			"ProtectControlGroups=no, ProtectProc=default, ProcSubset=all",
	}
}

// The first kernel with Landlock.
const landlockMajor, landlockMinor = 5, 13

// withoutLandlock is for a host that has none, and no namespaces either.
func withoutLandlock(h Host, l Landlock, add func(string, ...string)) {
	var major, minor int
	_, err := fmt.Sscanf(h.Kernel, "%d.%d", &major, &minor)
	older := err == nil && (major < landlockMajor || major == landlockMajor && minor < landlockMinor)
	switch {
	case older:
		add("this kernel has no Landlock", "use Linux 5.13 or later, better 6.12")
	case l.Off || len(h.Modules) > 0 && !slices.Contains(h.Modules, "landlock"):
		list := cmp.Or(strings.Join(h.Modules, ","), "...")
		add("Landlock is not switched on: the list of the kernel's security modules is "+list,
			"begin that list with landlock, in the kernel's command line: lsm=landlock,"+list)
	case h.Filtered:
		add("a filter that nono runs under keeps Landlock away",
			"use a container runtime whose seccomp profile knows landlock_create_ruleset, "+
				"or seccomp=unconfined")
	default:
		add("the kernel has no Landlock",
			"use one with CONFIG_SECURITY_LANDLOCK, and landlock in lsm= of its command line")
	}
}

// Notes are settings that weaken a run in this tier, or take something from it.
func Notes(h Host, tier sdk.Tier) []string {
	var notes []string
	untraced := "debuggers do not work inside, and `processes` in a limits block is refused"
	if tier == sdk.TierB {
		untraced += "; nor can nono make calls for the agent: there are no sockets, a policy that " +
			"reaches anything is refused, and modes and times of your other files are not held"
	}
	if strings.HasPrefix(h.Settings[SettingCore], "@") {
		notes = append(notes, "a crash inside is handed to this machine's handler, by a socket "+
			"that no limit keeps it from: "+SettingCore+" = "+h.Settings[SettingCore])
	}
	switch h.Settings[SettingYama] {
	case "2":
		notes = append(notes, SettingYama+" is 2: "+untraced)
	case "3":
		notes = append(notes, SettingYama+" is 3, until the machine starts again: "+untraced)
	}
	if h.Group != "" && !h.Delegated {
		notes = append(notes, "no control group is yours to divide: limits of memory and processor time "+
			"take `systemd-run --user --scope -p MemoryMax=4G -- nono run ...`")
	}
	return notes
}

// Conclude fills in what follows from the rest: remedies, notes, and what to type next. agent says
// that an agent.hcl lies in the current directory.
func (r *Report) Conclude(agent bool) {
	r.Version = version
	r.Notes = Notes(r.Host, r.Sandbox.Tier)
	r.Remedies = Remedies(r.Host, r.Sandbox, r.Landlock)
	r.Next = r.next(agent)
}

// next is the command that brings the user one step further.
func (r *Report) next(agent bool) string {
	switch {
	case r.Wrong != "":
		return "nono help agent.hcl"
	case r.Host.Inside:
		return "nono why --self --path . --op write"
	case r.Sandbox.Tier == "":
		return r.firstAid()
	case agent:
		return "nono plan -c agent.hcl"
	}
	for _, name := range agents {
		for _, t := range r.Tools {
			if t.Name == name && t.Inside {
				return fmt.Sprintf("nono run --profile %s --allow-cwd -- %s", profileOf(name), name)
			}
		}
	}
	return "nono run --allow-cwd -- python3 my_agent.py"
}

// firstAid is the first remedy that can be typed here.
func (r *Report) firstAid() string {
	for _, m := range r.Remedies {
		for _, line := range m.Do {
			if strings.HasPrefix(line, "sudo ") || strings.HasPrefix(line, "nono ") {
				return line
			}
		}
	}
	return "nono help doctor"
}
