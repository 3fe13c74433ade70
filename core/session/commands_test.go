package session

import (
	"slices"
	"testing"
)

// A layer's command has what its terminal and the user's pager go by, and nothing else of the
// user's.
func TestTerminalVariables(t *testing.T) {
	own := []string{"TERM=xterm", "LC_TIME=C", "LESS=-R", "PAGER=less", "PATH=/usr/bin"}
	others := []string{"HOME=/home/ada", "LESSOPEN=|evil %s", "OPENAI_API_KEY=key", "PATHS=/"}
	if got := terminalVariables(slices.Concat(others, own)); !slices.Equal(got, own) {
		t.Errorf("it has %q", got)
	}
}
