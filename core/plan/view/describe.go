package view

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/sdk/fragment"
)

// Describe says in a few words what a mount step puts at its path.
func Describe(s fragment.Mount) string {
	switch s := s.(type) {
	case fragment.Bind:
		text := "the host's, read-only"
		if s.Writable {
			text = "the host's, writable"
		}
		if s.Source() != s.Path {
			text = "the host's " + s.Source() + strings.TrimPrefix(text, "the host's")
		}
		if s.NoExec {
			text += ", no programs"
		}
		if s.SHA256 != "" {
			text += ", as it was verified"
		}
		return text
	case fragment.Copy:
		return "a copy of the host's, brought back at the end"
	case fragment.Link:
		return "a link to " + s.Target
	case fragment.Hold:
		return "the host's link, held in its place"
	case fragment.Tmpfs:
		return "an empty directory in memory, up to " + size(s.Size)
	case fragment.Mask:
		switch {
		case s.Directory:
			return "hidden: a directory without rights"
		case s.Readable:
			return "hidden: an empty file"
		}
		return "hidden: a file without rights"
	case fragment.File:
		return fmt.Sprintf("a file of the session's own, %d bytes", len(s.Content))
	case fragment.Pseudo:
		switch s.Type {
		case fragment.Procfs:
			return "processes of the session"
		case fragment.Devpts:
			return "terminals of the session"
		}
	}
	panic(fmt.Sprintf("a mount step of an unknown type: %T", s))
}

func size(n uint64) string {
	for _, unit := range []struct {
		name string
		size uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
