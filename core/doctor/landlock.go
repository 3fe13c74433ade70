package doctor

import "fmt"

// Landlock is the kernel's Landlock, and what the later ones have that it lacks.
type Landlock struct {
	// ABI is its version; 0 where there is none.
	ABI int `json:"abi"`
	// Off says that the kernel has one and was started without it.
	Off   bool      `json:"off,omitempty"`
	Lacks []Feature `json:"lacks,omitempty"`
}

// Feature is what one version of Landlock brought.
type Feature struct {
	ABI int `json:"abi"`
	// Kernel is the first that has it.
	Kernel string `json:"kernel"`
	// Can is what can be held since.
	Can string `json:"can"`
	// WithoutA and WithoutB are what a run does without it, in each tier.
	WithoutA string `json:"without_in_tier_a"`
	WithoutB string `json:"without_in_tier_b"`
}

// Features are all that nono makes use of, the oldest first.
func Features() []Feature {
	const mounts = "nothing is lost: mounts hold it"
	return []Feature{
		{
			ABI: 1, Kernel: "5.13", Can: "reading, writing, making, removing, executing",
			WithoutA: "the mounts hold alone, and a second wall is missing",
			WithoutB: "no run starts",
		},
		{
			ABI: 2, Kernel: "5.19", Can: "moving and linking files between directories",
			WithoutA: "programs that move a file from one directory into another get EXDEV",
			WithoutB: "the same",
		},
		{
			ABI: 3, Kernel: "6.2", Can: "truncating files",
			WithoutA: mounts,
			WithoutB: "the filter refuses truncate(2), and O_TRUNC where a file is opened for reading",
		},
		{
			ABI: 4, Kernel: "6.7", Can: "binding and connecting TCP sockets, by port",
			WithoutA: "nothing is lost: the network is the session's own",
			WithoutB: "nothing is lost: core makes the connections, and is asked about each `listen`",
		},
		{
			ABI: 5, Kernel: "6.10", Can: "control calls to devices (ioctl)",
			WithoutA: "nothing is lost: /dev is private",
			WithoutB: "the filter refuses openat2, and to open a file for neither reading nor writing",
		},
		{
			ABI: 6, Kernel: "6.12", Can: "signals and abstract Unix sockets kept within",
			WithoutA: "with --disable network abstract sockets of the host are reached",
			WithoutB: "the agent can signal your other processes",
		},
		{
			ABI: 7, Kernel: "6.15", Can: "refusals in the audit log",
			WithoutA: "nothing is lost: nono does not read that log",
			WithoutB: "the same",
		},
	}
}

// Known is what a version of Landlock lacks.
func Known(abi int) Landlock {
	l := Landlock{ABI: abi}
	for _, f := range Features() {
		if f.ABI > abi {
			l.Lacks = append(l.Lacks, f)
		}
	}
	return l
}

// String is the version in a word.
func (l Landlock) String() string {
	switch {
	case l.Off:
		return "switched off when the machine was started"
	case l.ABI == 0:
		return "none"
	}
	return fmt.Sprintf("version %d", l.ABI)
}
