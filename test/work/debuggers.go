package main

// debuggers is looking into a process.
var debuggers = group{
	name:  "debuggers",
	needs: []string{"gdb"},
	rows: []row{
		{name: "a version", run: `gdb --version`},
	},
}
