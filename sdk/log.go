package sdk

import (
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/sdk/wire"
)

// stderr is the process's own. go-plugin puts a pipe in the place of os.Stderr when it serves.
var stderr = os.Stderr

var logger = sync.OnceValue(func() hclog.Logger {
	// A command's lines are read by the person who typed it.
	command := os.Getenv(wire.CommandVariable) != ""
	level := hclog.LevelFromString(os.Getenv(wire.LogVariable))
	switch {
	case level != hclog.NoLevel:
	case command:
		level = hclog.Warn
	default:
		level = hclog.Info
	}
	return hclog.New(&hclog.LoggerOptions{
		Output: stderr, JSONFormat: !command, DisableTime: command, Level: level,
	})
})

// Logger is where a layer logs. Lines arrive in core's own log with their level and fields; a field
// that is secret must be left out. What a layer prints on stdout or stderr arrives as well, at
// debug level. In one of the layer's commands lines from warnings on are shown to the person.
func Logger() hclog.Logger { return logger() }
