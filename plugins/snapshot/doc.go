// Package snapshot is nono's snapshot layer: what stood in the user's directories before the agent
// ran, so that what it changed can be seen, kept in part, and undone.
//
// It is a bracket. Start records the directories while the agent is held; when the run is over, the
// same process, or a fresh one where that is gone, records them again. What the two differ in is
// what happened meanwhile, and what `nono session diff` shows and `nono session rollback` takes
// back. Who did it nobody recorded: what the user or another program changed in that time is in it
// as well.
//
// Its packages are its parts:
//
//	beneath    files beneath one directory, reached by descriptor
//	tree       the manifest of a tree
//	record     a tree becomes a manifest, and contents that the store does not have
//	exclude    what is not stored
//	statcache  which content a file had when its stamps were these
//	store      contents by their digests, in packs
//	sessions   which manifests belong to which session
//	compare    in what two manifests differ
//	gitdir     what a git directory says, as one
//	restore    a tree becomes what it was
//	show       differences for a person, or a program
//
// All of it is beneath the layer's own directory of state, which no plan lets an agent see.
package snapshot
