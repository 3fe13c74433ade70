package config

import (
	"time"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// limits is how much of the machine the agent may use. An empty block limits nothing. What is not
// built would take a control group that is delegated to the user, or hold for each process alone
// what was meant for all of them: later.go says what there is in its place.
var limits = block{
	name: "limits",
	grammar: &language.Block{
		Help: "how much of the machine the agent may use",
		Attributes: map[string]language.Attribute{
			"memory": {Shape: language.String, Of: "size", Later: true, Help: `as in "4GiB"`},
			"cpu":    {Shape: language.String, Of: "duration", Later: true, Help: `as in "2h"`},
			"processes": {
				Shape: language.Number,
				Help: "processes and threads inside at the same time, and never more; a few fewer where " +
					"nono's own process inside needs more threads. root has no such limit, and a run of " +
					"root's with it is refused",
			},
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
  processes  = 500
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
	Processes   uint64
	ProcessesAt policy.Source
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
		if v.Number < fewestFiles {
			r.add(problem(v.Source, "open_files is too low: nono itself needs %d inside", fewestFiles))
		} else {
			r.lower(s, "open_files", v, &l.OpenFiles, &l.OpenFilesAt)
		}
	}
	if v, ok := t.Attributes["processes"]; ok {
		if v.Number == 0 {
			r.add(problem(v.Source, "the agent is a process, and none is too few"))
		} else {
			r.lower(s, "processes", v, &l.Processes, &l.ProcessesAt)
		}
	}
}

// lower takes a number for a limit, which a file from elsewhere only lowers.
func (r *reader) lower(
	s *source, name string, v *language.Value, limit *uint64, at *policy.Source,
) {
	n := uint64(v.Number)
	if s.foreign && *limit > 0 && n > *limit {
		r.notice(v.Source, "%s stays %d (%s): a file from elsewhere only lowers a limit",
			name, *limit, *at)
		return
	}
	*limit, *at = n, v.Source
}
