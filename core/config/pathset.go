package config

import "path/filepath"

// pathSet is a set of clean, absolute paths that knows which of them lie above and beneath another.
// A question costs the depth of the path it asks about, and not the number of paths in the set.
type pathSet struct {
	in    map[string]bool
	above map[string]bool // the directories that something in the set lies in
}

func (s *pathSet) add(path string) {
	if s.in == nil {
		s.in, s.above = map[string]bool{}, map[string]bool{}
	}
	s.in[path] = true
	for path != "/" {
		path = filepath.Dir(path)
		if s.above[path] {
			return // and with it all that lie above it
		}
		s.above[path] = true
	}
}

// holds reports whether something in the set is the path, or lies above it.
func (s *pathSet) holds(path string) bool {
	for at := path; ; at = filepath.Dir(at) {
		if s.in[at] || at == "/" {
			return s.in[at]
		}
	}
}

// meets reports whether something in the set is the path, lies above it, or lies beneath it. What
// is no absolute path meets nothing.
func (s *pathSet) meets(path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	if s.above[path] {
		return true
	}
	return s.holds(path)
}
