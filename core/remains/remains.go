// Package remains says what remains of a run: what the command left in places that go with the
// session, what came back to the host, and what programs outside will act on, with all rights of
// the user's.
//
//	before := remains.Look(watched, look, finder)     // before the processes start
//	private, err := remains.LookInside(dir, f)        // before the agent does
//	... // the run
//	report := remains.Of(remains.Run{Before: before, Private: ..., ...})
//	report.Tell(out, home)
//
// Nothing is done about what is found. What existed before the run is protected; what did not
// cannot be held, because nothing is ever made on the host to hold its place. So the places are
// looked at twice, by the names that those outside know them by, and what has changed is told:
// the agent did that, or meanwhile the user.
//
// All that is looked at is the agent's work. Each look is bounded, follows no link out of where it
// looks, and waits for nobody. A [Report] is a value: it can be told to a person, and marshalled
// for a machine with package bytejson, which keeps every byte of a path.
package remains

import (
	"slices"
	"time"

	"github.com/nono-run/nono/core/copies"
)

// Report is what there is to tell. Its zero says that nothing remains.
type Report struct {
	// Ended is how many processes the command left behind. They were ended.
	Ended int `json:"ended,omitempty"`
	// Private are the private directories in which something was left. It is gone.
	Private []Left `json:"private,omitempty"`
	// Copies are the files that were copied into the session and changed there.
	Copies []copies.Outcome `json:"copies,omitempty"`
	// Worktrees are git worktrees that were made where nothing was granted. They are gone.
	Worktrees []string `json:"worktrees,omitempty"`
	// Aside is what became of what was kept aside.
	Aside Aside `json:"aside,omitzero"`
	// Outside is what programs outside act on.
	Outside Outside `json:"outside,omitzero"`
	// Cut says that there was more than is listed; see [Report.Bounded].
	Cut bool `json:"cut,omitempty"`
}

// Left is what was left in a private directory.
type Left struct {
	// Dir is its path inside.
	Dir string `json:"dir"`
	// Files is how many files were left.
	Files int `json:"files"`
	// Gone are these files, those of one directory together, the largest first.
	Gone []Gone `json:"gone,omitempty"`
	// Unread is why the directory could not be looked at.
	Unread string `json:"unread,omitempty"`
}

// Gone is a file, or all files that were in one directory.
type Gone struct {
	// Path is the file's, or that of the deepest directory that all of them were in.
	Path  string `json:"path"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Outside is what is new or changed of what programs outside act on: git above all.
type Outside struct {
	// New are protected names that are there now, and Changed those that are something else.
	New     []string `json:"new,omitempty"`
	Changed []Change `json:"changed,omitempty"`
	// Repositories are those that are new, or whose settings changed where nobody protected them.
	Repositories []Repository `json:"repositories,omitempty"`
	// Entered are the paths that the index of a repository leads to since the start.
	Entered []Entered `json:"entered,omitempty"`
	// Unread are repositories whose index cannot be read any more.
	Unread []Unread `json:"unread,omitempty"`
	// Lost are git directories that git does not take for any longer, Heads those with another HEAD.
	Lost  []string `json:"lost,omitempty"`
	Heads []Change `json:"heads,omitempty"`
	// RunLater are names whose content tools run, and that are new or changed.
	RunLater []string `json:"run_later,omitempty"`
	// Unseen are directories that were not looked through, because there was too much, and
	// UnseenLast those of them in which tools install and build.
	Unseen     []string `json:"unseen,omitempty"`
	UnseenLast []string `json:"unseen_last,omitempty"`
}

// Change is what was and is at a path.
type Change struct {
	Path string `json:"path"`
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// Repository is a git repository.
type Repository struct {
	Path string `json:"path"`
	// Bare says that the git directory lies open, and not in a .git.
	Bare bool `json:"bare,omitempty"`
}

// Entered are repositories in the index of another one.
type Entered struct {
	Repository string   `json:"repository"`
	Paths      []string `json:"paths"`
}

// Unread is a repository whose index cannot be read, and why.
type Unread struct {
	Repository string `json:"repository"`
	Why        string `json:"why"`
}

// Run is what was looked at before a run, and what is known of it afterwards.
type Run struct {
	// Before is what was there outside when the run began; nil where nobody protects anything.
	Before *Before
	// Private are the session's private directories.
	Private []*Private
	// Copies is what became of the files that were copied into the session.
	Copies []copies.Outcome
	// Aside is what became of what was kept aside.
	Aside Aside
	// Writable are the directories that the agent could write.
	Writable []string
	// Began is when the agent began to run; zero if it did not.
	Began time.Time
	// Ended is how many processes the command left behind.
	Ended int
}

// Of looks again, and says what remains.
func Of(r Run) Report {
	report := Report{Ended: r.Ended, Aside: r.Aside}
	for _, p := range r.Private {
		if left := p.left(); left.Files > 0 || left.Unread != "" {
			report.Private = append(report.Private, left)
		}
	}
	for _, o := range r.Copies {
		if o.Result != copies.Unchanged {
			report.Copies = append(report.Copies, o)
		}
	}
	if !r.Began.IsZero() {
		report.Worktrees = lostWorktrees(r.Writable, r.Began)
	}
	if r.Before != nil {
		report.Outside = r.Before.compare()
	}
	return report
}

// perEntry is about what an entry of a list takes besides its paths.
const perEntry = 64

// Bounded is the report with lists of at most about that many bytes in all, for where it is kept:
// how much there is to tell is the agent's choice.
func (r Report) Bounded(bytes int) Report {
	b := budget{left: bytes}
	r.Private = slices.Clone(r.Private)
	for i, p := range r.Private {
		r.Private[i].Gone = within(&b, p.Gone, func(g Gone) int { return len(g.Path) })
	}
	text := func(s string) int { return len(s) }
	change := func(c Change) int { return len(c.Path) + len(c.Was) + len(c.Is) }
	r.Copies = within(&b, r.Copies,
		func(o copies.Outcome) int { return len(o.Path) + len(o.At) + len(o.Why) })
	r.Worktrees = within(&b, r.Worktrees, text)
	altered := func(a Altered) int { return len(a.Path) + len(a.How) }
	r.Aside.Policies = within(&b, r.Aside.Policies, altered)
	r.Aside.Changes = within(&b, r.Aside.Changes, altered)
	o := &r.Outside
	o.New, o.Changed = within(&b, o.New, text), within(&b, o.Changed, change)
	o.Repositories = within(&b, o.Repositories, func(r Repository) int { return len(r.Path) })
	o.Entered = slices.Clone(o.Entered)
	for i, e := range o.Entered {
		o.Entered[i].Paths = within(&b, e.Paths, text)
	}
	o.Entered = within(&b, o.Entered, func(e Entered) int { return len(e.Repository) })
	o.Unread = within(&b, o.Unread, func(u Unread) int { return len(u.Repository) + len(u.Why) })
	o.Lost, o.Heads = within(&b, o.Lost, text), within(&b, o.Heads, change)
	o.RunLater = within(&b, o.RunLater, text)
	o.Unseen, o.UnseenLast = within(&b, o.Unseen, text), within(&b, o.UnseenLast, text)
	r.Cut = r.Cut || b.cut
	return r
}

type budget struct {
	left int
	cut  bool
}

// within are the first entries of a list, as far as the budget goes.
func within[T any](b *budget, list []T, size func(T) int) []T {
	for i, entry := range list {
		if b.left -= size(entry) + perEntry; b.left < 0 {
			b.cut = true
			return list[:i:i]
		}
	}
	return list
}
