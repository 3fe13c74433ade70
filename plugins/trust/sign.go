package trust

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/nono-run/nono/plugins/trust/bundle"
	"github.com/nono-run/nono/plugins/trust/check"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/plugins/trust/scope"
	"github.com/nono-run/nono/plugins/trust/statement"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/glob"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

// defaultKey is the key that files are signed with where none is named. It is made when it is used
// for the first time.
const defaultKey = "default"

// subject is a file that is to be signed.
type subject struct {
	path string
	link string // the name beside it that it leads to
	sum  [32]byte
}

// signature is a bundle that was written.
type signature struct {
	Bundle string   `json:"bundle"`
	Signer *signer  `json:"signer"`
	Files  []string `json:"files"`
	Closed []string `json:"closed,omitempty"`
}

// sign signs files, each by itself, or all together.
func sign(ctx context.Context, req *sdk.SubcommandRequest) error {
	closed, all := req.Flags["closed"], has(req, "all")
	switch {
	case all && len(req.Args) > 0:
		return errors.New("name files, or sign --all that are looked at here, and not both")
	case !all && len(req.Args) == 0:
		return errors.New("name the files to sign: nono trust sign CLAUDE.md; or sign all that are " +
			"looked at here: nono trust sign --all")
	case !all && len(closed) > 0:
		return errors.New("--closed says what else may not lie beside the files of one signature: " +
			"nono trust sign --all --closed '.claude/**'")
	}
	if _, err := patterns(closed); err != nil {
		return err
	}
	a, err := accountOf(ctx, req)
	if err != nil {
		return err
	}
	var signed []signature
	if all {
		signed, err = a.signAll(ctx, req, closed)
	} else {
		signed, err = a.signEach(ctx, req)
	}
	if err != nil {
		return err
	}
	if has(req, "json") {
		err = json.NewEncoder(os.Stdout).Encode(map[string][]signature{"signed": signed})
	} else {
		for _, s := range signed {
			a.saySigned(s)
		}
	}
	return errors.Join(err, a.afterwards(ctx, req.StateDir, signed))
}

func (a *account) saySigned(s signature) {
	names := make([]string, 0, len(s.Files))
	for _, name := range s.Files {
		names = append(names, a.show(name))
	}
	fmt.Fprintf(os.Stderr, "signed with %s: %s (%s)\n", a.who(memory.Signer{Key: s.Signer.Key}),
		strings.Join(names, ", "), a.show(s.Bundle))
	if len(s.Closed) > 0 {
		fmt.Fprintf(os.Stderr, "nothing else may lie beside them that matches %s\n",
			policy.Printable(strings.Join(s.Closed, ", ")))
	}
}

// afterwards tells where a run would refuse what was just signed: another signature may lie there,
// or one of many files that does not have it.
func (a *account) afterwards(ctx context.Context, stateDir string, signed []signature) error {
	var err error
	if a.memory, err = memory.Load(stateDir); err != nil {
		return err
	}
	var files []string
	for _, s := range signed {
		files = append(files, s.Files...)
	}
	s, err := a.only(ctx, files)
	if err != nil {
		return err
	}
	for _, v := range s.verdicts() {
		if v.Status == check.Refused && v.Says != "" {
			err = errors.Join(err, fmt.Errorf("it is signed, and a run would refuse nevertheless: %s\n  %s",
				v.Says, v.Try))
		}
	}
	return err
}

// subjectAt reads a file that is to be signed.
func (a *account) subjectAt(name string) (subject, error) {
	s := subject{path: name}
	content, err := scope.Read(name, scope.MaxFile)
	var linked *scope.LinkedError
	if errors.As(err, &linked) && linked.Link == name {
		if beside, ok := linked.Beside(); ok && beside != path.Base(name) {
			s.link = beside
			content, err = scope.Read(path.Join(path.Dir(name), beside), scope.MaxFile)
		}
	}
	switch {
	case errors.As(err, &linked):
		return s, fmt.Errorf("%s is not signed: %s is a link to %s; only a link to a file beside it can "+
			"be signed", a.show(name), a.show(linked.Link), policy.Printable(linked.Target))
	case err != nil:
		return s, fmt.Errorf("%s is not signed: %s", a.show(name), plainly(err))
	}
	s.sum = sha256.Sum256(content)
	if _, revoked := a.revokes(s.sum); revoked {
		return s, fmt.Errorf("%s is not signed: its content was revoked", a.show(name))
	}
	return s, nil
}

// signEach signs the files that are named. All of them can be read before the first is signed.
func (a *account) signEach(
	ctx context.Context, req *sdk.SubcommandRequest,
) ([]signature, error) {
	names, err := paths(req)
	if err != nil {
		return nil, err
	}
	var subjects []subject
	for _, name := range names {
		s, err := a.subjectAt(name)
		if err != nil {
			return nil, err
		}
		if s.link != "" { // the file itself is what is signed, and the link is remembered with it
			to, err := a.subjectAt(path.Join(path.Dir(name), s.link))
			if err != nil {
				return nil, err
			}
			subjects = append(subjects, to)
		}
		subjects = append(subjects, s)
	}
	key, err := a.key(ctx, req)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	var signed []signature
	for _, s := range subjects {
		if s.link != "" {
			continue
		}
		dir, base := path.Split(s.path)
		said := statement.Statement{Subjects: []statement.Subject{{Name: base, SHA256: s.sum}}}
		if err := write(said, key, dir, base+ownEnds[0]); err != nil {
			return nil, fmt.Errorf("signing %s: %w", a.show(s.path), err)
		}
		signed = append(signed, signature{
			Bundle: s.path + ownEnds[0], Signer: a.signer(signerOf(key)), Files: []string{s.path},
		})
	}
	return signed, rememberSigned(ctx, req.StateDir, signerOf(key), subjects, func(s subject) string {
		if s.link != "" {
			return path.Join(path.Dir(s.path), s.link) + ownEnds[0]
		}
		return s.path + ownEnds[0]
	})
}

// signAll signs all files here that are looked at, in one bundle in the current directory.
func (a *account) signAll(
	ctx context.Context, req *sdk.SubcommandRequest, closed []string,
) ([]signature, error) {
	globs, err := patterns(closed)
	if err != nil {
		return nil, err
	}
	subjects, err := a.subjectsHere(ctx, globs)
	if err != nil {
		return nil, err
	}
	key, err := a.key(ctx, req)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	said := statement.Statement{Closed: closed}
	sum := signature{
		Bundle: path.Join(a.dir, setName), Signer: a.signer(signerOf(key)), Closed: closed,
	}
	for _, s := range subjects {
		name := strings.TrimPrefix(s.path, strings.TrimSuffix(a.dir, "/")+"/")
		said.Subjects = append(said.Subjects, statement.Subject{Name: name, SHA256: s.sum})
		sum.Files = append(sum.Files, s.path)
	}
	if err := write(said, key, a.dir, setName); err != nil {
		return nil, fmt.Errorf("signing %d files: %w", len(subjects), err)
	}
	return []signature{sum}, rememberSigned(ctx, req.StateDir, signerOf(key), subjects,
		func(subject) string { return sum.Bundle })
}

// subjectsHere are the files to sign in the current directory and beneath it.
func (a *account) subjectsHere(ctx context.Context, closed []glob.Pattern) ([]subject, error) {
	s, err := a.here(ctx)
	if err != nil {
		return nil, err
	}
	if p := s.unfinished; p != nil {
		return nil, fmt.Errorf("the pattern %q means more files than can be looked through",
			policy.Printable(p.Text))
	}
	at := map[string]bool{}
	for _, it := range s.items {
		at[it.Path] = it.file.State != check.Absent
	}
	others, err := scope.Beneath(ctx, a.dir, closed)
	if err != nil {
		return nil, err
	}
	for _, name := range others {
		if !isSignature(name, func(of string) bool { return at[of] }) {
			at[name] = true
		}
	}
	var subjects []subject
	var faults error
	for _, name := range sortedKeys(at) {
		switch {
		case !at[name]:
		case !policy.Within(name, a.dir):
			fmt.Fprintf(os.Stderr, "%s lies above, and is not signed here\n", a.show(name))
		default:
			one, err := a.subjectAt(name)
			faults = errors.Join(faults, err)
			subjects = append(subjects, one)
		}
	}
	if faults == nil && len(subjects) == 0 {
		faults = errors.New("there is nothing to sign: no file here has a name that is looked at")
	}
	return subjects, faults
}

func sortedKeys(m map[string]bool) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// key opens the key to sign with, and makes the default one where there is none yet.
func (a *account) key(ctx context.Context, req *sdk.SubcommandRequest) (*keys.Private, error) {
	name := defaultKey
	if named := req.Flags["key"]; len(named) > 0 {
		name = named[len(named)-1]
	}
	hide()
	key, err := a.ring.Private(ctx, name)
	switch {
	case errors.Is(err, keys.ErrNone) && name == defaultKey:
		if key, err = a.firstKey(ctx, name); err != nil {
			return nil, err
		}
	case errors.Is(err, keys.ErrNone):
		return nil, fmt.Errorf("%w; nono trust keys lists yours, and nono trust keygen %s makes it",
			err, policy.Printable(name))
	case err != nil:
		return nil, err
	}
	of := key.Named()
	counts, at := a.policy.Counts(policy.Signed{Key: string(of.ID), Name: of.Name})
	if !counts {
		key.Close()
		return nil, fmt.Errorf("the key %s does not count, as %s says", policy.Printable(name), at)
	}
	return key, nil
}

// firstKey makes a key and opens it. Where another command makes one of this name meanwhile, it is
// that.
func (a *account) firstKey(ctx context.Context, name string) (*keys.Private, error) {
	made, err := a.ring.GenerateAnywhere(ctx, name)
	if errors.Is(err, keys.ErrTaken) {
		if err := a.ring.Reread(ctx); err != nil {
			return nil, err
		}
		if key, openErr := a.ring.Private(ctx, name); !errors.Is(openErr, keys.ErrNone) {
			return key, openErr
		}
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "made the key %q, %s, and trust it: %s\n", name, made.Place, made.ID)
	return a.ring.Private(ctx, name)
}

func signerOf(key *keys.Private) memory.Signer {
	return memory.Signer{Key: string(key.Named().ID)}
}

// write signs a statement, and puts the bundle in its place.
func write(s statement.Statement, key *keys.Private, dir, name string) error {
	text, err := bundle.Sign(s, key)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := ownfile.ReplaceSynced(root, name, text); err != nil {
		return err
	}
	// It says nothing that the file does not, and others are to verify it.
	return root.Chmod(name, 0o644)
}

// rememberSigned has files remembered as signed by whoever just did, whoever did before.
func rememberSigned(
	ctx context.Context, stateDir string, by memory.Signer, subjects []subject,
	bundleOf func(subject) string,
) error {
	now := time.Now()
	return memory.Update(ctx, stateDir, func(m *memory.Memory) error {
		for _, s := range subjects {
			e := memory.Entry{Path: s.path, Signer: by, Since: now, Bundle: bundleOf(s), Link: s.link}
			if old, ok := m.Get(s.path); ok && old.Signer == by {
				e.Since = old.Since
			}
			if err := m.Remember(e); err != nil {
				return err
			}
		}
		return nil
	})
}
