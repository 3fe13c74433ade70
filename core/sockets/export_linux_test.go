package sockets

// WithoutDuplicates has it work as beneath a filter that lets nobody take another's descriptors.
func (s *Sockets) WithoutDuplicates() { s.duplicates = false }
