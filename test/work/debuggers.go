package main

// debuggers is looking into a process: one that is started for it, and one that runs already.
var debuggers = group{
	name:  "debuggers",
	needs: []string{"gcc"},
	given: `
cat >loop.c <<'END'
#include <unistd.h>
int turns = 7;
int spin(void) { for (;;) usleep(1000); }
int main(int argc, char **argv) { return argc > 1 ? spin() : turns; }
END
gcc -g -O0 -o loop loop.c
`,
	rows: []row{
		{
			name: "gdb", needs: []string{"gdb"},
			run: `gdb -q -batch -ex 'break main' -ex run -ex 'print turns' -ex 'set var turns=9' -ex next -ex continue ./loop 2>&1 |
grep -oE '^\$1.*|exited.*code.*'`,
		},
		{
			name: "gdb with a watchpoint", needs: []string{"gdb"},
			run: `gdb -q -batch -ex 'break main' -ex run -ex 'watch turns' -ex 'print turns=8' -ex continue ./loop 2>&1 | grep -oE 'Hardware.*|exited.*code.*'`,
		},
		{
			name: "gdb -p", needs: []string{"gdb"},
			run: `./loop on & p=$!
gdb -q -batch -p $p -ex bt -ex 'print turns' 2>&1 | grep -oE 'spin \(\) at loop.c|in main|^\$1.*'
kill $p; wait $p 2>/dev/null; echo $?`,
		},
		{
			name: "a call into a process that runs", needs: []string{"gdb"},
			run: `./loop on & p=$!
gdb -q -batch -p $p -ex 'print (int)getppid() > 0' 2>&1 | grep '^\$1'
kill $p`,
		},
		{
			name: "gcore", needs: []string{"gcore"},
			run: `./loop on & p=$!
gcore -o c $p >/dev/null 2>&1; mv c.$p core; kill $p
gdb -q -batch -ex 'print turns' ./loop core 2>&1 | grep '^\$1'`,
		},
		{
			name: "strace", needs: []string{"strace"},
			run: `strace -f -e trace=openat,execve -o t sh -c 'cat loop.c >/dev/null; true'; grep -c '"loop.c"' t; tail -1 t | grep -o exited.*`,
		},
		{
			name: "strace, only what is asked for", needs: []string{"strace"},
			run: `strace -f --seccomp-bpf -e trace=execve -o t sh -c '/bin/true; /bin/true'; grep -c execve t`,
		},
		{name: "strace -c", needs: []string{"strace"}, run: `strace -c -o t true; grep -c execve t`},
		{
			name: "strace -p", needs: []string{"strace"},
			run: `./loop on & p=$!
strace -qq -p $p -o t & s=$!
for i in $(seq 200); do grep -q nanosleep t 2>/dev/null && break; sleep 0.05; done
kill $s; wait $s; kill $p; grep -o nanosleep t | head -1`,
		},
		{name: "ltrace", needs: []string{"ltrace"}, run: `ltrace -o t ./loop; grep -c exited t`},
		{name: "valgrind", needs: []string{"valgrind"}, run: `valgrind -q ./loop`},
		{name: "lldb", needs: []string{"lldb"}, run: `lldb -b -o 'b main' -o run -o 'p turns' ./loop 2>&1 | grep -o '(int).*7'`},
		{
			name: "setarch -R", needs: []string{"setarch"},
			run: `setarch -R ./loop`,
		},
		{
			name: "perf", needs: []string{"perf"}, given: `perf stat -e task-clock true 2>/dev/null`,
			run: `perf stat -e task-clock true`,
			differs: &deviation{
				code: 255, says: "Access to performance monitoring",
				why: "performance counters tell of other programs, and have let others out: measure outside",
			},
		},
		{
			name: "what another has open", run: `./loop on <loop.c & p=$!
readlink /proc/$p/fd/0 | grep -o 'loop.c$'; grep -c loop /proc/$p/maps >/dev/null && echo mapped; kill $p`,
		},
	},
}
