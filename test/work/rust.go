package main

// rust is work with cargo and rustc.
var rust = group{
	name:  "rust",
	needs: []string{"cargo"},
	home:  true,
	rows: []row{
		{name: "a version", run: `cargo --version; rustc --version`},
	},
}
