package sockets

// WithoutDuplicates has it work as beneath a filter that lets nobody take another's descriptors.
func (s *Sockets) WithoutDuplicates() { s.duplicates = false }

// Again asks how far the connection of a socket has come. It closes the descriptor.
func Again(fd int) error {
	s, err := look(fd)
	if err != nil {
		return err
	}
	defer s.close()
	return s.again()
}
