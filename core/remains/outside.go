package remains

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/git"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Watched is what is looked at outside, before a run and after it.
type Watched struct {
	// Names are places that are protected where something of their type is there.
	Names []string
	// Projects are the directories that the agent may write, and Repositories those that git would
	// enter from there when the run began.
	Projects     []string
	Repositories []git.Repository
	// Reported are names relative to a project that are told when they are new or changed, and paths.
	// One that ends in / is a directory, with what lies in it; one in .git/ is meant in each
	// repository.
	Reported []string
	// Home is the user's home directory, and ConfigHome where settings are.
	Home, ConfigHome string
}

// Before is what was there when the run began.
type Before struct {
	Watched
	began        time.Time
	names        map[string]standing
	repositories map[string]repository // by git directory
}

// standing is what stands at a name, and where it leads.
type standing struct {
	is policy.FileType
	// link is what a link at the name itself says, and to the path without any links; empty where it
	// leads nowhere.
	link, to string
}

// repository is what of a repository decides where git goes from it.
type repository struct {
	git.Repository
	head     string
	accepted bool
}

// slack is how much the clock of a file system may lag behind ours: it counts in ticks.
const slack = 10 * time.Millisecond

// Look looks before a run.
func Look(w Watched, look hostfile.Look, finder *git.Finder) *Before {
	b := &Before{
		Watched: w, began: time.Now().Add(-slack),
		names: map[string]standing{}, repositories: map[string]repository{},
	}
	for _, at := range w.Names {
		b.names[at] = standingAt(look, at)
	}
	for _, r := range w.Repositories {
		b.repositories[r.Dir()] = inspect(finder, r)
	}
	return b
}

func standingAt(look hostfile.Look, at string) standing {
	route, err := hostfile.Follow(look, at)
	if err != nil {
		return standing{is: policy.Special, link: linkAt(look, at)} // a circle, or out of sight
	}
	return standing{is: route.Entry.Type, link: linkAt(look, at), to: route.Path}
}

func linkAt(look hostfile.Look, at string) string {
	e, err := look(at)
	if err != nil {
		return ""
	}
	return e.Target
}

func inspect(finder *git.Finder, r git.Repository) repository {
	return repository{r, finder.Head(r.Dir()), finder.Accepted(r.Dir())}
}

// compare looks again.
func (b *Before) compare() Outside {
	look := hostfile.Once(hostfile.Host)
	c := comparison{
		Before: b, look: look, finder: git.New(look, b.Home, b.ConfigHome), seen: map[string]bool{},
	}
	for _, project := range b.Projects {
		found := c.finder.Repositories(project, git.After)
		for _, r := range found.Repositories {
			c.repository(r)
		}
		if found.Unseen != "" {
			c.Unseen = append(c.Unseen, found.Unseen)
		} else if found.More {
			c.Unseen = append(c.Unseen, project)
		}
		if found.UnseenLast != "" {
			c.UnseenLast = append(c.UnseenLast, found.UnseenLast)
		}
		c.reported(project)
	}
	for _, r := range b.Repositories {
		if b.repositories[r.Dir()].accepted && !c.finder.Accepted(r.Dir()) {
			c.Lost = append(c.Lost, r.Dir())
		}
	}
	for _, at := range b.Names {
		c.name(at)
	}
	for _, at := range b.Watched.Reported {
		if strings.HasPrefix(at, "/") {
			c.reportedAt(at)
		}
	}
	slices.Sort(c.RunLater)
	c.RunLater = slices.Compact(c.RunLater)
	return c.Outside
}

type comparison struct {
	*Before
	look   hostfile.Look
	finder *git.Finder
	seen   map[string]bool // repositories
	fresh  []string        // git directories of new ones
	Outside
}

// name compares what stands at a protected name.
func (c *comparison) name(at string) {
	was, is := c.names[at], standingAt(c.look, at)
	for _, dir := range c.fresh {
		if policy.Within(at, dir) {
			return // a part of what is told as a whole
		}
	}
	switch {
	case was == is, is.is == policy.Missing && is.link == "":
	case was.is == policy.Missing && was.link == is.link:
		c.New = append(c.New, at)
	default:
		c.Changed = append(c.Changed, Change{at, was.String(), is.String()})
	}
}

// String says what stands there.
func (s standing) String() string {
	if s.link != "" {
		return "a link to " + s.link
	}
	switch s.is {
	case policy.Missing:
		return "missing"
	case policy.Regular:
		return "a file"
	case policy.Directory:
		return "a directory"
	case policy.Special:
	}
	return "something else"
}

// repository compares one that is there now.
func (c *comparison) repository(r git.Repository) {
	if c.seen[r.Dir()] {
		return
	}
	c.seen[r.Dir()] = true
	was, known := c.repositories[r.Dir()]
	if !known {
		if c.changedAny(r) {
			c.fresh = append(c.fresh, r.Dir())
			c.Outside.Repositories = append(c.Outside.Repositories, Repository{r.Where(), r.Bare})
		}
	}
	if known && r.IndexErr != nil && was.IndexErr == nil {
		c.Unread = append(c.Unread, Unread{r.Where(), r.IndexErr.Error()})
	}
	entered := Entered{Repository: r.Where()}
	for _, link := range r.Links {
		if known && !slices.Contains(was.Links, link) {
			entered.Paths = append(entered.Paths, link)
		}
	}
	if len(entered.Paths) > 0 {
		c.Entered = append(c.Entered, entered)
	}
	if head := c.finder.Head(r.Dir()); known && head != "" && was.head != "" && head != was.head {
		c.Heads = append(c.Heads, Change{r.Where(), was.head, head})
	}
	for _, name := range c.Watched.Reported {
		if inGit, ok := cutGit(name); ok {
			c.reportedAt(r.Dir() + "/" + inGit)
		}
	}
}

// changedAny reports whether what decides what git runs in a repository is younger than the run.
func (c *comparison) changedAny(r git.Repository) bool {
	names := []string{r.Dir(), r.Dir() + "/commondir"}
	if r.Root != "" && !r.Bare {
		names = append(names, r.Root+"/.git")
	}
	for _, dir := range r.Dirs {
		names = append(names, dir+"/config", dir+"/config.worktree", dir+"/hooks")
	}
	if slices.ContainsFunc(names, c.changed) {
		return true
	}
	// What its settings lead to: files that they include, and hooks that lie elsewhere.
	led := c.finder.Names(r, "config")
	for _, dir := range c.finder.Names(r, "hooks") {
		hooks, _ := git.Hooks(dir)
		led = append(append(led, dir), hooks...)
	}
	return slices.ContainsFunc(led, c.touched)
}

// touched reports whether what a name leads to, or a link on the way there, is younger than the run
// and lies where the agent could write.
func (c *comparison) touched(name string) bool {
	route, err := hostfile.Follow(c.look, name)
	if err != nil {
		return c.changed(name)
	}
	places := []string{route.Path}
	for _, link := range route.Links() {
		places = append(places, link.Path)
	}
	return slices.ContainsFunc(places, func(at string) bool {
		return slices.ContainsFunc(c.Projects, func(project string) bool {
			return policy.Within(at, project)
		}) && c.changed(at)
	})
}

// changed reports whether a file is younger than the run: nobody but the kernel sets the time at
// which a file or its name was last changed.
func (c *comparison) changed(at string) bool {
	var st unix.Stat_t
	return unix.Lstat(at, &st) == nil && time.Unix(st.Ctim.Unix()).After(c.began)
}

// reported finds what else is new or changed in a project.
func (c *comparison) reported(project string) {
	for _, name := range c.Watched.Reported {
		if _, inGit := cutGit(name); !inGit && !strings.HasPrefix(name, "/") {
			c.reportedAt(project + "/" + name)
		}
	}
}

// reportedAt notes one name; of a directory, which ends in /, what lies in it.
func (c *comparison) reportedAt(at string) {
	dir, isDir := cutSlash(at)
	if !isDir {
		if c.changed(at) {
			c.RunLater = append(c.RunLater, at)
		}
		return
	}
	names, more := git.List(dir)
	if more {
		c.Unseen = append(c.Unseen, dir)
	}
	for _, name := range names {
		if c.changed(dir + "/" + name.Name()) {
			c.RunLater = append(c.RunLater, dir+"/"+name.Name())
		}
	}
}

func cutGit(name string) (string, bool) { return strings.CutPrefix(name, ".git/") }

func cutSlash(name string) (string, bool) { return strings.CutSuffix(name, "/") }
