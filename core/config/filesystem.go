package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/agentdir"
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// filesystem is which paths the agent may read, write and execute.
var filesystem = block{
	name: "filesystem", kind: policy.KindFilesystem,
	grammar: &language.Block{
		Help: "which files the agent may read, write and execute; a directory is all beneath it",
		Attributes: map[string]language.Attribute{
			"allow": {
				Shape: language.StringList, Of: "path",
				Help: "read, list, execute, change, create, delete",
			},
			"read": {Shape: language.StringList, Of: "path", Help: "read, list, execute"},
			"write": {
				Shape: language.StringList, Of: "path",
				Help: "as allow, without execute; of a protected path: lifts the protection",
			},
			"deny": {
				Shape: language.StringList, Of: "path or pattern", Help: "beats every grant, at any depth",
			},
			"protect": {
				Shape: language.StringList, Of: "path or pattern", Help: "inside a grant, and never written",
			},
			"report": {
				Shape: language.StringList, Of: "name in a project or path",
				Help: "told at the end of a run where it is new or changed",
			},
			"build_caches": { // whoever says no is heard
				Shape: language.Bool, Help: "keep what tools build for the project's next run",
			},
			"lift": {
				Shape: language.StringList, Of: "path",
				Help: "takes back a default denial; still needs a grant",
			},
			"movable": {
				Shape: language.Variables, Of: "path",
				Help: "directories that are granted and found by a variable: where a part of one is denied " +
					"and cannot be hidden, the agent has another",
			},
			"unix": {
				Shape: language.StringList, Of: "path", Help: "sockets that may be connected to",
			},
		},
	},
	example: `
filesystem {
  allow        = ["."]
  read         = ["~/data", "~/.kube/config"]
  write        = ["~/out"]
  deny         = ["secrets", "**/.env"]
  protect      = ["deploy"]
  lift         = ["~/.kube/config"]
  unix         = ["~/run/database.sock"]
  report       = ["tools/release.sh"]
  movable      = { CODEX_HOME = "~/.codex" }
  build_caches = true
}
`,
	stranger: "grants beyond its own directory, `lift`, `unix`, and `write` of a path that is " +
		"protected by default",
	read: (*reader).filesystem,
	asks: (*reader).filesystemAsks,
	flags: map[string]func(*reader, Flag){
		"allow":     (*reader).pathFlag,
		"read":      (*reader).pathFlag,
		"write":     (*reader).pathFlag,
		"deny":      (*reader).pathFlag,
		"lift":      (*reader).liftFlag,
		"allow-cwd": (*reader).currentDirectory,
	},
}

// rule is a path rule with what is needed to judge it, and no layer needs to see.
type rule struct {
	policy.PathRule
	// links are those that were followed, each at its own resolved place, in order. Who can replace
	// one of them decides where the path leads the next time.
	links []string
	// matched says that a pattern came to the rule.
	matched bool
	// lifts says that the rule takes a default protection away.
	lifts bool
	// fallback is the service in the place of whose key the rule holds; "" for one that always does.
	fallback string
}

// statement is what a rule says, whoever says it.
type statement struct {
	access policy.Access
	path   string
}

var accesses = []policy.Access{
	policy.Allow, policy.Read, policy.Write, policy.Unix, policy.Deny, policy.Protect,
}

func (r *reader) filesystem(s *source, t *language.Tree) {
	for _, it := range t.List("report") {
		r.reportedName(it)
	}
	if v, ok := t.Attributes["build_caches"]; ok && !v.Yes {
		r.noBuildCaches = true
	}
	for _, it := range t.List("movable") {
		r.movableDirectory(it)
	}
	for _, it := range t.List("lift") {
		if path, bad := r.expand(it.Text); bad != nil {
			r.add(bad.at(it.Source, it.Text))
		} else if !s.builtIn || r.within != "" || r.exists(path) {
			r.lift(s.dir, path, it)
		}
	}
	for _, access := range accesses {
		for _, it := range t.List(string(access)) {
			if s.Origin == policy.OriginDefault {
				r.defaultPath(access, it)
			} else if !access.Grants() && isPattern(it.Text) {
				r.glob(s, access, it)
			} else if path, bad := r.expand(it.Text); bad != nil {
				r.add(bad.at(it.Source, it.Text))
			} else if s.builtIn && access == policy.Protect {
				r.protection(path, it)
			} else if !s.builtIn || r.within != "" || r.exists(path) {
				r.path(s.dir, access, path, it)
			}
		}
	}
}

// exists reports whether something stands at a path, or cannot be looked at.
func (r *reader) exists(path string) bool {
	to, err := r.resolve(path)
	return err != nil || to.Entry.Type != policy.Missing
}

// reportedName is a name, relative to whatever project is granted, of which the end of a run tells
// when it is new or changed; or a path. One that ends in / is a directory.
func (r *reader) reportedName(it language.Item) {
	name := strings.TrimSuffix(it.Text, "/")
	if name != "" && strings.ContainsAny(name[:1], "/~$") {
		path, bad := r.expand(name)
		if bad != nil {
			r.add(bad.at(it.Source, it.Text))
			return
		}
		r.reported = append(r.reported, path+it.Text[len(name):])
		return
	}
	if !filepath.IsLocal(name) || filepath.Clean(name) != name || name == "." {
		r.add(problem(it.Source, "%s is no name in a project", quote(it.Text)).
			Try("write it as it is seen from the project's directory: tools/deploy.sh"))
		return
	}
	r.reported = append(r.reported, it.Text)
}

// movableDirectory is a directory, and the variable by which the agent finds it.
func (r *reader) movableDirectory(it language.Item) {
	path, bad := r.expand(it.Text)
	switch {
	case bad != nil:
		r.add(bad.at(it.Source, it.Text))
		return
	case !filepath.IsAbs(path):
		r.add(problem(it.Source, "%s is relative, and a variable is read in any directory",
			quote(it.Text)).Try("write it from the home directory on: ~/.agent"))
		return
	case !r.isVariableRule(policy.EnvRule{
		Action: policy.EnvSet, Name: it.Key, Value: path, Source: it.Source,
	}):
		return
	}
	if to, err := r.resolve(path); err == nil && to.Entry.Type == policy.Directory {
		r.movable = append(r.movable, agentdir.Movable{
			Variable: it.Key, Path: to.Path, Source: it.Source,
		})
	}
}

// pathFlag is --allow, --read, --write or --deny.
func (r *reader) pathFlag(f Flag) {
	path, bad := r.literal(f.Value)
	if bad != nil {
		r.add(bad.at(f.source(), f.Value))
		return
	}
	r.path(r.Dir, policy.Access(f.Name), path, language.Item{Text: f.Value, Source: f.source()})
}

// currentDirectory is --allow-cwd. In its name ~ and $ mean nothing.
func (r *reader) currentDirectory(f Flag) {
	r.path(r.Dir, policy.Allow, r.Dir, language.Item{Text: r.Dir, Source: f.source()})
}

// path is a rule that the user wrote, in a file or as a flag. What does not exist and is not to be
// written stays in the policy and gives a notice.
func (r *reader) path(dir string, access policy.Access, path string, it language.Item) {
	path, to, ok := r.follow(dir, path, it)
	if !ok {
		return
	}
	if policy.Within(to.Path, "/proc") {
		r.add(problem(it.Source, "%s cannot be in a rule: the sandbox has a /proc of its own",
			quote(it.Text)))
		return
	}
	switch {
	case to.Entry.Type == policy.Missing && r.within != "": // told where it is needed
	case to.Entry.Type == policy.Missing:
		r.missing(access, path, it)
	case access == policy.Unix && !isSocket(to.Path):
		r.add(problem(it.Source, "%s is not a socket", r.homely(to.Path)).
			Try("unix is for sockets of services that the agent may use; to grant a file write read"))
		return
	}
	r.state(access, path, to, it.Source)
}

// follow finds what a path that stands in a source means.
func (r *reader) follow(dir, path string, it language.Item) (string, hostfile.Route, bool) {
	if !filepath.IsAbs(path) {
		if dir == "" {
			r.add(problem(it.Source, "%s is relative, and this file belongs to no project",
				quote(it.Text)).
				Try("write $WORKDIR/%s for the directory that nono is started in",
					strings.TrimPrefix(it.Text, "./")))
			return "", hostfile.Route{}, false
		}
		path = dir + "/" + path
	}
	r.effort.at = it.Source
	to, err := r.resolve(path)
	switch {
	case errors.Is(err, errEffort): // which has been said
	case err != nil:
		r.add(problem(it.Source, "cannot follow %s: %v", shortened(r.homely(path)), reason(err)))
	default:
		return path, to, true
	}
	return "", hostfile.Route{}, false
}

// isSocket reports whether a path without links is that of a socket.
func isSocket(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK
}

// missing says that a rule is about nothing, and what that means. A grant to write that was meant
// for this run is an error: it would give less than was asked for, and what the agent wrote would
// be lost. The user's own config.hcl is for every run, on every machine. What is not there can be
// read by nobody, and there is nothing to deny or to protect yet.
func (r *reader) missing(access policy.Access, path string, it language.Item) {
	shown := r.homely(filepath.Clean(path))
	pattern := strings.ContainsAny(path, "*?")
	switch {
	case access == policy.Deny:
		r.notice(it.Source, "%s does not exist; there is nothing to deny yet", shown)
	case access == policy.Protect:
		r.notice(it.Source, "%s does not exist; there is nothing to protect yet", shown)
	case access == policy.Read && pattern:
		r.notice(it.Source, "%s does not exist, and read takes no patterns; nothing is granted", shown)
	case access == policy.Read || access == policy.Unix:
		r.notice(it.Source, "%s does not exist; the run goes on without it%s", shown, mistyped(it))
	case it.Source.Origin == policy.OriginConfig:
		r.notice(it.Source, "%s does not exist; nothing is granted", shown)
	case pattern:
		r.add(problem(it.Source, "%s does not exist, and %s takes no patterns", shown, access).
			Try("grant the directory that they lie in, or each path by itself"))
	default:
		r.add(problem(it.Source, "%s does not exist: there is nothing to %s", shown, access).
			Try("%s", r.instead(path, it)))
	}
}

// instead is what to write in the place of a path that does not exist.
func (r *reader) instead(path string, it language.Item) string {
	if meant := mistyped(it); meant != "" {
		return strings.TrimPrefix(meant, "; ")
	}
	if near := nearest(filepath.Clean(path)); near != "" {
		return "did you mean " + r.homely(near) + "?"
	}
	return "make it first (mkdir, or touch for a file), " +
		"or grant the directory in which it is to be made"
}

// mistyped is what was probably meant by a flag whose path does not exist; "" if nothing is known.
func mistyped(it language.Item) string {
	name, _, _ := strings.Cut(it.Source.Flag, " ")
	switch {
	case name == "":
		return ""
	case strings.Contains(it.Text, ","):
		parts := strings.Split(it.Text, ",")
		for i, part := range parts {
			parts[i] = name + " " + diag.Word(strings.TrimSpace(part))
		}
		return "; one path a flag: " + strings.Join(parts, " ")
	case strings.Contains(it.Text, "$"):
		return "; a flag takes $ as it is written, and your shell puts in a variable that no ' is around"
	}
	return ""
}

// nearest is what stands beside a path that does not exist and has nearly its name.
func nearest(path string) string {
	const most = 1000
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer dir.Close()
	names, err := dir.Readdirnames(most)
	if err != nil {
		return "" // also where there is nothing
	}
	near := schema.Nearest(filepath.Base(path), names)
	if near == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(path), near)
}

// state adds a rule about what a name leads to.
func (r *reader) state(access policy.Access, name string, to hostfile.Route, at policy.Source) {
	if len(to.Path) > hostfile.MaxPath {
		r.add(problem(at, "cannot %s a path of %d bytes: no file has one of more than %d", access,
			len(to.Path), hostfile.MaxPath))
		return
	}
	stated := rule{PathRule: policy.PathRule{
		Access: access, Path: to.Path, Type: to.Entry.Type,
		Source: at,
	}, fallback: r.within}
	for _, link := range to.Links() {
		stated.links = append(stated.links, link.Path)
	}
	if n := asName(name, to); n != to.Path {
		stated.Name = n
	}
	r.rules = append(r.rules, stated)
	if r.within == "" {
		r.stated[statement{access, to.Path}] = true
	}
}

// filesystemAsks are the grants that reach beyond the file's own directory, and even within it the
// services that it connects to and the protections that it lifts.
func (r *reader) filesystemAsks(s *source, _ *language.Tree) []Ask {
	return append(r.pathAsks(s, ""), r.liftAsks(s, "")...)
}

// pathAsks are those grants that always hold, or that hold in the place of a service's key.
func (r *reader) pathAsks(s *source, fallback string) []Ask {
	given := r.grants(func(g *rule) bool { return !r.isForeign(g.Source) && g.fallback == "" })
	verb := map[policy.Access]string{
		policy.Allow: "read, change and run", policy.Read: "read",
		policy.Write: "read and change", policy.Unix: "connect to the socket",
	}
	var asks []Ask
	for i := range r.rules {
		g := &r.rules[i]
		switch {
		case !s.wrote(g.Source) || !g.Access.Grants() || g.fallback != fallback:
		case g.lifts:
			asks = append(asks, Ask{
				fmt.Sprintf("to write %s, which is protected", r.homely(g.Path)), g.Source,
				wants("unprotect", g.Path),
			})
		case gives(given, g):
		case g.Access != policy.Unix && s.ground != "" && policy.Within(g.Path, s.ground):
		default:
			asks = append(asks, Ask{
				fmt.Sprintf("to %s %s", verb[g.Access], r.homely(g.Path)), g.Source, wanted(g),
			})
		}
	}
	return asks
}

// wanted is what a grant gives.
func wanted(g *rule) []string {
	if g.Access == policy.Unix {
		return wants("connect", g.Path)
	}
	of := []string{want(opRead, g.Path)}
	if g.Access != policy.Write {
		of = append(of, want(opExecute, g.Path))
	}
	if g.Access.Writable() {
		of = append(of, want(opWrite, g.Path))
	}
	return of
}

// grants are the decisions that the chosen grants alone would make. Denials are left out: they hold
// in any case, and what is granted and denied is not granted anew by being granted twice.
func (d *draft) grants(chosen func(*rule) bool) *policy.Decider {
	p := &policy.Policy{}
	for i := range d.rules {
		if d.rules[i].Access.Grants() && chosen(&d.rules[i]) {
			p.Filesystem = append(p.Filesystem, d.rules[i].PathRule)
		}
	}
	return policy.NewDecider(p)
}

// gives reports whether all that a grant would give is given already.
func gives(given *policy.Decider, grant *rule) bool {
	need := []policy.Op{policy.OpRead}
	if grant.Access == policy.Allow || grant.Access == policy.Read {
		need = append(need, policy.OpExecute)
	}
	if grant.Access.Writable() {
		need = append(need, policy.OpWrite)
	}
	for _, op := range need {
		if !given.Path(grant.Path, op).Allowed {
			return false
		}
	}
	return true
}

// name is a rule's path as the user knows it.
func (r *rule) name() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Path
}
