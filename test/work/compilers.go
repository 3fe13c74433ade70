package main

// compilers is work with C compilers, and with what they build in.
var compilers = group{
	name:  "compilers",
	needs: []string{"gcc"},
	given: `
cat >c.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int shared;
void *count(void *arg) { for (int i = 0; i < 1000; i++) shared++; return arg; }
int main(int argc, char **argv) {
	const char *do_ = argc > 1 ? argv[1] : "";
	char *p = malloc(8);
	if (!strcmp(do_, "overflow")) p[argc + 6] = 1;
	if (!strcmp(do_, "shift")) printf("%d\n", 1 << (argc + 30));
	if (!strcmp(do_, "race")) {
		pthread_t t;
		pthread_create(&t, 0, count, 0);
		count(0);
		pthread_join(t, 0);
	}
	if (strcmp(do_, "leak")) free(p);
	p = 0;
	puts("done");
	return 0;
}
END
`,
	rows: []row{
		{name: "a program", run: `gcc -Wall -O2 -o c c.c && ./c`},
		{name: "its parts", run: `gcc -E c.c | tail -3; gcc -S c.c; gcc -c c.c; ar rc libc0.a c.o; ranlib libc0.a; nm c.o | grep main`},
		{name: "link-time optimisation", run: `gcc -O2 -flto -o c c.c && ./c`},
		{name: "C++", needs: []string{"g++"}, run: `printf '#include <iostream>\nint main() { std::cout << "hello\\n"; }\n' >h.cc; g++ -o h h.cc && ./h`},
		{name: "clang", needs: []string{"clang"}, run: `clang -o c c.c && ./c`},
		{name: "make -j", needs: []string{"make"}, run: `printf 'all: a b\na b: c.c\n\tgcc -o $@ c.c\n' >Makefile; make -s -j2 && ./a && ./b`},
		{name: "coverage", needs: []string{"gcov"}, run: `gcc --coverage -o c c.c && ./c && gcov -n c-c.c | head -2`},
		{name: "a profile", run: `gcc -pg -o c c.c && ./c && ls gmon.out`},
		{
			name: "-fsanitize=address",
			run: `gcc -g -fsanitize=address -o c c.c && ./c
./c overflow 2>&1 | grep -o 'AddressSanitizer: [a-z-]*' | head -1; ./c leak 2>&1 | grep SUMMARY`,
		},
		{
			name: "-fsanitize=leak",
			run:  `gcc -g -fsanitize=leak -o c c.c && ./c; ./c leak 2>&1 | grep SUMMARY; ./c leak >/dev/null 2>&1; echo $?`,
		},
		{name: "-fsanitize=address,leak", run: `gcc -g -fsanitize=address,leak -o c c.c && ./c; ./c leak 2>&1 | grep SUMMARY`},
		{name: "-fsanitize=undefined", run: `gcc -g -fsanitize=undefined -o c c.c && ./c && ./c shift 2>&1`},
		{
			name: "-fsanitize=thread",
			run:  `gcc -g -fsanitize=thread -o c c.c -lpthread && ./c; ./c race 2>&1 | grep -o 'ThreadSanitizer: data race' | head -1`,
		},
		{
			name: "go build -asan", needs: []string{"go"},
			run: `printf 'module x\n' >go.mod
printf 'package main\n\nimport "C"\n\nfunc main() { println("hello") }\n' >main.go
rm c.c; CGO_ENABLED=1 GOFLAGS= go build -asan -o x . && ./x`,
		},
		{
			name: "go test -race", needs: []string{"go"},
			run: `printf 'module x\n' >go.mod
printf 'package x\n\nimport "testing"\n\nfunc TestX(*testing.T) {}\n' >x_test.go
rm c.c; CGO_ENABLED=1 GOFLAGS= go test -race . | cut -f1,2`,
		},
	},
}
