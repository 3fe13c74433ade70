// Package filter turns the symbolic system-call rules of a plan into the program that the kernel
// runs at each system call.
//
//	program, err := filter.Assemble(allowed, refused) // of core, and refusals of all layers
//	asking, err := filter.AssembleNotices(notices)    // in tier B: the calls that core answers for
//
// Core assembles; nono-init only loads the bytes. What is not allowed by name fails with ENOSYS, as
// if the kernel did not have it: so does every number without a name, a call that is newer than
// this build, and the whole x32 table of amd64, whose numbers begin at 1<<30. Of what is allowed,
// rules take away, and four things hold whatever they say:
//
//   - A call made for another architecture (`int 0x80` on amd64) ends the process. This check comes
//     first: the numbers that follow mean something else over there.
//   - A call that is not allowed is refused. A rule that always refuses it says with which error.
//   - Where several rules are about one call, each is asked, in the order given, and the first that
//     holds answers.
//   - A name that no architecture has is an error; one that only this architecture lacks is
//     skipped.
//
// # Its shape
//
// When the kernel loads a filter, it looks for the calls that are always allowed: it follows the
// program for each number, for as long as that looks at nothing but the number and the architecture
// (Linux 5.11 and later, which is older than anything that nono-init runs on). These calls never
// run the program again. So the order in which they are found means nothing, and what costs is the
// calls whose arguments are looked at. They are asked for first, one after another in the order of
// the rules, and everything else is found by halves among the ranges of numbers that have one
// answer.
//
// # Why a compiler of our own
//
// The library that was tried first, elastic/go-seccomp-bpf, sends a foreign architecture to the
// default action; it cannot compare under a mask, and so not write "a socket type outside this
// list, whatever its flags"; and it walks the rules one after another. Its tables of numbers were
// maps of all architectures, made at each start; see [Names].
package filter

import "github.com/nono-run/nono/sdk/fragment"

// Notice names system calls that a supervisor answers for: the kernel holds the caller until it
// has.
type Notice struct {
	// Calls are names as in the kernel's table; one that this architecture lacks is skipped.
	Calls []string
	// When lists alternatives: the supervisor is asked if one of them holds. Empty: always.
	When []fragment.Condition
}

// Done stands in the place of an error's name in a rule of core's: the call is not made, and its
// caller is told that it was. No layer may ask for that.
const Done = "EDONE"
