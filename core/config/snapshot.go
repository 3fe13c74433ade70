package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// snapshot is what is recorded, so that it can be undone after the run.
var snapshot = block{
	name: "snapshot", kind: policy.KindSnapshot,
	grammar: &language.Block{
		Alone: true,
		Help: "what is recorded before the run, so that it can be undone; " +
			"the block itself switches it on",
		Attributes: map[string]language.Attribute{
			"paths": {
				Shape: language.StringList, Of: "path",
				Help: "directories; the current one where none is given",
			},
			"exclude": {
				Shape: language.StringList, Of: "glob",
				Help: "what of it is not stored, as in a .gitignore; a pattern with ! before it takes " +
					"back an earlier one, and \"target/ beside Cargo.toml\" holds where that stands " +
					"in the same directory",
			},
			"keep": {
				Shape: language.Structured, OwnOnly: true,
				Help: "what is more goes, the oldest first; a block with nothing else switches nothing on",
				Fields: map[string]language.Attribute{
					"sessions": {Shape: language.Number, Help: "so many; 100 if nothing is said"},
					"age": {
						Shape: language.String, Of: "duration",
						Help: `so long after their end, as in "720h"; 30 days if nothing is said`,
					},
					"size": {
						Shape: language.String, Of: "size",
						Help: `so much of the disk, as in "20GiB"; 20 GiB if nothing is said`,
					},
				},
			},
		},
	},
	example: `
filesystem {
  allow = ["$WORKDIR", "~/data"]
}

snapshot {
  paths   = ["$WORKDIR", "~/data"]
  exclude = ["data/**/*.bin", "!target/"]
  keep    = { sessions = 50, age = "336h", size = "10GiB" } # in your own config.hcl alone
}
`,
	stranger: "a path outside the file's own directory, and what of your own snapshot is not stored",
	read:     (*reader).snapshot,
	asks:     (*reader).snapshotAsks,
	flags: map[string]func(*reader, Flag){
		"snapshot":         (*reader).snapshotFlag,
		"snapshot-exclude": (*reader).snapshotExcludeFlag,
	},
}

// recording is what blocks and flags say of a snapshot.
type recording struct {
	// on are the lines that ask for one, and whether a file from elsewhere says so.
	on []recordingLine
	// dir is the flag that asks for the current directory, whatever else is recorded.
	dir     policy.Source
	roots   []recordedRoot
	exclude []policy.SnapshotExclude
	keep    *policy.SnapshotKeep
}

type recordingLine struct {
	at      policy.Source
	foreign bool
}

// recordedRoot is a directory that is recorded, with the links that were followed to it.
type recordedRoot struct {
	policy.SnapshotPath

	links []string
}

func (r *reader) snapshot(s *source, t *language.Tree) {
	rec := &r.recording
	if keep, ok := t.Attributes["keep"]; ok {
		r.keepSnapshots(keep)
	}
	for _, it := range t.List("exclude") {
		r.exclude(it)
	}
	for _, it := range t.List("paths") {
		if path, bad := r.expand(it.Text); bad != nil {
			r.add(bad.at(it.Source, it.Text))
		} else {
			r.recordPath(s.dir, path, it)
		}
	}
	_, keeps := t.Attributes["keep"]
	onlyKeeps := keeps && len(t.Attributes) == 1
	if s.Origin != policy.OriginDefault && !onlyKeeps && !s.isJSON() {
		rec.on = append(rec.on, recordingLine{t.Source, s.foreign})
	}
}

// isJSON reports whether the source is a profile in JSON, which names what is left out of a
// snapshot and asks for none.
func (s *source) isJSON() bool {
	ext := filepath.Ext(s.Text.File)
	return ext == ".json" || ext == ".jsonc"
}

func (r *reader) snapshotFlag(f Flag) {
	r.lines[policy.KindSnapshot] = append(r.lines[policy.KindSnapshot], f.source())
	r.recording.dir = f.source()
	r.recording.on = append(r.recording.on, recordingLine{at: f.source()})
}

func (r *reader) snapshotExcludeFlag(f Flag) {
	r.exclude(language.Item{Text: f.Value, Source: f.source()})
}

// exclude adds a pattern of what is not stored.
func (r *reader) exclude(it language.Item) {
	if strings.HasPrefix(it.Text, "~") || strings.HasPrefix(it.Text, "$") {
		r.add(problem(it.Source, "%s: what is not stored is named as it is seen from the directory "+
			"that is recorded", quote(shortened(it.Text))).Try(`write it as in a .gitignore: "data/*.bin"`))
		return
	}
	if err := policy.CheckExclude(it.Text); err != nil {
		r.add(problem(it.Source, "%s says nothing about what is not stored: %v",
			quote(shortened(it.Text)), err).Try(`write it as in a .gitignore: "data/*.bin"`))
		return
	}
	r.recording.exclude = append(r.recording.exclude,
		policy.SnapshotExclude{Source: it.Source, Pattern: it.Text})
}

func (r *reader) keepSnapshots(v *language.Value) {
	keep := &policy.SnapshotKeep{ID: "snapshot.keep.0", Source: v.Source}
	if n, ok := v.Fields["sessions"]; ok {
		keep.Sessions = &n.Number
	}
	if age, ok := v.Fields["age"]; ok {
		if d, ok := r.duration(age.Items[0]); ok {
			seconds := int64(d.Seconds())
			keep.Age = &seconds
		}
	}
	if size, ok := v.Fields["size"]; ok {
		if n, ok := r.size(size.Items[0]); ok {
			keep.Size = &n
		}
	}
	r.recording.keep = keep
}

// unrecordable are the kernel's own, which change by themselves and which nobody puts back.
var unrecordable = []string{"/proc", "/sys", "/dev"}

// recordPath adds a directory that a source names.
func (r *reader) recordPath(dir, path string, it language.Item) {
	path, to, ok := r.follow(dir, path, it)
	if !ok {
		return
	}
	shown := r.homely(to.Path)
	switch {
	case to.Entry.Type == policy.Missing && it.Source.Origin == policy.OriginConfig:
		r.notice(it.Source, "%s does not exist; nothing of it is recorded", shown)
	case to.Entry.Type == policy.Missing:
		r.add(problem(it.Source, "%s does not exist: there is nothing to record", shown).
			Try("%s", r.instead(path, it)))
	case to.Entry.Type != policy.Directory:
		r.add(problem(it.Source, "%s is no directory, and directories are what is recorded", shown).
			Try("name the directory that it lies in: %s", r.homely(filepath.Dir(to.Path))))
	case to.Path == "/":
		r.add(problem(it.Source, "the whole file system cannot be recorded").
			Try("name the directories that the agent may write"))
	case slices.ContainsFunc(unrecordable, func(d string) bool { return policy.Within(to.Path, d) }):
		r.add(problem(it.Source, "%s cannot be recorded: it is the kernel's own", shown))
	default:
		r.recordRoot(path, to, it.Source)
	}
}

func (r *reader) recordRoot(name string, to hostfile.Route, at policy.Source) {
	if slices.ContainsFunc(r.recording.roots,
		func(known recordedRoot) bool { return known.Path == to.Path }) {
		return
	}
	root := recordedRoot{SnapshotPath: policy.SnapshotPath{Source: at, Path: to.Path}}
	if n := asName(name, to); n != to.Path {
		root.Name = n
	}
	for _, link := range to.Links() {
		root.links = append(root.links, link.Path)
	}
	r.recording.roots = append(r.recording.roots, root)
}

// settleSnapshot adds the current directory where it is meant, and forgets everything where nobody
// asks for a snapshot, or one is switched off.
func (r *reader) settleSnapshot() {
	rec := &r.recording
	off := false
	if l := r.layers[string(policy.KindSnapshot)]; l != nil && l.Off != nil {
		off = true
	}
	if off || len(rec.on) == 0 {
		for _, e := range rec.exclude {
			if !off && e.Source.Flag != "" {
				r.notice(e.Source, "no snapshot is asked for; --snapshot asks for one")
			}
		}
		*rec = recording{}
		return
	}
	at := rec.dir
	if at == (policy.Source{}) && len(rec.roots) == 0 {
		at = rec.on[0].at
	}
	if at != (policy.Source{}) {
		r.recordPath("", r.Dir, language.Item{Text: r.Dir, Source: at})
	}
}

// recorded is the draft's snapshot as a policy has it.
func (d *draft) recorded() policy.Snapshot {
	var s policy.Snapshot
	for i, root := range d.recording.roots {
		root.ID = policy.RuleID(fmt.Sprintf("snapshot.path.%d", i))
		s.Paths = append(s.Paths, root.SnapshotPath)
	}
	if !s.IsOn() {
		return policy.Snapshot{}
	}
	for i, e := range d.recording.exclude {
		e.ID = policy.RuleID(fmt.Sprintf("snapshot.exclude.%d", i))
		s.Exclude = append(s.Exclude, e)
	}
	s.Keep = d.recording.keep
	return s
}

// snapshotAsks are the directories beyond the file's own, and what the file leaves out of a
// snapshot that somebody else has asked for.
func (r *reader) snapshotAsks(s *source, _ *language.Tree) []Ask {
	own := policy.Snapshot{} // what the user's own words record
	for _, root := range r.recording.roots {
		if !r.isForeign(root.Source) {
			own.Paths = append(own.Paths, root.SnapshotPath)
		}
	}
	var asks []Ask
	for _, root := range r.recording.roots {
		if s.wrote(root.Source) && !own.Covers(root.Path) &&
			(s.ground == "" || !policy.Within(root.Path, s.ground)) {
			asks = append(asks, Ask{
				"to record " + r.homely(root.Path) + ", which a rollback puts back", root.Source,
				wants("record", root.Path),
			})
		}
	}
	if !slices.ContainsFunc(r.recording.on, func(l recordingLine) bool { return !l.foreign }) {
		return asks
	}
	said := map[string]bool{} // by others
	for _, e := range r.recording.exclude {
		said[e.Pattern] = said[e.Pattern] || !r.isForeign(e.Source)
	}
	for _, e := range r.recording.exclude {
		if s.wrote(e.Source) && !said[e.Pattern] && !strings.HasPrefix(e.Pattern, "!") {
			asks = append(asks, Ask{
				"to store nothing of " + e.Pattern + " in your snapshot", e.Source,
				wants("exclude", e.Pattern),
			})
		}
	}
	return asks
}

// rootsHeld refuses a directory that an agent could lead elsewhere, for what lies there would be
// recorded, and written back; one that is denied, of which nothing is recorded; and one that the
// user may not read.
func (r *reader) rootsHeld(all *policy.Decider) {
	for _, root := range r.recording.roots {
		if err := unix.Access(root.Path, unix.R_OK); err != nil {
			r.add(problem(root.Source, "%s cannot be recorded: %v", r.homely(root.Path), err).
				Try("name another directory, or run without a snapshot: --disable snapshot"))
		}
		by := all.Path(root.Path, policy.OpRead).Rule
		if by != nil && by.Access == policy.Deny {
			r.add(problem(root.Source, "%s is denied (%s), and nothing of what is denied is recorded",
				r.homely(root.Path), by.Source))
		}
		if by, ok := r.plantedOn(root.links, true, all); ok {
			r.add(problem(root.Source, "%s leads through the link %s, %s", r.homely(root.Name),
				r.homely(by.link), by.why).
				Try("name what it leads to: %s", diag.Word(r.homely(root.Path))))
		}
	}
}

// tellSnapshot says what the snapshot does not help with: what the agent may write and is not in
// it, and what is in it and cannot be written.
func (r *reader) tellSnapshot(s policy.Snapshot) {
	if !s.IsOn() {
		return
	}
	for _, p := range s.Paths {
		if policy.Within(r.home, p.Path) {
			r.notice(p.Source, "this records all of %s, which may be much", r.homely(p.Path))
		}
		writes := slices.ContainsFunc(r.rules, func(g rule) bool {
			return g.Access.Writable() && g.Type != policy.Missing &&
				(policy.Within(g.Path, p.Path) || policy.Within(p.Path, g.Path))
		})
		if !writes && !r.isOff(policy.KindFilesystem) {
			r.notice(p.Source, "nothing in %s may be written, so there will be nothing to undo",
				r.homely(p.Path))
		}
		if unix.Access(p.Path, unix.W_OK) != nil {
			r.notice(p.Source, "you may not write to %s yourself: nothing could be put back into it",
				r.homely(p.Path))
		}
	}
	var missed []string
	var at policy.Source
	for i := range r.rules {
		g := &r.rules[i]
		if g.Access.Writable() && g.Source.Asked() && g.Type != policy.Missing && !s.Covers(g.Path) {
			if len(missed) == 0 {
				at = g.Source
			}
			missed = append(missed, r.homely(g.Path))
		}
	}
	if len(missed) > 0 {
		slices.Sort(missed)
		r.notice(at, "may be written and is not in the snapshot: %s; "+
			"snapshot { paths = [...] } adds it", strings.Join(slices.Compact(missed), ", "))
	}
}

// isOff reports whether a kind is switched off.
func (d *draft) isOff(kind policy.Kind) bool {
	l := d.layers[string(kind)]
	return l != nil && l.Off != nil
}
