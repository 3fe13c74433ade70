package main

// manuals is reading what a program's manual says.
var manuals = group{
	name:  "manuals",
	needs: []string{"man"},
	env:   []string{"MANPAGER=cat", "MANWIDTH=80"},
	given: `man -w man >/dev/null 2>&1 || { echo "pages of the manual"; exit 1; }`,
	rows: []row{
		{name: "man", run: `man man | head -20`},
		{name: "man -k", run: `man -k '^man$'`},
		{name: "man of a section", run: `man 1 man | tail -5`},
		{name: "no such page", run: `man nosuchpage`},
		{
			name: "a page of one's own", needs: []string{"groff"},
			given: `printf '.TH MINE 1\n.SH NAME\nmine \\- a page\n' >mine.1`, run: `man ./mine.1`,
		},
	},
}
