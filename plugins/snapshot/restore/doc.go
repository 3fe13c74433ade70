// Package restore gives a tree back as it was: all of it, or a part.
//
// Three states decide: what was before the session (the first manifest), what the session left (the
// second), and what stands there now. Where now is what the session left, it becomes what was
// before. Where it is that already, there is nothing to do. Anything else the user made since; it
// is a conflict, is told, and stays, unless it is to be forced. A path that is in neither manifest
// is never touched.
//
//	plan, err := restore.Make(ctx, request)  // looks, and changes nothing
//	journal, err := plan.Write(ctx, dir)     // what is there now is stored, and the plan written
//	report, err := journal.Apply(ctx)        // does it
//
//	journal, err := restore.Open(store, dir) // after a kill -9: finishes it
//	report, err := journal.Apply(ctx)
//
//	plan, err := journal.Undo(ctx, false)    // the way back, to be written and applied likewise
//
// # What is held
//
// Each operation says what must be there now, and what shall be there. All new contents are made
// ready in one directory in the root, and synced, before anything is changed. Then each is put in
// its place by one rename, in a directory that is reached by descriptor, with no link followed: a
// path that is a link now is replaced, and never written through.
//
// A look before that rename is too early by the time of the call. So what a name holds is exchanged
// with what it shall hold, and looked at after that, where nobody else has a name for it: if it is
// not what was planned, it is put back. A directory is removed only when it is empty. So nothing is
// lost that somebody makes in the same moment.
//
// Where a file system cannot exchange two names (NFS), the look right before must do.
//
// A kill at any point leaves each path old or new, and the journal, from which Apply goes on. What
// stands in a path's place while a directory becomes a file, or a file a directory, is for a moment
// nothing.
//
// # What is left
//
// The owner is given back where the user may do that. A pipe, a socket or a device is not made
// again. A file that is written anew has another inode than before, so names of it outside of the
// tree are no longer the same file. What could not be done is counted and named in the [Report].
//
// A plan is held in memory: it grows with what changed, and not with the tree.
package restore
