package reference

import (
	"fmt"
	"strings"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/lazyregexp"
)

// Starter is what somebody wants in a first file of policy.
type Starter struct {
	// Command is what the file runs; none leaves that to the command line.
	Command []string
	// Extends are the profiles that it adds to.
	Extends []string
	// ReadOnly lets the agent read the file's directory and change nothing.
	ReadOnly bool
	// Models lets the agent reach language models, and Open all of the network; neither is closed.
	Models, Open bool
}

// File is the file: what was asked for, and beside it, as comments, all else that these blocks can
// say, each name with what it means.
func (s Starter) File() string {
	chosen := map[string]string{"filesystem.allow": `["."]`}
	if s.ReadOnly {
		chosen = map[string]string{"filesystem.read": `["."]`}
	}
	switch {
	case s.Open:
		chosen["network.open"] = "true"
	case s.Models:
		chosen["network.profile"] = `"minimal"`
	}
	if len(s.Command) > 0 {
		chosen[".command"] = list(s.Command)
	}
	if len(s.Extends) > 0 {
		chosen[".extends"] = list(s.Extends)
	}
	var b strings.Builder
	b.WriteString(`# What an agent may do here. Nothing that is not granted exists for it.
#
#   nono plan -c agent.hcl    shows what follows from this file, line by line
#   nono run -c agent.hcl     runs it
#   nono help agent.hcl       explains every name of the language
`)
	for _, section := range config.Language() {
		if section.Name == "" || simple(section) {
			writeStart(&b, section, chosen)
		}
	}
	return b.String()
}

// simple reports whether a block is one that a first file may be about: it has no label, says
// nothing while it is empty, and what can be honoured of it, anybody's file may say.
func simple(s config.Section) bool {
	if s.Grammar.Label != "" || s.Grammar.Later || s.Grammar.Alone {
		return false
	}
	for _, a := range s.Grammar.Attributes {
		if !a.Later && !a.OwnOnly {
			return true
		}
	}
	return false
}

// assignment is a line of an example that says something.
var assignment = lazyregexp.New(`(?m)^ *([a-z_]+) *= (.+)$`)

// writeStart writes what is chosen of a block, as "block.attribute", and the rest as comments.
func writeStart(b *strings.Builder, s config.Section, chosen map[string]string) {
	indent := ""
	if s.Name != "" {
		indent = "  "
		fmt.Fprintf(b, "\n# %s.\n%s {\n", upper(s.Grammar.Help), s.Name)
	}
	for i, line := range assignment.FindAllStringSubmatch(s.Example, -1) {
		name, value := line[1], line[2]
		if s.Name == "" || i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(filled(wide, indent+"# ", indent+"# ", upper(s.Grammar.Attributes[name].Help)+"."))
		if own, ok := chosen[s.Name+"."+name]; ok {
			fmt.Fprintf(b, "%s%s = %s\n", indent, name, own)
		} else {
			fmt.Fprintf(b, "%s# %s = %s\n", indent, name, value)
		}
	}
	if s.Name != "" {
		b.WriteString("}\n")
	}
}

// list is words as a list of the language.
func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = language.Quote(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
