package main

// terminals is programs that want a terminal.
var terminals = group{
	name:  "terminals",
	needs: []string{"tmux"},
	rows: []row{
		{name: "a version", run: `tmux -V`},
	},
}
