// Package trust is nono's trust layer: instructions that nobody has tampered with.
//
// An agent does what CLAUDE.md and its like say, so who can write those decides what the agent
// does: a pull request, an archive from the network, or the agent of yesterday. Once the user has
// signed such a file, no run starts where it, its signature or its signer is not what it was; and
// what was verified is what the agent reads.
//
// The layer is ephemeral. Core asks it before all others, and an error of its ends the start there
// and then. Where nothing was ever signed or trusted on the account it is not even started.
//
// Its packages are its parts:
//
//	statement  what is signed
//	bundle     how a signature is written down, beside the file
//	roots      certificates, against authorities that the user trusts
//	keys       the user's own keys, and those that he trusts
//	scope      which files are looked at
//	memory     what was ever signed on this account, and by whom
//	check      the decision about one file
//
// What a person types (`nono trust sign`) are its commands: see [command].
package trust
