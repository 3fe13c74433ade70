// Package toolchain finds out what a typed command really runs, and what must be readable for it to
// run.
//
//	tc, err := toolchain.Resolve(toolchain.Request{
//		Name: "python", Dir: dir, Home: home, Lookup: os.LookupEnv, Policy: &policy,
//	})
//	// tc.Executable: /home/ada/.pyenv/versions/3.11.7/bin/python
//	// tc.Reads: /home/ada/.pyenv/versions/3.11.7 (pyenv, chosen by /home/ada/proj/.python-version)
//
// What the command starts in its turn is found in PATH, so what of the user's PATH lies in the same
// places is granted as well: see [Look].
//
// A shim such as ~/.pyenv/shims/python is a script that asks a version manager at every start. The
// manager and its settings are not in the sandbox, so core settles the question before the start,
// by reading the version files as the manager would. Nothing is ever run: what runs a version
// manager runs what a project's files say.
//
// # What a stranger can bring about
//
// A version file, a first line, a pyvenv.cfg or a link may have been written by the last agent. So
// they only ever choose among a closed list, which is one table in this package: places that hold
// installations of tools and nothing else, and that no link could have moved. A path that one of
// them names and that no root holds is never added. If no grant covers it, the run stops, and the
// message names the file and the grant that it would take.
//
// Errors are of type [*Error] and carry the exit code that a shell would give: 127 if there is no
// such command, 126 if it cannot be executed, 125 if nono will not run it.
package toolchain

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/policy"
)

// Request is what to look for, and as whom.
type Request struct {
	// Name is the program as it was typed.
	Name string
	// Dir is the canonical current directory.
	Dir string
	// Home is the user's home directory, without links.
	Home string
	// Lookup reads the user's environment.
	Lookup func(string) (string, bool)
	// Policy says what is granted already, and what the agent can write.
	Policy *policy.Policy
	// NamedBy is the file that names the command, where nobody typed it and nobody approved of what
	// the file asks for.
	NamedBy string

	// host is this machine, but for tests.
	host *host
}

// Toolchain is what a command needs.
type Toolchain struct {
	// Executable is the file to execute: shims are resolved, links are not, for a program may go by
	// the name it was started by.
	Executable string
	// Arg0 is what the program is told its name is: what was typed.
	Arg0 string
	// Programs are all files that the kernel executes to run the command, links resolved: the
	// executable, and the interpreter that its first line names. See [Toolchain.Check].
	Programs []string
	// Reads must be granted, to read and execute, for the command to run. What is granted already is
	// not listed.
	Reads []Read
	// PathPrepend are directories that come first in the agent's PATH.
	PathPrepend []string
	// Notices are lines for the user.
	Notices []string

	// from is the request, with the host as far as it was looked at.
	from Request
}

// Read is a path that the command needs.
type Read struct {
	// Path is absolute, with every link resolved; Name is the same path before that.
	Path, Name string
	Type       policy.FileType
	// Why is the reason in a few words.
	Why string
}

// Rules are the Reads as rules. Their source is the command: no line of a policy grants them.
func (tc *Toolchain) Rules() []policy.PathRule {
	return rulesOf(tc.Reads, "the command you typed")
}

func rulesOf(reads []Read, from string) []policy.PathRule {
	rules := make([]policy.PathRule, len(reads))
	for i, r := range reads {
		at := policy.Source{Origin: policy.OriginCommand, Flag: from + ": " + r.Why}
		rules[i] = policy.PathRule{Source: at, Access: policy.Read, Path: r.Path, Type: r.Type}
		if r.Name != r.Path {
			rules[i].Name = r.Name
		}
	}
	return rules
}

// Error is why a command is not run.
type Error struct {
	// Code is the exit code: 125, 126 or 127.
	Code    int
	Problem diag.Problem
}

func (e *Error) Error() string { return e.Problem.Error() }

// Unwrap gives the problem, to be shown.
func (e *Error) Unwrap() error { return e.Problem }

// ExitCode is the code that nono ends with.
func (e *Error) ExitCode() int { return e.Code }

// The exit codes that a shell gives, and the one that says nono itself would not.
const (
	refused       = 125
	notExecutable = 126
	notFound      = 127
)

func fail(code int, format string, args ...any) *Error {
	return &Error{Code: code, Problem: diag.Errorf(format, args...)}
}

// try says what the user can do.
func (e *Error) try(format string, args ...any) *Error {
	e.Problem = e.Problem.Try(format, args...)
	return e
}

// Resolve finds out what the command runs. It reads, and runs nothing.
func Resolve(req Request) (*Toolchain, error) {
	r := newResolver(req)
	// A nil *Error must not become an error that is not nil.
	if err := r.resolve(); err != nil {
		return nil, err
	}
	return r.tc, nil
}

// resolver is one resolution under way.
type resolver struct {
	Request
	decide *policy.Decider
	tc     *Toolchain
	// bases are where roots are, as far as that was asked; empty where there is none.
	bases map[*rootKind]string
	// settings are the user's variables that were asked for.
	settings map[string]string
	// chosenBy is the variable or the file that chose among the versions of a tool.
	chosenBy string
	// namedBy is the file that named the program that is being looked at, by its path; empty if the
	// user did.
	namedBy string
}

func newResolver(req Request) *resolver {
	if req.host == nil {
		req.host = thisHost()
	}
	return &resolver{
		Request: req, decide: policy.NewDecider(req.Policy),
		bases: map[*rootKind]string{}, settings: map[string]string{},
		tc: &Toolchain{Arg0: req.Name, from: req},
	}
}

func (r *resolver) resolve() *Error {
	program, err := r.find(r.Name)
	if err != nil {
		return r.meant(err)
	}
	r.tc.Executable = program
	if err := r.needNamed(r.NamedBy, r.Name, program); err != nil {
		return err
	}
	return r.needInterpreter(program)
}

// find is the file that a name stands for, through shims but not through links: a path if it has a
// slash, else what PATH leads to.
func (r *resolver) find(name string) (string, *Error) {
	file := path.Clean(name)
	if !strings.Contains(name, "/") {
		var err *Error
		if file, err = r.search(name); err != nil {
			return "", r.suggest(err, name)
		}
	} else {
		if !path.IsAbs(file) {
			file = path.Join(r.Dir, file)
		}
		if err := r.check(file); err != nil {
			return "", err
		}
	}
	if m := r.manager(file); m != nil {
		return r.choose(m, path.Base(file))
	}
	return file, nil
}

// defaultPath is where to look if PATH is not set.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// search looks a name up in PATH, leaving out some directories. A relative entry is left out too:
// it would run what happens to lie in the current directory, without anyone having typed that. An
// entry that may not be entered, or that has a directory of this name, has no such command, as for
// a shell; a file that cannot be executed is only the answer if nothing better comes.
func (r *resolver) search(name string, without ...string) (string, *Error) {
	list, ok := r.Lookup("PATH")
	if !ok {
		list = defaultPath
	}
	failure := fail(notFound, "cannot find the command %s in PATH", name)
	for dir := range strings.SplitSeq(list, ":") {
		if dir = path.Clean(dir); !path.IsAbs(dir) || slices.Contains(without, dir) {
			continue
		}
		file := path.Join(dir, name)
		if found, err := r.host.stat(file); err != nil || found.Type == policy.Directory {
			continue
		}
		err := r.check(file)
		if err == nil {
			return file, nil
		}
		if failure.Code == notFound {
			failure = err
		}
	}
	return "", failure
}

// otherNames are what a missing command may be called instead.
var otherNames = map[string]string{
	"python": "python3", "python3": "python", "pip": "pip3", "node": "nodejs", "vi": "vim",
}

// suggest adds another name to the error of a search.
func (r *resolver) suggest(err *Error, name string) *Error {
	if other := otherNames[name]; other != "" && err.Code == notFound {
		if file, missing := r.search(other); missing == nil {
			return err.try("there is a %s: %s", other, file)
		}
	}
	return err
}

// check reports whether a file can be executed, as far as its mode says.
func (r *resolver) check(file string) *Error {
	found, err := r.host.stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(notFound, "cannot run %s: there is no such file", file)
	case err != nil:
		return fail(notExecutable, "cannot run %s: %s", file, reason(err))
	case found.Type == policy.Directory:
		return fail(notExecutable, "cannot run %s: it is a directory", file)
	case found.Type == policy.Regular && !found.Executable:
		return fail(notExecutable, "cannot run %s: the file is not executable", file).
			try("chmod +x %s", file)
	}
	return nil
}

// needNamed is need for the program that a name stands for, which a file gave. A name without a
// slash only chooses among what the user's PATH has.
func (r *resolver) needNamed(by, name, program string) *Error {
	r.namedBy = ""
	if strings.Contains(name, "/") {
		r.namedBy = by
	}
	return r.need(program)
}

// need grants what a program needs to be executed, if a root holds it: its installation, and what
// Python adds to that.
func (r *resolver) need(program string) *Error {
	resolved, links, err := r.host.follow(program)
	if err != nil {
		return fail(notExecutable, "cannot run %s: %s", program, reason(err))
	}
	r.tc.Programs = append(r.tc.Programs, resolved)
	if err := r.needInstallation(resolved, links); err != nil {
		return err
	}
	if err := r.needPython(program, resolved); err != nil {
		return err
	}
	r.needLinks(program, resolved, links, policy.Regular)
	return nil
}

// needInstallation grants the installation that a file is part of, if it is part of one. The links
// are those by which the file was found.
func (r *resolver) needInstallation(file string, links []string) *Error {
	if d := r.decide.Path(file, policy.OpExecute); d.Allowed && d.Rule != nil &&
		d.Rule.Source.Origin == policy.OriginDefault {
		return nil // the system's
	}
	in, ok := r.root(file)
	if !ok {
		return r.needPrefix(path.Dir(file), links)
	}
	if err := r.grant(in.path, in.kind.tool); err != nil {
		return err
	}
	for _, name := range in.kind.settings {
		file := path.Join(r.dir(in.kind.at), name)
		// Where a link leads elsewhere, the tool has to do without.
		if e, err := r.host.look(file); err == nil && e.Type != policy.Missing && !e.IsLink() {
			if err := r.grant(file, in.kind.tool+"'s settings"); err != nil {
				return err
			}
		}
	}
	if in.kind.holds == npmPackages {
		return r.needTwins(in.path)
	}
	return nil
}

// needPrefix grants an installation that can be anywhere, where the user named it: a link from
// outside of it may be the work of an agent, and so may be what it leads to.
func (r *resolver) needPrefix(bin string, links []string) *Error {
	dir, tool, ok := r.prefix(bin)
	if !ok || r.granted(dir) {
		return nil
	}
	within := func(link string) bool { return policy.Within(link, dir) }
	if file := r.namer(slices.DeleteFunc(slices.Clone(links), within)); file != "" {
		return r.refuse(file, dir)
	}
	return r.grant(dir, tool)
}

// needLinks makes a name work inside, where the links that it consists of are not there by
// themselves: ~/bin/python may lead to an installation that is granted, but ~/bin is not. A link
// holds nothing but its target's name.
func (r *resolver) needLinks(name, resolved string, links []string, typ policy.FileType) {
	there := func(link string) bool {
		asked := func(rule policy.PathRule) bool { return rule.Access.Grants() && rule.Name == link }
		return r.granted(link) || slices.ContainsFunc(r.Policy.Filesystem, asked)
	}
	for _, link := range links {
		if r.granted(resolved) && !there(link) {
			r.tc.Reads = append(r.tc.Reads, Read{
				Path: resolved, Name: name, Type: typ, Why: "the name by which it is run",
			})
			return
		}
	}
}

// granted reports whether the agent will be able to read and execute what is at a path.
func (r *resolver) granted(p string) bool {
	return r.decide.Path(p, policy.OpExecute).Allowed ||
		slices.ContainsFunc(r.tc.Reads, func(read Read) bool { return policy.Within(p, read.Path) })
}

// writable is the grant that lets the agent change what is at a path.
func (r *resolver) writable(p string) (policy.PathRule, bool) {
	if d := r.decide.Path(p, policy.OpWrite); d.Allowed && d.Rule != nil {
		return *d.Rule, true
	}
	return policy.PathRule{}, false
}

// grant adds a path to what is read, unless it is granted already. What lies in no root is only
// added if the user named it: what a link, a first line or a policy file names may be the work of
// an agent, or of a stranger, and then the user says whether it is right.
func (r *resolver) grant(name, why string) *Error {
	resolved, links, err := r.host.follow(name)
	if err != nil {
		return fail(notExecutable, "cannot look at %s, which %s needs: %s", name, r.Name, reason(err))
	}
	if r.granted(resolved) {
		return nil
	}
	if !r.closed(resolved) {
		if file := r.namer(links); file != "" {
			return r.refuse(file, resolved)
		}
	}
	found, err := r.host.stat(resolved)
	if err != nil {
		return fail(notExecutable, "cannot look at %s, which %s needs: %s", name, r.Name, reason(err))
	}
	read := Read{Path: resolved, Name: name, Type: policy.Regular, Why: why}
	if found.Type == policy.Directory {
		read.Type = policy.Directory
	}
	if r.chosenBy != "" {
		read.Why += ", chosen by " + r.chosenBy
	}
	r.tc.Reads = append(r.tc.Reads, read)
	return nil
}

// closed reports whether a path is in the closed list: an installation in one of the roots, what
// lies in it, or what its tool reads to choose it.
func (r *resolver) closed(p string) bool {
	if _, ok := r.root(p); ok {
		return true
	}
	for i := range roots {
		for _, name := range roots[i].settings {
			if p == path.Join(r.dir(roots[i].at), name) {
				return true
			}
		}
	}
	return false
}

// namer is the file that somebody else than the user may have made to name a path: a link on the
// way to it, or what named the program. A link in the root directory is the system's.
func (r *resolver) namer(links []string) string {
	for _, link := range links {
		if path.Dir(link) != "/" {
			return link
		}
	}
	return r.namedBy
}

// refuse stops a run that would add a path because a file names it.
func (r *resolver) refuse(file, named string) *Error {
	if rule, ok := r.writable(file); ok {
		return fail(refused,
			"%s needs %s because %s says so, and the agent can write that file (%s)",
			r.Name, named, file, rule.Source).
			try("if that is right, grant it yourself: --read %s", named)
	}
	return fail(refused, "%s needs %s, which %s names and nothing grants", r.Name, named, file).
		try("if that is right, grant it: --read %s", named)
}

// Check reports what the policy would not let the agent execute, or returns nil. It is to be asked
// once Reads are in the policy.
func (tc *Toolchain) Check(p *policy.Policy) error {
	decide := policy.NewDecider(p)
	var refusal *Error
	var grants []string // that would make all of it run, not the first alone
	for _, program := range tc.Programs {
		d := decide.Path(program, policy.OpExecute)
		if d.Allowed {
			continue
		}
		if refusal == nil {
			refusal = fail(notExecutable, "cannot run %s: the agent may not execute %s: %s",
				tc.Arg0, program, d.Why)
			if d.Rule != nil {
				refusal.Problem = refusal.Problem.At(d.Rule.Source)
			}
		}
		if d.Rule != nil && d.Rule.Access == policy.Deny {
			return refusal // no grant helps
		}
		flag := "--read " + installation(program, tc.from.Home)
		if !slices.Contains(grants, flag) {
			grants = append(grants, flag)
		}
	}
	if refusal == nil {
		return nil // and not a nil *Error, which is no nil error
	}
	return refusal.try("grant it: %s", strings.Join(grants, " "))
}

// installation is the directory that a program came in: /opt/tool for /opt/tool/bin/run, and all of
// node_modules for what npm installed, for a package needs its neighbours. A program that lies
// elsewhere stands for itself, and so does one of ~/bin and ~/.local/bin: what lies beside these is
// the user's own.
func installation(program, home string) string {
	if before, _, ok := strings.Cut(program, "/node_modules/"); ok && before != "" {
		return before + "/node_modules"
	}
	bin := path.Dir(program)
	dir := path.Dir(bin)
	if path.Base(bin) != "bin" || path.Dir(dir) == "/" || policy.Within(home, dir) ||
		dir == path.Join(home, ".local") {
		return program
	}
	return dir
}
