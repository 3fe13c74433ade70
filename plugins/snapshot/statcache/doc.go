// Package statcache knows which content a file had when its stamps were these, so that a tree that
// did not change is not read again.
//
//	cache, err := statcache.Open(dir)
//	content, attributes, ok := cache.Lookup(stat)
//	cache.Add(stat, content, attributes, whenReadingBegan)
//	err = cache.Save() // after the store is sealed: what it names must be there
//
// A file is known by its device and inode, and its content is what it was as long as size, mtime
// and ctime are. Mtime can be set to anything; ctime cannot. A file that was renamed has a new
// ctime and is read again; one in a directory that was renamed is not.
//
// # What is not believed
//
// A program that has a file mapped may write into it without moving its stamps, until the kernel
// next writes the page back: for 30 seconds and a few more, usually. And some filesystems have
// stamps so coarse that two changes look like one. So what was changed less than a minute before it
// was read is not kept; it is read again the next time. Where the kernel is told to write back
// later, the minute is longer. On a tmpfs nothing is written back, and a program that mapped a file
// before and writes to it later is not noticed; one that maps it anew is.
//
// That the store still has the content is for the caller to ask.
//
// # In memory
//
// However many files are known, only some blocks of what is on the disk are in memory; what is
// added is written beside it in sorted runs, which Save merges.
//
// # On disk
//
// There is one file for each device, replaced as a whole if anything changed, and not synced: a
// damaged one is found by its checksum, and knows nothing.
package statcache
