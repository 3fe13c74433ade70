package main

// golang is work with go.
var golang = group{
	name:  "go",
	needs: []string{"go"},
	rows: []row{
		{name: "a version", run: `go version`},
	},
}
