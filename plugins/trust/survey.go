package trust

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/check"
	"github.com/nono-run/nono/plugins/trust/scope"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Where bundles lie: beside the file, with its name and one of these ends; and in its directory, or
// one above it, for many files.
var (
	ownEnds  = []string{".sigstore.json", ".bundle"}
	setNames = []string{setName, ".nono-trust.bundle"}
)

// setName is where nono writes a bundle of many files.
const setName = ".nono-trust.sigstore.json"

// survey is a look at all files that one run, or one command, is about.
type survey struct {
	*account

	ctx   context.Context
	rules *check.Rules
	shelf *shelf
	items []*item
	at    map[string]*item

	roots    map[string]string          // the repository's root of a directory; "" outside of one
	sets     map[string][]*check.Bundle // those that lie in a directory
	above    map[string][]*check.Bundle // those that may speak of the files in a directory
	known    map[string]bool            // directories with sets that are remembered
	expanded map[*check.Bundle]bool     // the closed sets whose files are among the items
	closed   []*check.Bundle            // those of them that can be held to what they say

	unfinished *scope.Pattern
}

// item is one file that is looked at.
type item struct {
	scope.File

	document *sdk.Document
	read     bool // its content is known
	needed   bool // it is read whatever is known of it
	linked   bool // core has met a link here, or above it, on the way to a document
	file     check.File
	verdict  check.Verdict
}

// request is what a survey is about.
type request struct {
	scope.Request

	documents []sdk.Document
}

// look looks at everything, and decides.
func (a *account) look(ctx context.Context, req request) (*survey, error) {
	s := &survey{
		account: a, ctx: ctx, rules: a.rules(), shelf: newShelf(a), at: map[string]*item{},
		roots: map[string]string{}, sets: map[string][]*check.Bundle{},
		above: map[string][]*check.Bundle{}, known: map[string]bool{},
		expanded: map[*check.Bundle]bool{},
	}
	for _, e := range a.memory.All() {
		if slices.Contains(setNames, path.Base(e.Bundle)) {
			s.known[path.Dir(e.Bundle)] = true
		}
	}
	found, err := scope.Find(ctx, req.Request)
	if err != nil {
		return nil, err
	}
	s.unfinished = found.Unfinished
	for _, f := range found.Files {
		s.add(f)
	}
	for i := range req.documents {
		d := &req.documents[i]
		it := s.add(scope.File{Path: canonical(d.Path), Document: true})
		it.document = d
		s.led(d)
	}
	if err := s.close(found.Dirs); err != nil {
		return nil, err
	}
	s.leaveSignatures()
	s.lookAtAll()
	s.decideAll()
	return s, nil
}

// led adds what is remembered at the links that led to a document: a file that was signed there, or
// in a directory there, was meant to be it.
func (s *survey) led(d *sdk.Document) {
	for _, link := range d.Links {
		for _, e := range s.memory.Beneath(link) {
			s.add(scope.File{Path: e.Path, Remembered: true}).linked = true
		}
	}
}

// canonical is a path without links, as far as that can be told.
func canonical(name string) string {
	if resolved, err := hostfile.Resolve(name); err == nil {
		return resolved
	}
	return path.Clean(name)
}

// add has a file looked at.
func (s *survey) add(f scope.File) *item {
	if it, ok := s.at[f.Path]; ok {
		return it
	}
	it := &item{File: f}
	s.at[f.Path] = it
	s.items = append(s.items, it)
	return it
}

// close adds what closed sets speak of: the files that they have, and those that are not to be
// there.
func (s *survey) close(dirs []string) error {
	for _, dir := range dirs {
		if err := s.expand(s.setsOf(dir)); err != nil {
			return err
		}
	}
	for i := 0; i < len(s.items); i++ { // a set adds files
		if err := s.expand(s.setsOf(path.Dir(s.items[i].Path))); err != nil {
			return err
		}
	}
	return nil
}

func (s *survey) expand(sets []*check.Bundle) error {
	for _, b := range sets {
		if b.Worth != check.Good || len(b.Closed) == 0 || s.expanded[b] {
			continue
		}
		s.expanded[b] = true
		dir := path.Dir(b.Path)
		names, err := scope.Beneath(s.ctx, dir, b.Closed)
		var tooMany *scope.TooManyError
		var hidden *scope.HiddenError
		switch {
		case errors.As(err, &hidden):
			b.Worth, b.Why = check.Broken, fmt.Sprintf("nobody can tell what else lies there: %s %s",
				s.show(hidden.Path), hidden.Why)
			continue
		case errors.As(err, &tooMany):
			b.Worth, b.Why = check.Broken, "nobody can tell what else lies there: "+err.Error()
			continue
		case err != nil:
			return err
		}
		s.closed = append(s.closed, b)
		for _, name := range names {
			s.add(scope.File{Path: name})
		}
		for rel := range b.Files {
			s.add(scope.File{Path: path.Join(dir, rel)})
		}
	}
	return nil
}

// leaveSignatures takes the signatures themselves out: whoever could write another one there could
// write nothing that counts.
func (s *survey) leaveSignatures() {
	s.items = slices.DeleteFunc(s.items, func(it *item) bool {
		return !it.Remembered && it.document == nil &&
			isSignature(it.Path, func(of string) bool { return s.at[of] != nil })
	})
}

// isSignature reports whether a bundle of one of those files, or of many, has this path.
func isSignature(name string, is func(path string) bool) bool {
	if slices.Contains(setNames, path.Base(name)) {
		return true
	}
	for _, end := range ownEnds {
		if of, ok := strings.CutSuffix(name, end); ok && is(of) {
			return true
		}
	}
	return false
}

// root is the root of the repository that a directory is in, as scope.Dirs has it; "" outside of
// one.
func (s *survey) root(dir string) string {
	root, ok := s.roots[dir]
	if !ok {
		if dir != "/" {
			root = s.root(path.Dir(dir))
		}
		if (root == "" || policy.Within(s.home, root)) && scope.IsRoot(dir) {
			root = dir
		}
		s.roots[dir] = root
	}
	return root
}

// setsOf are the bundles of many files that may speak of those in a directory, the nearest first:
// its own, those above it up to the repository's root or the current directory, and those that are
// remembered.
func (s *survey) setsOf(dir string) []*check.Bundle {
	if all, ok := s.above[dir]; ok { // a directory may be deep, and hold many files
		return all
	}
	var all []*check.Bundle
	root := s.root(dir)
	for at := dir; ; at = path.Dir(at) {
		if at == dir || root != "" && policy.Within(at, root) || policy.Within(at, s.dir) || s.known[at] {
			all = append(all, s.setsIn(at)...)
		}
		if at == "/" {
			s.above[dir] = slices.Clip(all)
			return all
		}
	}
}

func (s *survey) setsIn(dir string) []*check.Bundle {
	sets, ok := s.sets[dir]
	if !ok {
		for _, name := range setNames {
			if b := s.shelf.get(path.Join(dir, name)); b != nil {
				sets = append(sets, b)
			}
		}
		s.sets[dir] = sets
	}
	return sets
}

// lookAtAll finds out what stands at each path, and which bundles are about it.
func (s *survey) lookAtAll() {
	for _, it := range s.items { // this part is not for many goroutines
		it.file.Sets = s.setsOf(path.Dir(it.Path))
	}
	parallel(len(s.items), func(i int) { s.lookAt(s.items[i]) })
	for i := 0; i < len(s.items); i++ {
		link := s.items[i]
		if link.file.Link == "" {
			continue
		}
		to := s.add(scope.File{Path: path.Join(path.Dir(link.Path), link.file.Link)})
		if !to.read {
			to.needed = true
			to.file.Sets = s.setsOf(path.Dir(to.Path))
			s.lookAt(to)
		}
		s.lead(link, to)
	}
}

// lookAt looks at one file. It is read where something may say what it has to be.
func (s *survey) lookAt(it *item) {
	f := check.File{Path: it.Path, Rule: it.Rule, Sets: it.file.Sets}
	defer func() { it.file = f }()
	for _, end := range ownEnds {
		if b := s.shelf.get(it.Path + end); b != nil {
			f.Own = append(f.Own, b)
		}
	}
	if e, ok := s.memory.Get(it.Path); ok {
		f.Remembered = &e
	}
	if it.document != nil {
		f.State, f.SHA256, it.read = check.Present, it.document.SHA256, true
		return
	}
	if !it.needed && len(f.Own) == 0 && f.Remembered == nil && !f.Claimed() && !s.revokesContents() {
		if e, err := hostfile.Host(it.Path); err == nil && e.Type == policy.Regular {
			f.State = check.Present
			return
		}
	}
	content, err := scope.Read(it.Path, scope.MaxFile)
	var linked *scope.LinkedError
	switch {
	case err == nil && it.linked:
		f.State, f.Why = check.Unfit, "a link was in its place when the policy was read"
	case err == nil:
		f.State, f.SHA256, it.read = check.Present, sha256.Sum256(content), true
	case errors.Is(err, fs.ErrNotExist):
		f.State = check.Absent
	case errors.As(err, &linked):
		if name, ok := linked.Beside(); ok && linked.Link == it.Path && name != path.Base(it.Path) {
			f.State, f.Link = check.Present, name
			return
		}
		f.State, f.Why = check.Unfit, fmt.Sprintf("%s is a link to %s",
			s.show(linked.Link), policy.Printable(linked.Target))
	default:
		f.State, f.Why = check.Unfit, plainly(err)
	}
}

// plainly is an error without the path, which the sentence has.
func plainly(err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return policy.Printable(err.Error())
}

// lead gives a link the content of what it leads to.
func (s *survey) lead(link, to *item) {
	f := &link.file
	switch {
	case to.file.State == check.Present && to.file.Link == "":
		f.SHA256 = to.file.SHA256
		return
	case to.file.State == check.Absent:
		f.Why = fmt.Sprintf("it is a link to %s, which is not there", s.show(to.Path))
	case to.file.Link != "":
		f.Why = fmt.Sprintf("it is a link to %s, which is a link itself", s.show(to.Path))
	default:
		f.Why = fmt.Sprintf("it is a link to %s: %s", s.show(to.Path), to.file.Why)
	}
	f.State, f.Link = check.Unfit, ""
}

// decideAll decides about each file; about links when what they lead to is decided.
func (s *survey) decideAll() {
	for _, it := range s.items {
		if it.file.Link == "" {
			it.verdict = s.rules.Decide(&it.file)
		}
	}
	for _, it := range s.items {
		if it.file.Link != "" {
			it.file.Target = &s.at[path.Join(path.Dir(it.Path), it.file.Link)].verdict
			it.verdict = s.rules.Decide(&it.file)
		}
	}
	slices.SortFunc(s.items, func(a, b *item) int { return strings.Compare(a.Path, b.Path) })
}

// verdicts are all decisions, in the order of the paths: about files, about sets, and about names
// that may be taken for those of signed files.
func (s *survey) verdicts() []check.Verdict {
	var all []check.Verdict
	for _, it := range s.items {
		all = append(all, it.verdict)
	}
	for _, sets := range s.sets {
		for _, b := range sets {
			if v := s.rules.DecideSet(b); v.Status != "" {
				all = append(all, v)
			}
		}
	}
	all = append(all, s.lookalikes()...)
	slices.SortFunc(all, func(a, b check.Verdict) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// lookalikes are the names beside signed files that may be taken for theirs.
func (s *survey) lookalikes() []check.Verdict {
	signed := map[string][]string{} // names by directory
	for _, it := range s.items {
		if it.verdict.Status == check.Verified || it.file.Remembered != nil || it.file.Claimed() {
			dir := path.Dir(it.Path)
			signed[dir] = append(signed[dir], path.Base(it.Path))
		}
	}
	var all []check.Verdict
	for dir, names := range signed {
		present, err := scope.Names(dir)
		if err != nil {
			continue // it is gone, or what is in it was refused for that
		}
		for name, of := range scope.Lookalikes(present, names) {
			all = append(all, s.rules.DecideLookalike(path.Join(dir, name), path.Join(dir, of)))
		}
	}
	return all
}

// shelf has the bundles that were read, each once.
type shelf struct {
	account  *account
	verifier bundle.Verifier

	mu      sync.Mutex
	bundles map[string]func() *check.Bundle
}

func newShelf(a *account) *shelf {
	return &shelf{account: a, verifier: a.verifier(), bundles: map[string]func() *check.Bundle{}}
}

// get is the bundle at a path; nil where nothing is.
func (s *shelf) get(name string) *check.Bundle {
	s.mu.Lock()
	read, ok := s.bundles[name]
	if !ok {
		read = sync.OnceValue(func() *check.Bundle { return s.read(name) })
		s.bundles[name] = read
	}
	s.mu.Unlock()
	return read()
}

func (s *shelf) read(name string) *check.Bundle {
	text, err := scope.Read(name, bundle.MaxSize)
	var linked *scope.LinkedError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.As(err, &linked) && linked.Link != name:
		return nil // nor is the file reached in this way
	case errors.As(err, &linked):
		return &check.Bundle{Path: name, Worth: check.Broken, Why: fmt.Sprintf(
			"%s is a link to %s, and a signature has to lie beside the file itself",
			s.account.show(name), policy.Printable(linked.Target))}
	case err != nil:
		return &check.Bundle{Path: name, Worth: check.Broken, Why: plainly(err)}
	}
	return s.account.judge(name, text, s.verifier)
}

// patterns reads what a statement says may not lie beside its files.
func patterns(texts []string) ([]glob.Pattern, error) {
	var all []glob.Pattern
	for _, text := range texts {
		p, err := glob.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("the pattern %q of what else may not lie there: %w", text, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// parallel does something n times, on all processors.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			do(i)
		}
	}
	// A goroutine for a few files would take longer than they do.
	const few = 8
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0)-1, n/few) {
		others.Go(work)
	}
	work()
	others.Wait()
}
