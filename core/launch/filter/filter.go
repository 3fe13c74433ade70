// Package filter turns the symbolic system-call rules of a plan into the program that the kernel
// runs at each system call.
//
//	program, err := filter.Assemble(steps) // []fragment.Seccomp, of core and of all layers
//
// Core assembles; nono-init only loads the bytes. A filter takes away: what no rule refuses is
// allowed. Four things hold whatever the rules say:
//
//   - A call made for another architecture (`int 0x80` on amd64) ends the process. This check comes
//     first: the numbers that follow mean something else over there.
//   - A call with a number beyond the newest one that this build knows fails with ENOSYS, as on the
//     kernel of that time; nobody has judged it. This takes in the whole x32 table of amd64, whose
//     numbers begin at 1<<30.
//   - Where several rules are about one call, each is asked, in the order given, and the first that
//     holds answers.
//   - A name that no architecture has is an error; one that only this architecture lacks is
//     skipped.
//
// # Why a compiler of our own
//
// The library that was tried first, elastic/go-seccomp-bpf, gives us its system-call tables. Its
// assembler is not used: it sends a foreign architecture to the default action, which for a list of
// refusals is "allow"; it cannot compare under a mask, and so not write "a socket type outside this
// list, whatever its flags"; and it walks the rules one after another. The program made here
// searches by halves, in about eight comparisons, and looks at arguments only once it has found the
// call: so the kernel, when it loads the filter, can prove for each other call that it is always
// allowed, and afterwards skips the program for it altogether.
package filter
