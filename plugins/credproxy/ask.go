package credproxy

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/nono-run/nono/plugins/credproxy/proxy"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/agefile"
	"github.com/nono-run/nono/sdk/egress"
	"github.com/nono-run/nono/sdk/policy"
)

// verdict is what a service thinks of a key.
type verdict string

// The verdicts.
const (
	good    verdict = "good"    // the service takes it
	refused verdict = "refused" // it does not
	missing verdict = "missing" // no source has one that could be sent
	unknown verdict = "unknown" // the service was not asked, or said something else
)

// tested is what came of one service.
type tested struct {
	Service string  `json:"service"`
	Verdict verdict `json:"verdict"`
	// From is the source that has the key, and Status what the service answered.
	From   string `json:"from,omitempty"`
	Status int    `json:"status,omitempty"`
	Why    string `json:"why,omitempty"`
}

// The exit codes of the command; 0 says that all keys are good.
const (
	exitBad     = 1 // a key is refused, or missing
	exitUnknown = 2 // of a key nothing was found out, and none is bad
)

// test asks services whether they take their keys: by the request that their block names for it,
// sent as one of an agent's would be.
func (l *layer) test(ctx context.Context, req *sdk.SubcommandRequest) error {
	if req.Policy == nil {
		return errors.New("there are no services to ask")
	}
	if err := l.hide(); err != nil {
		sdk.Logger().Info("the memory with the keys is not hidden from everything", "missing", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return fmt.Errorf("reading the certificates that this system trusts: %w", err)
	}
	through, err := egress.UpstreamOf(&req.Policy.Network, req.UpstreamAuth)
	if err != nil {
		return err
	}
	reader := readerOf(req.HostVariables, os.Getuid())
	reader.Passphrases = &agefile.Passphrases{Ask: req.AskHidden}
	found := find(ctx, reader, sourcesOf(req.Policy.Credentials))
	all := make([]tested, len(found))
	var wg sync.WaitGroup
	for i, f := range found {
		s := service{Credential: req.Policy.Credentials[i], key: f.key, from: f.from}
		if f.err != nil {
			all[i] = tested{Service: s.Service, Verdict: missing, Why: f.err.Error()}
			continue
		}
		wg.Go(func() { all[i] = s.ask(ctx, policy.NewDecider(req.Policy), through, roots) })
	}
	wg.Wait()
	if _, ok := req.Flags["json"]; ok {
		if err := json.NewEncoder(os.Stdout).Encode(map[string][]tested{"keys": all}); err != nil {
			return err
		}
	} else {
		for _, t := range all {
			if _, err := fmt.Fprintln(os.Stdout, t); err != nil {
				return err
			}
		}
	}
	return exitOf(all)
}

// String is what is printed.
func (t tested) String() string {
	line := fmt.Sprintf("%s: %s", t.Service, t.Verdict)
	if t.Status != 0 {
		line += fmt.Sprintf(" (%d %s)", t.Status, http.StatusText(t.Status))
	}
	if t.From != "" {
		line += ", the key from " + t.From
	}
	if t.Why != "" {
		line += ": " + policy.Printable(t.Why)
	}
	return line
}

func exitOf(all []tested) error {
	code := 0
	for _, t := range all {
		switch t.Verdict {
		case refused, missing:
			code = exitBad
		case unknown:
			if code == 0 {
				code = exitUnknown
			}
		case good:
		}
	}
	if code == 0 {
		return nil
	}
	return &sdk.ExitError{Code: code}
}

// ask asks one service. What the policy narrows is not what the key is good for, so it does not
// count here.
func (s *service) ask(
	ctx context.Context, decide *policy.Decider, through *egress.Upstream, roots *x509.CertPool,
) tested {
	t := tested{Service: s.Service, Verdict: unknown, From: s.from.String()}
	if s.Test.Path == "" {
		t.Why = "nothing is known that it could be asked: " +
			`test = { path = "/PATH" } in its block says so`
		return t
	}
	own := end{listener: s.Service, upstream: s.Upstream, place: s.Place}
	err := own.find(decide)
	var p *proxy.Proxy
	if err == nil {
		p, err = proxy.New(proxy.Service{
			Name: s.Service, Upstream: own.upstream, Place: own.place, Key: s.key,
			Token: sdk.NewSecret([]byte(rand.Text())),
		}, proxy.Options{Dial: own.dialer(decide, through).to, Roots: roots})
	}
	if err != nil {
		t.Why = err.Error()
		return t
	}
	defer func() { _ = p.Close() }()
	became, err := p.Ask(ctx, s.Test.Path, s.Test.Header)
	switch {
	case err != nil:
		t.Why = err.Error()
		return t
	case became.Refused != "":
		t.Why = became.Refused
		return t
	}
	t.Status = became.Status
	switch {
	case t.Status >= 200 && t.Status < 300:
		t.Verdict = good
	case t.Status == http.StatusUnauthorized || t.Status == http.StatusForbidden:
		t.Verdict = refused
	case t.Status == http.StatusBadRequest:
		t.Verdict = refused
		t.Why = "it calls the request a bad one, as some do where a key is"
	default:
		t.Why = "the answer says nothing of the key"
	}
	return t
}
