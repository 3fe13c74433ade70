package config

import "github.com/nono-run/nono/core/config/language"

// Section is one block of the language, as it is explained to people.
type Section struct {
	// Name is the block's; "" is what stands outside of any.
	Name    string
	Grammar *language.Block
	// Example is a file that uses every attribute of the block which can be honoured; "" if none can.
	Example string
	// Stranger is what a file from elsewhere needs approval for; "" if nothing.
	Stranger string
}

// Language is the whole language, block by block. It is not to be changed.
func Language() []Section {
	sections := make([]Section, len(blocks))
	for i, b := range blocks {
		sections[i] = Section{b.name, b.grammar, b.example, b.stranger}
	}
	return sections
}
