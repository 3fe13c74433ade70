package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/nono-run/nono/plugins/trust/check"
	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// verify verifies files as a run does, and ends with 1 where one does not hold.
func verify(ctx context.Context, req *sdk.SubcommandRequest) error {
	a, err := accountOf(ctx, req)
	if err != nil {
		return err
	}
	names, err := paths(req)
	if err != nil {
		return err
	}
	var s *survey
	if len(names) > 0 {
		s, err = a.only(ctx, names)
	} else {
		s, err = a.here(ctx)
	}
	if err != nil {
		return err
	}
	if p := s.unfinished; p != nil {
		return fmt.Errorf("the pattern %q means more files than can be looked through",
			policy.Printable(p.Text))
	}
	verdicts := s.verdicts()
	holds := true
	for _, v := range verdicts {
		named := slices.Contains(names, v.Path)
		if named && v.Reason == check.Gone {
			return fmt.Errorf("%s: there is no such file", a.show(v.Path))
		}
		holds = holds && v.Status != check.Refused && (!named || v.Status == check.Verified)
	}
	if has(req, "json") {
		err = a.printJSON("files", verdicts)
	} else {
		a.print(verdicts)
	}
	if err == nil && !holds {
		return &sdk.ExitError{Code: 1}
	}
	return err
}

func (a *account) print(verdicts []check.Verdict) {
	if len(verdicts) == 0 {
		fmt.Fprintln(os.Stderr, "no file here has a name that is looked at")
	}
	for i := range verdicts {
		a.line(os.Stdout, &verdicts[i])
	}
}

func (a *account) printJSON(name string, verdicts []check.Verdict) error {
	all := []told{}
	for i := range verdicts {
		all = append(all, a.told(&verdicts[i]))
	}
	return json.NewEncoder(os.Stdout).Encode(map[string][]told{name: all})
}

// rememberedAt are the remembered files in a directory and beneath it, and in those above it.
func rememberedAt(all []memory.Entry, dir string) []string {
	var names []string
	for i := range all {
		if name := all[i].Path; policy.Within(name, dir) || policy.Within(dir, path.Dir(name)) {
			names = append(names, name)
		}
	}
	return names
}

// remembered is an entry of the memory as a program reads it.
type remembered struct {
	Path   string    `json:"path"`
	Signer *signer   `json:"signer"`
	Since  time.Time `json:"since"`
	Bundle string    `json:"bundle"`
	Link   string    `json:"link,omitempty"`
}

func (a *account) remembered(e *memory.Entry) remembered {
	return remembered{
		Path: e.Path, Signer: a.signer(e.Signer), Since: e.Since, Bundle: e.Bundle, Link: e.Link,
	}
}

// list lists what is looked at here, and what is remembered.
func list(ctx context.Context, req *sdk.SubcommandRequest) error {
	a, err := accountOf(ctx, req)
	if err != nil {
		return err
	}
	s, err := a.here(ctx)
	if err != nil {
		return err
	}
	here, known := s.verdicts(), a.memory.All()
	if has(req, "json") {
		out := struct {
			Here       []told       `json:"here"`
			Remembered []remembered `json:"remembered"`
		}{[]told{}, []remembered{}}
		for i := range here {
			out.Here = append(out.Here, a.told(&here[i]))
		}
		for i := range known {
			out.Remembered = append(out.Remembered, a.remembered(&known[i]))
		}
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	shown := map[string]bool{}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for i := range here {
		v := &here[i]
		shown[v.Path] = true
		fmt.Fprintf(w, "%s\t%s\t%s\n", word(v), a.show(v.Path), a.signerOf(v))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	known = slices.DeleteFunc(known, func(e memory.Entry) bool { return shown[e.Path] })
	if len(here)+len(known) == 0 {
		fmt.Fprintln(os.Stderr, "no file here has a name that is looked at, and none was ever signed")
	}
	if len(known) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nsigned elsewhere:")
	for i := range known {
		e := &known[i]
		fmt.Fprintf(w, "%s\t%s\tsince %s\n", a.show(e.Path), a.who(e.Signer), day(e.Since))
	}
	return w.Flush()
}

// word is a verdict in a word or two.
func word(v *check.Verdict) string {
	switch {
	case v.Status == check.Allowed && v.Reason == check.Gone:
		return "gone"
	case v.Status == check.Allowed:
		return "not signed"
	case v.Reason != "":
		return fmt.Sprintf("%s: %s", v.Status, v.Reason)
	}
	return string(v.Status)
}

// signerOf is who signed a file, or did before.
func (a *account) signerOf(v *check.Verdict) string {
	if v.Status == check.Verified {
		return a.who(v.Signer)
	}
	if e, ok := a.memory.Get(v.Path); ok {
		return a.who(e.Signer) + " signed it"
	}
	return ""
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

// shown is all that is known of a file, as a program reads it.
type shown struct {
	told

	Remembered *remembered `json:"remembered,omitempty"`
	Signatures []said      `json:"signatures"`
}

// said is a signature that was found, and what it says.
type said struct {
	Bundle string            `json:"bundle"`
	Worth  check.Worth       `json:"worth"`
	Why    string            `json:"why,omitempty"`
	Signer *signer           `json:"signer,omitempty"`
	Files  map[string]string `json:"files,omitempty"` // SHA-256 by name
	SHA256 string            `json:"sha256,omitempty"`
	Closed []string          `json:"closed,omitempty"`
}

func (a *account) said(b *check.Bundle) said {
	s := said{Bundle: b.Path, Worth: b.Worth, Why: b.Why}
	if b.Worth != check.Good {
		return s
	}
	s.Signer = a.signer(b.Signer)
	if b.Message != nil {
		s.SHA256 = fmt.Sprintf("%x", *b.Message)
		return s
	}
	s.Files = map[string]string{}
	for name, sum := range b.Files {
		s.Files[name] = fmt.Sprintf("%x", sum)
	}
	for _, p := range b.Closed {
		s.Closed = append(s.Closed, path.Join(p...))
	}
	return s
}

// show shows all that is known of one file.
func show(ctx context.Context, req *sdk.SubcommandRequest) error {
	if len(req.Args) != 1 {
		return errors.New("name one file: nono trust show CLAUDE.md")
	}
	a, err := accountOf(ctx, req)
	if err != nil {
		return err
	}
	names, err := paths(req)
	if err != nil {
		return err
	}
	s, err := a.only(ctx, names)
	if err != nil {
		return err
	}
	it := s.at[names[0]]
	all := shown{told: a.told(&it.verdict), Signatures: []said{}}
	if e := it.file.Remembered; e != nil {
		r := a.remembered(e)
		all.Remembered = &r
	} else if it.file.State == check.Absent {
		return fmt.Errorf("%s: there is no such file, and none was signed", a.show(it.Path))
	}
	for _, b := range slices.Concat(it.file.Own, it.file.Sets) {
		all.Signatures = append(all.Signatures, a.said(b))
	}
	if has(req, "json") {
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	a.line(os.Stdout, &it.verdict)
	if e := it.file.Remembered; e != nil {
		as := ""
		if e.Link != "" {
			as = ", as a link to " + policy.Printable(e.Link)
		}
		fmt.Fprintf(os.Stdout, "remembered: signed by %s since %s (%s)%s\n", a.who(e.Signer),
			day(e.Since), a.show(e.Bundle), as)
	}
	for i := range all.Signatures {
		a.printSaid(&all.Signatures[i])
	}
	return nil
}

func (a *account) printSaid(s *said) {
	fmt.Fprintf(os.Stdout, "\n%s: %s", a.show(s.Bundle), s.Worth)
	if s.Why != "" {
		fmt.Fprintf(os.Stdout, ": %s", s.Why)
	}
	fmt.Fprintln(os.Stdout)
	if s.Signer == nil {
		return
	}
	fmt.Fprintf(os.Stdout, "  by %s\n", a.who(memory.Signer{
		Key: s.Signer.Key, Identity: s.Signer.Identity, Issuer: s.Signer.Issuer,
	}))
	if s.SHA256 != "" {
		fmt.Fprintf(os.Stdout, "  sha256:%s\n", s.SHA256)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		fmt.Fprintf(os.Stdout, "  sha256:%s  %s\n", s.Files[name], policy.Printable(name))
	}
	for _, pattern := range s.Closed {
		fmt.Fprintf(os.Stdout, "  nothing else may match %s\n", policy.Printable(pattern))
	}
}

// forget has files forgotten.
func forget(ctx context.Context, req *sdk.SubcommandRequest) error {
	all := has(req, "all")
	if all == (len(req.Args) > 0) {
		return errors.New("name the files to forget: nono trust forget CLAUDE.md; or forget --all")
	}
	a := &account{dir: canonical(req.Dir), home: req.HostVariables["HOME"]}
	names, err := paths(req)
	if err != nil {
		return err
	}
	forgotten := []string{}
	if all {
		// A damaged memory can be forgotten as well.
		if known, err := memory.Load(req.StateDir); err == nil {
			for _, e := range known.All() {
				forgotten = append(forgotten, e.Path)
			}
		}
		err = memory.Reset(ctx, req.StateDir)
	} else {
		err = memory.Update(ctx, req.StateDir, func(m *memory.Memory) error {
			for _, name := range names {
				beneath := m.Beneath(name)
				if len(beneath) == 0 {
					return fmt.Errorf("%s was never signed here, and nothing beneath it", a.show(name))
				}
				for _, e := range beneath {
					m.Forget(e.Path)
					forgotten = append(forgotten, e.Path)
				}
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	if has(req, "json") {
		return json.NewEncoder(os.Stdout).Encode(map[string][]string{"forgotten": forgotten})
	}
	for _, name := range forgotten {
		left := ""
		if _, err := os.Lstat(name + ownEnds[0]); err == nil {
			left = fmt.Sprintf("; %s is still there, and has to fit until it is removed",
				a.show(name+ownEnds[0]))
		}
		fmt.Fprintf(os.Stderr, "forgotten: %s%s\n", a.show(name), left)
	}
	if all {
		fmt.Fprintln(os.Stderr, "nothing is remembered as signed any more")
	}
	return nil
}
