// Command nono runs an AI agent with only what its user granted. Package core/cli has the commands.
package main

import (
	"os"

	"github.com/nono-run/nono/core/cli"
)

func main() { os.Exit(cli.Main()) }
