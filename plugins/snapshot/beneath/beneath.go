// Package beneath reaches files beneath one directory, and nothing else.
//
// The tree is full of what an agent left there: links to the user's keys, a pipe where a file was,
// a directory that gives way to a link between two looks. So a path is never handed to the kernel
// as a whole from the file system's root. The tree's root is opened once, everything in it is
// opened from a descriptor, and each opening says to the kernel (openat2) that it must stay
// beneath, follow no link of any kind, and enter nothing that is mounted there:
//
//	root, err := beneath.Open("/home/me/proj")
//	dir, err := root.Dir("src/lib")        // no component may be a link
//	names, err := dir.List()
//	stat, err := dir.Stat(names[0])        // of a link itself
//	file, stat, err := dir.File(names[0])  // a regular file, or an error
//
// A name is one component, as the kernel has it: any bytes but NUL and the slash.
//
// It needs Linux 5.8: openat2, and a statx that tells a place where something is mounted.
package beneath

// Xattr is one extended attribute of a file.
type Xattr struct {
	Name  string
	Value []byte
}
