package main

import (
	"regexp"
	"slices"

	"github.com/nono-run/nono/test/kernels/serial"
)

// The situations that the page speaks of by name.
const (
	asShipped = "as Debian ships it"
	without   = "no user namespaces"
)

// situations are the hosts that each kernel is made into: its settings can all be changed while it
// runs, so one boot is enough.
var situations = []struct {
	name     string
	settings []serial.Setting
	before   string // a script of root's, and one that undoes it
	after    string
	root     bool // root is tried too
	attacks  bool // the table of attacks is tried
}{
	{name: asShipped, root: true, attacks: true},
	{name: "Yama's scope 1", settings: []serial.Setting{ancestors}},
	{name: "Yama's scope 2", settings: []serial.Setting{nobody}},
	{name: without, settings: []serial.Setting{none}, root: true, attacks: true},
	{name: "none for ordinary users", settings: []serial.Setting{noneForUsers}},
	{
		name: "no user namespaces, Yama's scope 1", settings: []serial.Setting{none, ancestors},
		attacks: true,
	},
	{name: "no user namespaces, Yama's scope 2", settings: []serial.Setting{none, nobody}},
	{name: "nono has its AppArmor profile", before: own, after: unload},
}

// nono's own profile of AppArmor's, loaded and taken out again.
const (
	own = `nono doctor --apparmor >/run/profile
apparmor_parser -r /run/profile`
	unload = `apparmor_parser -R /run/profile`
)

var (
	none = serial.Setting{Path: "user/max_user_namespaces", Value: "0"}
	// noneForUsers is Debian's own.
	noneForUsers = serial.Setting{Path: "kernel/unprivileged_userns_clone", Value: "0"}
	// ancestors may look into a process; with nobody only root.
	ancestors = serial.Setting{Path: "kernel/yama/ptrace_scope", Value: "1"}
	nobody    = serial.Setting{Path: "kernel/yama/ptrace_scope", Value: "2"}
)

// task is what is tried on each kernel: in every situation what is short, and then what takes
// minutes, first as an ordinary user. So a machine that is ended for its deadline has said the
// most. Of all that only matches of a regular expression are tried, by what [called] says of each.
func task(tests []serial.Trial, try *regexp.Regexp) serial.Task {
	const user, root = false, true
	var t serial.Task
	add := func(n int, trials ...serial.Trial) {
		s := situations[n]
		trials = slices.DeleteFunc(trials, func(tr serial.Trial) bool {
			return !try.MatchString(called(s.name, tr.Root, tr.Name))
		})
		if len(trials) > 0 {
			t.Situations = append(t.Situations, serial.Situation{
				Name: s.name, Settings: s.settings, Before: s.before, After: s.after, Trials: trials,
			})
		}
	}
	for n, s := range situations {
		add(n, trials(user)...)
		if s.root {
			add(n, trials(root)...)
		}
	}
	for n, s := range situations {
		if s.attacks {
			add(n, attacks(user)...)
		}
	}
	add(0, tests...)
	for n, s := range situations {
		if s.attacks && s.root {
			add(n, attacks(root)...)
		}
	}
	return t
}

// called is what a trial is called in one situation.
func called(situation string, root bool, trial string) string {
	return situation + whose(root) + ", " + trial
}

// The trials, by name; those of nono's own tests have their package's.
const (
	demo   = "demo"
	doctor = "doctor"
	attack = "attack"
)

// trials are what is tried in every situation: README's demo, which does each thing without nono
// too, and what nono says of the host.
func trials(root bool) []serial.Trial {
	home := "/home/dev"
	if root {
		home = "/root"
	}
	return []serial.Trial{
		{
			Name: demo, Root: root, Dir: home + "/demo", Seconds: 120,
			Command: []string{"/usr/bin/python3", "demo.py"},
		},
		{
			Name: doctor, Root: root, Dir: home + "/demo", Seconds: 60,
			Command: []string{"/opt/nono/nono", "doctor", "--json"},
		},
	}
}

// attacks is the whole table of attacks, with the control of each.
func attacks(root bool) []serial.Trial {
	return []serial.Trial{{
		Name: attack, Root: root, Dir: "/tmp", Seconds: 900,
		Command: []string{"/opt/nono/nono", "doctor", "--attack", "--json"},
	}}
}
