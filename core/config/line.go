package config

import "github.com/nono-run/nono/sdk/policy"

// Line is the text of a source's line, without its end; empty for a flag and for a file that was not loaded.
func (c *Config) Line(at policy.Source) string {
	if at.Line == 0 {
		return ""
	}
	for _, t := range c.texts {
		if t.origin == at.Origin {
			return t.line(at.Line)
		}
	}
	return ""
}
