// Command nono runs an AI agent with only what its user granted. Package core/cli has the commands.
package main

import (
	"os"

	"github.com/nono-run/nono/core/cli"
	"github.com/nono-run/nono/core/timers"
)

// usersSlack is by how many nanoseconds timers might be late before nono's first instructions
// changed that; 0 where it begins as Go does. See entry.go.
var usersSlack int

func main() {
	timers.Relaxed(usersSlack)
	os.Exit(cli.Main())
}
