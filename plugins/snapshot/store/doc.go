// Package store keeps the contents of files by their digests, shared by all sessions, so that what
// many snapshots have in common is there once.
//
//	DIR/lock               held shared by whoever reads or adds, and alone by Prune
//	DIR/packs/ID.pack      many objects in one file, and an index of them
//	DIR/manifests/DIGEST   what a snapshot consists of; what is in it, this package does not know
//
// A session adds one pack of its own, and then the manifests that refer to what is in it:
//
//	s, err := store.Open(dir)
//	release, err := s.Shared(ctx)  // from here on nothing that is found is removed
//	pack, err := s.NewPack()
//	digest, err := pack.PutFile(file, size) // by as many goroutines as there are files
//	manifest, err := s.NewManifest()
//	_, err = manifest.Write(...)   // what holds the digests
//	err = pack.Seal(false)         // what is in the pack can be found
//	id, err := manifest.Seal(false)
//	err = s.Sync(ctx)              // a loss of power no longer takes it away
//
// # Which names exist
//
// A file has one of three kinds of name, and each kind is a promise:
//
//	ID.tmp     is being written by the process that holds a lock on it, or is rubbish
//	ID.sealed  is whole, and stays so whoever is killed; a loss of power may have damaged it
//	ID.pack    is whole, and was before it got this name: its bytes were synced first
//
// Manifests have the same three, the last without an ending. A manifest gets its name after all
// packs have got theirs: so every name that exists refers to what exists, at any moment, whichever
// process is killed. What was sealed before the machine was started again is looked at as a whole
// by whoever opens the store next, and either gets the better name or is removed.
//
// # What is in a pack
//
// The content of a file of up to [PieceSize] bytes is a blob, whose name is the SHA-256 of its
// bytes. A bigger file is cut into pieces of that size, each a blob, and a list of their digests.
// The name of a list is a digest by another function, SHA-512/256: so no file can be made whose
// content is taken for the list of another's pieces. Blobs are compressed where that gains a tenth,
// big ones where it gains four. Pieces of a file on the same filesystem are cloned where that can,
// and then share its space until one of the two changes.
//
// # What is believed
//
// Nobody but the user can write the store, but disks fail. A pack whose index is damaged is passed
// over, and [Store.Damaged] says so; its objects are missing. Each content is held against its
// digest before a byte of it is given out.
package store
