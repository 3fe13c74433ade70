//go:build linux

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/nono-run/nono/plugins/snapshot/sessions"
	"github.com/nono-run/nono/plugins/snapshot/show"
	"github.com/nono-run/nono/plugins/snapshot/store"
	"github.com/nono-run/nono/plugins/snapshot/tree"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/progress"
)

// The commands.
const (
	commandDiff     = "session diff"
	commandRollback = "session rollback"
	commandVerify   = "session verify"
)

var subcommands = []sdk.Subcommand{
	{
		Path: commandDiff, Arguments: "[PATH...]", Session: true, Completion: sdk.CompleteFiles,
		Help: "Show what changed in the recorded directories while a session ran",
		Flags: []sdk.Flag{
			{Name: "stat", Help: "a line for each path, with how many lines came and went"},
			{Name: "name-only", Help: "the names alone"},
			{Name: "json", Help: "for a program"},
		},
	},
	{
		Path: commandRollback, Arguments: "[PATH...]", Session: true, Completion: sdk.CompleteFiles,
		Help: "Put back what stood in the recorded directories before a session, all of it or some",
		Flags: []sdk.Flag{
			{Name: "yes", Help: "do not ask"},
			{Name: "dry-run", Help: "say what would be put back, and change nothing"},
			{Name: "choose", Help: "choose paths, and differences in them, from a list"},
			{Name: "force", Help: "also what was changed since the session ended"},
			{Name: "undo", Help: "take the last rollback of the session back"},
		},
	},
	{
		Path: commandVerify, Session: true, Completion: sdk.CompleteNothing,
		Help: "Read all that the snapshots of a session hold, and hold it against its digests",
	},
}

// Run implements sdk.Commander.
func (*layer) Run(ctx context.Context, req *sdk.SubcommandRequest) error {
	if req.Session == nil {
		return fmt.Errorf("there is no command %q", req.Path)
	}
	s, err := open(ctx, req.StateDir)
	if err != nil {
		return err
	}
	defer s.close()
	of, err := s.sessions.Get(req.Session.Run.SessionID)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no snapshot of this session: its agent never ran, or it was " +
			"forgotten")
	}
	if err != nil {
		return err
	}
	c := &command{SubcommandRequest: req, state: s, of: of}
	if term.IsTerminal(int(os.Stderr.Fd())) && lookup("TERM") != "dumb" {
		c.bar = progress.On(os.Stderr)
	}
	defer c.bar.Done()
	switch req.Path {
	case commandDiff:
		return c.diff(ctx)
	case commandRollback:
		return c.rollback(ctx)
	case commandVerify:
		return c.verify(ctx)
	}
	return fmt.Errorf("there is no command %q", req.Path)
}

// command is one of the commands about a session.
type command struct {
	*sdk.SubcommandRequest
	*state

	of  *sessions.Session
	bar *progress.Bar
}

func (c *command) has(flag string) bool {
	_, ok := c.Flags[flag]
	return ok
}

// lookup reads a variable that the user's terminal and pager go by.
func lookup(name string) string {
	//nolint:forbidigo // a command's own process has those of the terminal and the pager alone
	return os.Getenv(name)
}

// shows has the bar show how far something has come.
func (c *command) shows(text string) func(done, total int64) {
	return func(done, total int64) {
		c.bar.Show(text, uint64(max(done, 0)), uint64(max(total, 0)))
	}
}

// say tells the person something that was not asked for.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "nono: %s\n", policy.Printable(fmt.Sprintf(format, args...)))
}

// selection are the paths that were named, by the number of the recorded directory that each is in;
// nil is everything.
func (c *command) selection() (map[int][]string, error) {
	if len(c.Args) == 0 {
		return nil, nil
	}
	chosen := map[int][]string{}
	for _, arg := range c.Args {
		path := arg
		if !filepath.IsAbs(path) {
			path = filepath.Join(c.Dir, path)
		}
		path = filepath.Clean(path)
		found := false
		for i, root := range c.of.Roots {
			switch {
			case path == root.Path || policy.Within(root.Path, path):
				chosen[i], found = append(chosen[i], ""), true
			case policy.Within(path, root.Path):
				chosen[i] = append(chosen[i], strings.TrimPrefix(path, root.Path+"/"))
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("%s is in none of the directories that were recorded: %s",
				policy.Printable(arg), c.roots())
		}
	}
	return chosen, nil
}

func (c *command) roots() string {
	var names []string
	for _, root := range c.of.Roots {
		names = append(names, policy.Printable(root.Path))
	}
	return strings.Join(names, ", ")
}

// covers reports whether a path is chosen.
func covers(chosen []string, path string) bool {
	for _, p := range chosen {
		if p == "" || path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// name is a path as it is seen from where the user is.
func (c *command) name(root, path string) string {
	abs := filepath.Join(root, path)
	if rel, err := filepath.Rel(c.Dir, abs); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return abs
}

// rooted is a change, and the number of its root.
type rooted struct {
	show.Named

	root int
}

// changed lists what is different between the snapshots, renames found, as far as it is chosen.
func (c *command) changed(ctx context.Context) ([]rooted, error) {
	chosen, err := c.selection()
	if err != nil {
		return nil, err
	}
	var all []rooted
	for i := range c.of.Roots {
		root := &c.of.Roots[i]
		if chosen != nil && len(chosen[i]) == 0 || root.Gone != "" {
			continue
		}
		list, err := c.changes(ctx, root)
		if err != nil {
			return nil, err
		}
		for _, change := range list {
			if chosen != nil && !covers(chosen[i], change.Path) &&
				(change.From == "" || !covers(chosen[i], change.From)) {
				continue
			}
			n := show.Named{Change: change, Name: c.name(root.Path, change.Path)}
			n.OldName = n.Name
			if change.From != "" {
				n.OldName = c.name(root.Path, change.From)
			}
			all = append(all, rooted{n, i})
		}
	}
	return all, nil
}

// notes are what everybody who reads a difference should know of it.
func (c *command) notes() []string {
	notes := []string{"what you, or another program, changed while it ran is in this too: " +
		"nobody can tell who did it"}
	if c.of.Late {
		notes = append(notes, "its nono was killed, so this is what it became by "+
			c.of.Ended.Local().Format("Jan 2 15:04:05")+", and not only by its end")
	}
	for _, root := range c.of.Roots {
		if root.Gone != "" {
			notes = append(notes, fmt.Sprintf("%s could not be recorded again: %s", root.Path, root.Gone))
		}
		if n := max(root.Unreadable[0], root.Unreadable[1]); n > 0 {
			notes = append(notes, fmt.Sprintf("%s in %s could not be recorded",
				plural(int(n), "name"), root.Path))
		}
	}
	for _, id := range c.Session.Sharing {
		notes = append(notes, "session "+id+" runs there now")
	}
	return notes
}

// diff shows what changed.
func (c *command) diff(ctx context.Context) (err error) {
	if !c.of.Over() {
		return errors.New("the session has no second snapshot: its end was not recorded")
	}
	changes, err := c.changed(ctx)
	if err != nil {
		return err
	}
	if c.has("json") {
		return c.diffJSON(changes)
	}
	screen := show.Page(ctx, os.Stdout, lookup)
	defer func() {
		closeErr := screen.Close()
		if show.Enough(err) {
			err = nil
		}
		err = errors.Join(err, closeErr)
	}()
	p := &show.Printer{
		To: screen, Open: c.open, Escape: screen.Terminal,
		Colour: screen.Terminal && lookup("NO_COLOR") == "",
	}
	shown, units := withoutGit(changes)
	if c.has("name-only") {
		return show.Names(screen, named(changes))
	}
	var n counts
	for _, change := range changes {
		n.add(change.root, change.Change)
	}
	fmt.Fprintf(screen, "# session %s: %s\n", c.of.ID, n.says())
	for _, note := range c.notes() {
		fmt.Fprintf(screen, "# %s\n", policy.Printable(note))
	}
	for _, u := range units {
		fmt.Fprintf(screen, "# %s: %s differ in the git directory, which is put back as a whole\n",
			policy.Printable(u.name), plural(u.paths, "path"))
	}
	if c.has("stat") {
		return p.Stat(named(shown))
	}
	for _, change := range shown {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := p.Diff(change.Named); err != nil {
			return err
		}
	}
	return nil
}

// open opens a content.
func (c *command) open(d tree.Digest) (io.ReadCloser, error) { return c.store.Open(d) }

func named(all []rooted) []show.Named {
	out := make([]show.Named, len(all))
	for i, change := range all {
		out[i] = change.Named
	}
	return out
}

// unit is a git directory, of which the paths are not shown one by one.
type unit struct {
	root  int
	path  string
	name  string
	paths int
}

// withoutGit are the changes outside of git directories, and those that have any.
func withoutGit(all []rooted) ([]rooted, []*unit) {
	var shown []rooted
	var units []*unit
	for _, change := range all {
		if !change.InGit {
			shown = append(shown, change)
			continue
		}
		i := slices.IndexFunc(units, func(u *unit) bool {
			return u.root == change.root && u.path == change.Git
		})
		if i < 0 {
			name := strings.TrimSuffix(change.Name, strings.TrimPrefix(change.Path, change.Git))
			units = append(units, &unit{root: change.root, path: change.Git, name: name})
			i = len(units) - 1
		}
		units[i].paths++
	}
	return shown, units
}

func (c *command) diffJSON(changes []rooted) error {
	out := show.Session{
		ID: c.of.ID, Began: c.of.Began, Ended: c.of.Ended, Late: c.of.Late, Notes: c.notes(),
		Changes: []show.Change{},
	}
	for _, change := range changes {
		out.Changes = append(out.Changes, show.For(c.of.Roots[change.root].Path, change.Change))
	}
	return show.JSON(os.Stdout, out)
}

// verify reads all that the session's snapshots hold.
func (c *command) verify(ctx context.Context) error {
	found, err := c.store.Verify(ctx, store.Verify{
		Manifests: c.of.Manifests(), Refs: refs, Progress: c.shows("reading session " + c.of.ID),
	})
	c.bar.Done()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "%d snapshots, %d objects, %s\n", found.Manifests, found.Objects,
		size(found.Bytes))
	if found.OK() {
		return nil
	}
	for _, b := range found.Broken {
		say("snapshot %s: %d objects are damaged or missing: %v", b.Manifest, b.Objects, b.Why)
	}
	for _, err := range found.Examples {
		say("%v", err)
	}
	return &sdk.ExitError{Code: 1}
}
