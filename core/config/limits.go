package config

import (
	"time"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// limits is how much of the machine the agent may use. An empty block limits nothing. What is not
// built would take a control group that is delegated to the user, or hold for each process alone
// what was meant for all of them.
var limits = block{
	name: "limits",
	grammar: &language.Block{
		Help: "how much of the machine the agent may use",
		Attributes: map[string]language.Attribute{
			"memory":    {Shape: language.String, Of: "size", Later: true, Help: `as in "4GiB"`},
			"processes": {Shape: language.Number, Later: true, Help: "at the same time"},
			"cpu":       {Shape: language.String, Of: "duration", Later: true, Help: `as in "2h"`},
			"time": {
				Shape: language.String, Of: "duration",
				Help: `how long a run may take, as in "8h"; then the agent is ended`,
			},
			"open_files": {
				Shape: language.Number, Help: "of one process at the same time; 64 or more",
			},
		},
	},
	example: `
limits {
  time       = "8h"
  open_files = 4096
}
`,
	read: (*reader).limits,
}

// Limits are what a run may use; zero is what nobody says.
type Limits struct {
	Time        time.Duration
	TimeAt      policy.Source
	OpenFiles   uint64
	OpenFilesAt policy.Source
}

// fewestFiles is what nono's own process inside needs, which has the same limit.
const fewestFiles = 64

// limits reads them. The last source wins, but a file from elsewhere only lowers what another says.
func (r *reader) limits(s *source, t *language.Tree) {
	l := &r.limited
	if it, ok := t.One("time"); ok {
		d, ok := r.duration(it)
		switch {
		case !ok:
		case d <= 0:
			r.add(problem(it.Source, "a run of no time is none").Try(`write it as "8h" or "90m"`))
		case s.foreign && l.Time > 0 && d > l.Time:
			r.notice(it.Source, "the time stays %s (%s): a file from elsewhere only lowers a limit",
				l.Time, l.TimeAt)
		default:
			l.Time, l.TimeAt = d, it.Source
		}
	}
	if v, ok := t.Attributes["open_files"]; ok {
		n := uint64(v.Number)
		switch {
		case n < fewestFiles:
			r.add(problem(v.Source, "open_files is too low: nono itself needs %d inside", fewestFiles))
		case s.foreign && l.OpenFiles > 0 && n > l.OpenFiles:
			r.notice(v.Source, "open_files stays %d (%s): a file from elsewhere only lowers a limit",
				l.OpenFiles, l.OpenFilesAt)
		default:
			l.OpenFiles, l.OpenFilesAt = n, v.Source
		}
	}
}
