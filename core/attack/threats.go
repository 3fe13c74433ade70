package attack

// A Threat is one of those that the sandbox is built against.
type Threat struct {
	ID, Name string
	// Elsewhere says why no row of the table tries it, or not all of it.
	Elsewhere string
	// Tests are those that try it, each as "PACKAGE TEST".
	Tests []string
}

// A Part is threats of one kind.
type Part struct {
	Name    string
	Threats []Threat
}

const (
	ofMacOS  = "it is macOS's, where nono does not run yet"
	internet = "it takes other hosts and a resolver, which the tests make for themselves in a namespace"
	provider = "it takes a provider and a key, which the tests stand in for"
)

// Threats are all, in their order. Their numbers stay what they are.
func Threats() []Part {
	return []Part{
		{"The kernel, and what processes share", []Threat{
			{ID: "E01", Name: "MPTCP, which Landlock's rules for TCP do not cover"},
			{ID: "E02", Name: "MPTCP servers"},
			{ID: "E03", Name: "a server at a port that the kernel chose"},
			{ID: "E04", Name: "TCP Fast Open, which connects by sending"},
			{ID: "E05", Name: "UDP"},
			{ID: "E06", Name: "ICMP by ping sockets"},
			{ID: "E07", Name: "SCTP"},
			{ID: "E08", Name: "vsock, which leads out of a virtual machine"},
			{ID: "E09", Name: "other families and protocols of sockets"},
			{ID: "E10", Name: "Unix sockets by their path"},
			{ID: "E11", Name: "Unix datagrams, which need no connect"},
			{ID: "E12", Name: "abstract Unix sockets"},
			{ID: "E13", Name: "signals"},
			{ID: "E14", Name: "priorities and limits of other processes"},
			{ID: "E15", Name: "the 32-bit table of system calls, and what root's files do"},
			{ID: "E16", Name: "the x32 table"},
			{ID: "E17", Name: "bits that a filter overlooks"},
			{ID: "E18", Name: "arguments that change while a supervisor decides", Elsewhere: "to win such a race takes longer than a user waits", Tests: []string{"core/sockets TestSwapped"}},
			{ID: "E19", Name: "io_uring, whose work no filter sees"},
			{ID: "E20", Name: "commands to a block device by io_uring", Elsewhere: "there is no io_uring inside, and no block device"},
			{ID: "E21", Name: "userfaultfd and leases, which hold others still"},
			{ID: "E22", Name: "the memory and descriptors of other processes"},
			{ID: "E23", Name: "the arguments of other processes"},
			{ID: "E24", Name: "secrets in the environment"},
			{ID: "E25", Name: "inherited descriptors", Tests: []string{"test/e2e TestDescriptorsOfTheCaller", "test/e2e TestThreatsByStreams"}},
			{ID: "E26", Name: "modes, owners, times and attributes of files"},
			{ID: "E27", Name: "what is there, seen without being read"},
			{ID: "E28", Name: "watching directories"},
			{ID: "E29", Name: "links, renames and whiteouts across grants"},
			{ID: "E30", Name: "truncation, and devices' own commands, before kernels that hold them"},
			{ID: "E31", Name: "namespaces, and other doors into the kernel"},
			{ID: "E32", Name: "System V and POSIX queues, semaphores and memory"},
			{ID: "E33", Name: "the kernel's keyrings"},
			{ID: "E34", Name: "code that lies in memory alone"},
			{ID: "E35", Name: "programs started by the loader"},
			{ID: "E36", Name: "programs that are denied by their names", Elsewhere: "nono has no rule by a program's name that could be got around"},
			{ID: "E37", Name: "typing into the user's terminal"},
			{ID: "E38", Name: "escape sequences on the user's terminal", Elsewhere: "what the agent writes appears there, escape sequences too: SECURITY.md says so"},
			{ID: "E39", Name: "devices, and the kernel's log"},
			{ID: "E40", Name: "too many processes, too much memory", Elsewhere: "it would do harm here", Tests: []string{"core/launch TestForkBomb", "core/launch TestProcessLimit", "test/e2e TestLimits"}},
		}},
		{"Services of the host", []Threat{
			{ID: "E41", Name: "D-Bus, and systemd by it"},
			{ID: "E42", Name: "GVFS, which reads files for others"},
			{ID: "E43", Name: "Docker and its like"},
			{ID: "E44", Name: "agents that sign with the user's keys"},
			{ID: "E45", Name: "X11, Wayland, PipeWire"},
			{ID: "E46", Name: "editors and terminal multiplexers"},
			{ID: "E47", Name: "services on the loopback"},
			{ID: "E48", Name: "macOS: launch services", Elsewhere: ofMacOS},
			{ID: "E49", Name: "macOS: the keychain", Elsewhere: ofMacOS},
			{ID: "E50", Name: "macOS: daemons that look names up", Elsewhere: ofMacOS},
			{ID: "E51", Name: "macOS: a rule that means more than it says", Elsewhere: ofMacOS},
			{ID: "E52", Name: "WSL: programs of Windows", Elsewhere: "it takes Windows; a socket of WSL's is one like all others"},
		}},
		{"The network, and keys", []Threat{
			{ID: "E53", Name: "an empty list that means everything", Elsewhere: internet, Tests: []string{"test/network TestThreats"}},
			{ID: "E54", Name: "names that two programs read differently", Elsewhere: internet, Tests: []string{"test/network TestThreats", "sdk/egress TestE54OddNames"}},
			{ID: "E55", Name: "a server name that is not the one asked for", Elsewhere: internet, Tests: []string{"test/network TestThreats"}},
			{ID: "E56", Name: "a request for another host than the connection's", Elsewhere: internet, Tests: []string{"test/network TestThreats"}},
			{ID: "E57", Name: "names as messages", Elsewhere: "names that are looked up take other hosts and a resolver, which the tests make for themselves in a namespace", Tests: []string{"test/network TestThreats", "test/e2e TestPlacesElsewhere"}},
			{ID: "E58", Name: "private addresses, and the metadata service", Elsewhere: "what an allowed host leads to takes other hosts and a resolver, which the tests make for themselves in a namespace", Tests: []string{"test/network TestThreats", "test/e2e TestPlacesElsewhere", "sdk/egress TestE58Rebinding"}},
			{ID: "E59", Name: "nono's own proxies and sockets, used by others"},
			{ID: "E60", Name: "other ports, and other protocols at a port", Elsewhere: internet, Tests: []string{"test/network TestThreats"}},
			{ID: "E61", Name: "another's key at an allowed host", Elsewhere: provider, Tests: []string{"test/credentials TestThreats"}},
			{ID: "E62", Name: "requests that two programs read differently", Elsewhere: internet, Tests: []string{"test/network TestThreats", "test/credentials TestThreats"}},
			{ID: "E63", Name: "rules by the program that calls", Elsewhere: "nono has no such rule: the whole session has the same rights"},
			{ID: "E64", Name: "keys that are sent elsewhere, or echoed", Elsewhere: provider, Tests: []string{"test/credentials TestThreats"}},
			{ID: "E65", Name: "rules for one command in a proxy for all", Elsewhere: "nono has no such rule: each session has proxies of its own"},
		}},
		{"What is left behind for the user, and nono itself", []Threat{
			{ID: "E66", Name: "hooks of git"},
			{ID: "E67", Name: "settings of git that run programs"},
			{ID: "E68", Name: "repositories inside repositories"},
			{ID: "E69", Name: "another .git in the place of the user's"},
			{ID: "E70", Name: "git as a tool to write files"},
			{ID: "E71", Name: "settings that were not there at the start"},
			{ID: "E72", Name: "settings of agents and editors"},
			{ID: "E73", Name: "files that tools run by themselves", Tests: []string{"core/remains TestCompare"}},
			{ID: "E74", Name: "start-up files and programs in the home"},
			{ID: "E75", Name: "links that others follow", Tests: []string{"plugins/snapshot/restore TestALinkIsReplacedAndNeverWrittenThrough"}},
			{ID: "E76", Name: "other spellings of a protected name"},
			{ID: "E77", Name: "policies that an agent or a stranger wrote", Elsewhere: "it is about nono's command line, not about what is inside", Tests: []string{"test/e2e TestNothingIsPickedUp"}},
			{ID: "E78", Name: "variables that make a program load something"},
			{ID: "E79", Name: "an agent that switches the sandbox off"},
			{ID: "E80", Name: "running without a sandbox where there can be none", Elsewhere: "it takes a host that refuses, which the tests make for themselves", Tests: []string{"test/e2e TestNoSandboxNoAgent"}},
			{ID: "E81", Name: "a sandbox in a sandbox", Elsewhere: "it takes a session around this one", Tests: []string{"test/e2e TestNonoInNono"}},
			{ID: "E82", Name: "a rollback that is led astray", Elsewhere: "it is about nono outside", Tests: []string{"plugins/snapshot/restore TestExchangedWhileItIsGivenBack", "test/e2e TestSnapshotOfAHostileAgent"}},
			{ID: "E83", Name: "build daemons that were started outside"},
			{ID: "E84", Name: "the hypervisor of a virtual machine", Elsewhere: "nono has none"},
			{ID: "E85", Name: "a launcher with more rights than its user", Elsewhere: "nothing of nono's has any", Tests: []string{"test/e2e TestNoPrivilegedHelper"}},
			{ID: "E86", Name: "file systems that Landlock does not reach", Elsewhere: "it takes a 9p mount, which needs a host that serves one"},
		}},
	}
}
