package main

// python is work with python.
var python = group{
	name:  "python",
	needs: []string{"python3"},
	rows: []row{
		{name: "a program", run: `python3 -c "import json, ssl; print(json.dumps({1: 2}))"`},
	},
}
