package main

import (
	"slices"

	"github.com/nono-run/nono/test/kernels/serial"
)

// The situations, by the names that the page has for them.
const (
	asShipped   = "as Debian ships it"
	yama1       = "Yama's scope 1"
	yama2       = "Yama's scope 2"
	without     = "no user namespaces"
	withoutUser = "none for ordinary users"
	without1    = "no user namespaces, Yama's scope 1"
	without2    = "no user namespaces, Yama's scope 2"
)

// task is what is tried on each kernel. The settings can all be changed while it runs, so one boot
// is enough.
func task() serial.Task {
	set := func(path, value string) serial.Setting { return serial.Setting{Path: path, Value: value} }
	var (
		none     = set("user/max_user_namespaces", "0")
		ancestor = set("kernel/yama/ptrace_scope", "1")
		nobody   = set("kernel/yama/ptrace_scope", "2")
	)
	const user, root = false, true
	both := slices.Concat(trials(user), trials(root))
	return serial.Task{Situations: []serial.Situation{
		{Name: asShipped, Trials: slices.Concat(both, attacks(user), attacks(root), tests())},
		{
			Name: yama1, Settings: []serial.Setting{ancestor},
			Trials: slices.Concat(trials(user), attacks(user)),
		},
		{Name: yama2, Settings: []serial.Setting{nobody}, Trials: trials(user)},
		{
			Name: without, Settings: []serial.Setting{none},
			Trials: slices.Concat(both, attacks(user), attacks(root)),
		},
		{
			Name: withoutUser, Trials: trials(user),
			Settings: []serial.Setting{set("kernel/unprivileged_userns_clone", "0")},
		},
		{
			Name: without1, Settings: []serial.Setting{none, ancestor},
			Trials: slices.Concat(trials(user), attacks(user)),
		},
		{Name: without2, Settings: []serial.Setting{none, nobody}, Trials: trials(user)},
	}}
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
		Name: attack, Root: root, Dir: "/tmp", Seconds: 400,
		Command: []string{"/opt/nono/nono", "doctor", "--attack", "--json"},
	}}
}
