package main

// java is work with java and its build tools.
var java = group{
	name:  "java",
	needs: []string{"java"},
	rows: []row{
		{name: "a version", run: `java -version`},
	},
}
