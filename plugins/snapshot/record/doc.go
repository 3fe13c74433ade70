// Package record takes down what stands in a tree: a manifest of all of it, and the contents that
// the store does not have.
//
//	pack, err := s.NewPack()
//	manifest, err := s.NewManifest()
//	result, err := record.Record(ctx, record.Request{
//		Root: "/home/me/proj", Store: s, Pack: pack, Cache: cache, Manifest: manifest,
//	})
//	err = pack.Seal(false)     // first what the manifest names, then the manifest
//	id, err := manifest.Seal(ctx, false)
//
// # What costs time
//
// Of a tree that was recorded before nothing is read but names and stamps: the cache knows which
// content a file with these stamps had. That is work for the cores, and a few walkers do it. What
// the cache does not know is opened and read, and then it is the disk that is waited for: that is
// done by more readers than there are cores, a handful of small files at a time, a big one alone.
//
// # What costs memory
//
// A manifest is written in one order, and work ends in another. So the tree is kept as a list of
// its directories in the manifest's order (see order.go): the walkers take the first that nobody
// has taken, and the head is written as soon as it is whole. When much is whole that cannot be
// written yet, they wait. A directory of very many names is handled in parts.
//
// # What is recorded
//
// Whatever has a name: files, directories, links, which are never followed. What cannot be read,
// what changes while it is read, and where something else is mounted, is listed with the reason. Of
// what the patterns exclude, all but the content is recorded. A place that is denied to the agent
// is not recorded at all: it could not change it, and what it must not read is nowhere in the
// store.
//
// A git directory is one unit, so no pattern takes a part of it away.
package record
