// Package namewatch notices when a name comes to mean another file.
//
// What is mounted over a file goes with the file when somebody outside the session renames it or
// removes it, and the name is then what it is outside. Nobody can forbid that, but it can be known
// in the moment after it happened:
//
//	w, err := namewatch.Begin(names)   // before anybody looks at the files
//	defer w.Close()
//
//	<-w.Done()                         // a name has another file
//	path, changed := w.Changed()       // asks for what has happened up to now
//
// Only what moves, appears and disappears is noticed; a file that is written to is the same file.
// Where no mount holds a file's content, it can be watched as well ([Name.Content]): then the first
// writing is noticed, but for what is written through a mapping of the file.
package namewatch

// Name is one that is watched: Path, and each directory on the way to it from Beneath on, a
// directory above it. Both are absolute and without links.
type Name struct {
	Path, Beneath string
	// Content watches what stands in the file, too.
	Content bool
}
