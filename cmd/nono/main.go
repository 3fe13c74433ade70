// Command nono runs an AI agent with only what its user granted. Package core/cli has the commands.
package main

import (
	"os"

	"github.com/nono-run/nono/core/cli"
	"github.com/nono-run/nono/core/timers"
)

// usersSlack is by how many nanoseconds the user's timers may be late, as nono's first instructions
// found it; 0 where it begins as Go does. See entry.go.
var usersSlack int

func main() {
	timers.Relaxed(usersSlack)
	os.Exit(cli.Main())
}
