// Package serial is what the program outside and the one inside a booted kernel say to each other:
// a [Task] that lies in the machine's first file system, and a [Line] of JSON for each thing that
// was found, on a serial line.
package serial

import "time"

// TaskFile is where the task lies inside.
const TaskFile = "/task.json"

// Task is all that is to be tried on one kernel.
type Task struct {
	Situations []Situation
}

// Situation is the kernel with some of its settings changed.
type Situation struct {
	Name string
	// Settings are files beneath /proc/sys and what is written to them. A kernel that does not have
	// one of them is left out of the situation, and that is told.
	Settings []Setting
	// Before and After are scripts that root's shell runs around the trials. Where the first fails,
	// this kernel cannot be brought into the situation, and that is told.
	Before, After string `json:",omitempty"`
	Trials        []Trial
}

// Setting is a file beneath /proc/sys with its content.
type Setting struct {
	Path, Value string
}

// Trial is a command that is run.
type Trial struct {
	Name    string
	Root    bool `json:",omitempty"` // as root, and else as an ordinary user
	Dir     string
	Command []string
	// Seconds is after how long it is ended.
	Seconds int
}

// Line is one thing that was found; one field of it is set.
type Line struct {
	Host    *Host    `json:",omitempty"`
	Lacking *Lacking `json:",omitempty"`
	Result  *Result  `json:",omitempty"`
	// Broken is why the rest was not tried.
	Broken string `json:",omitempty"`
	Done   bool   `json:",omitempty"`
}

// Host is what the booted kernel says of itself.
type Host struct {
	Release string
	// Landlock is the version of Landlock; 0 is none.
	Landlock int
	// Modules are the security modules that are on, as the kernel lists them.
	Modules string
	// Bare says that it came without modules that it could load.
	Bare bool `json:",omitempty"`
	// Settings are those that decide about sandboxes, as they were found; one that the kernel does not
	// have is not there.
	Settings map[string]string
}

// Lacking is a situation that this kernel cannot be brought into.
type Lacking struct {
	Situation, Why string
}

// Result is how a trial went.
type Result struct {
	Situation, Trial string
	Root             bool `json:",omitempty"`
	// Code is the exit code; -1 where a signal or the deadline ended it.
	Code     int
	TimedOut bool `json:",omitempty"`
	Took     time.Duration
	Out, Err string
}
