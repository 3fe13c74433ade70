package config

import (
	"time"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
)

// session is what is kept of the sessions that are over.
var session = block{
	name: "session",
	grammar: &language.Block{
		Help: "what is kept of the sessions that are over",
		Attributes: map[string]language.Attribute{
			"keep": {
				Shape: language.Structured, OwnOnly: true, Help: "what is more goes, the oldest first",
				Fields: map[string]language.Attribute{
					"sessions": {Shape: language.Number, Help: "so many; 1000 if nothing is said"},
					"age": {
						Shape: language.String, Of: "duration",
						Help: `so long after their end, as in "720h"; 90 days if nothing is said`,
					},
					"size": {
						Shape: language.String, Of: "size",
						Help: `so much of the disk, as in "200MiB"; 1 GiB if nothing is said`,
					},
				},
			},
		},
	},
	example: `
session {
  keep = { sessions = 200, age = "720h", size = "200MiB" }
}
`,
	read: (*reader).session,
}

// Keep is what the user says about how many finished sessions are kept, for how long, and how many
// bytes they may take; nil is what he does not say.
type Keep struct {
	Sessions *int64
	Age      *time.Duration
	Size     *int64
}

func (r *reader) session(_ *source, t *language.Tree) {
	keep, ok := t.Attributes["keep"]
	if !ok {
		return
	}
	if v, ok := keep.Fields["sessions"]; ok {
		r.keep.Sessions = &v.Number
	}
	if v, ok := keep.Fields["age"]; ok {
		if age, ok := r.duration(v.Items[0]); ok {
			r.keep.Age = &age
		}
	}
	if v, ok := keep.Fields["size"]; ok {
		if size, ok := r.size(v.Items[0]); ok {
			r.keep.Size = &size
		}
	}
}

// duration is the time that a text stands for, or reports that it stands for none.
func (r *report) duration(it language.Item) (time.Duration, bool) {
	d, err := time.ParseDuration(it.Text)
	if err != nil || d < 0 {
		r.add(diag.Errorf("%s is not a time", quote(it.Text)).At(it.Source).
			Try(`write a number and h, m or s, as in "720h" or "1h30m"`))
		return 0, false
	}
	return d, true
}
