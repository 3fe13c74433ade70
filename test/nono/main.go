// Command nono, of the tests, is nono with deadlines that a test can wait for.
package main

import (
	"context"
	"os"
	"time"

	"github.com/nono-run/nono/core/cli"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/sdk/host"
)

func main() {
	app := cli.New()
	app.Deadlines = layerhost.Deadlines{
		Start: 5 * time.Second, Describe: 2 * time.Second, Plan: 2 * time.Second,
		StartCall: 2 * time.Second, Finish: 2 * time.Second,
		Beat: host.Beat{Interval: 500 * time.Millisecond, Silence: 3 * time.Second},
	}
	app.Grace = 2 * time.Second
	os.Exit(app.Run(context.Background(), os.Args[1:]))
}
