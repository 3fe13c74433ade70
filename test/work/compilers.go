package main

// compilers is work with C compilers and what they build in.
var compilers = group{
	name:  "compilers",
	needs: []string{"gcc"},
	rows: []row{
		{name: "a program", run: `printf "int main(void) { return 7; }\\n" >c.c; gcc -o c c.c; ./c`},
	},
}
