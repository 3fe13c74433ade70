package main

// terminals is programs that want a terminal.
var terminals = group{
	name:  "terminals",
	needs: []string{"tmux"},
	rows: []row{
		{name: "a version", run: `tmux -V`},
		{
			name: "one is made", needs: []string{"script"}, run: `script -qec "echo at a terminal" /dev/null`,
			inB: &deviation{
				code: 1, says: "failed to create pseudo-terminal: Permission denied",
				why: "in tier B the terminals are the host's, and only the session's own is granted: `tmux`, " +
					"`screen`, `script`, `expect` and an editor's terminal make none; start `tmux` outside, and " +
					"`nono run` in it",
			},
		},
	},
}
