// Package credproxy is nono's credential layer: the agent uses keys that it does not have.
//
// For each service that the policy names, Plan reads the key from where the user keeps it (package
// source), makes a token that is worth something in this session alone, and gives the agent that in
// the key's place. Start serves a listener inside for each of them, at which a reverse proxy
// (package proxy) takes the token and sends on the key, over TLS, to that service's host and no
// other. The variables that the services' clients read lead there, so no client needs to know.
//
// For a secret that the policy gives the agent in a variable, Plan reads the key in the same way,
// and hands it over: that key is inside, and this package is where it comes from, no more.
//
// The other keys are in this process and nowhere else: core is told the tokens only. Its memory is
// closed to the user's other processes before the first key is read, and before anything of the
// agent's arrives the process gives up all files but those that names are looked up in, and the
// certificates that the system trusts.
//
//	request := &sdk.PlanRequest{Host: host, Policy: policy, HostVariables: variables}
//	response, err := credproxy.New().Plan(ctx, request)
//
// # What it cannot hold
//
//   - What a service gives out to whoever has the key, its answers carry: an agent that may ask for
//     another key is given one. `methods` and `paths` narrow what may be asked.
//   - A service acts for its users. Where it fetches what it is told to, it does so for the agent.
package credproxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/nono-run/nono/plugins/credproxy/proxy"
	"github.com/nono-run/nono/plugins/credproxy/source"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/agefile"
	"github.com/nono-run/nono/sdk/confine"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/keyring"
	"github.com/nono-run/nono/sdk/policy"
)

// New returns the layer.
func New() sdk.Layer {
	return &layer{hide: sdk.HideMemory, confine: confine.Self}
}

// layer is the layer of one run.
type layer struct {
	hide    func() error
	confine func(read ...string) (confine.Report, error)

	services []service // those that have a key
	auth     sdk.Secret
	proxies  []*proxy.Proxy
	teller   *teller
}

// service is a credential with its key.
type service struct {
	policy.Credential
	key  sdk.Secret
	from policy.KeySource
	// ends are what is served for it, its interface first.
	ends []end
}

// end is one host that requests with the key go to, and what is served for it inside.
type end struct {
	listener, upstream string
	host               string // a name, or an address
	port               uint16
	place              policy.KeyPlace
	// git is how git is asked for the host, HOST or HOST:PORT; "" where it is not git's.
	git string
}

// forCommands are the user's variables that a command which prints a key may need: to find itself,
// its settings and the user.
var forCommands = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
	"XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "PASSWORD_STORE_DIR", "DISPLAY",
	"WAYLAND_DISPLAY",
}

// These are the variables by which the user says whom to trust. The library reads them.
const (
	certificateFile = "SSL_CERT_FILE"
	certificateDirs = "SSL_CERT_DIR"
)

// Describe implements sdk.Layer.
func (*layer) Describe() sdk.Description {
	return sdk.Description{
		Name: "credproxy", Version: "1.0.0", Kind: policy.KindCredentials, Lifetime: sdk.Resident,
		HostVariables: append(slices.Clone(forCommands), certificateFile, certificateDirs),
		Subcommands:   subcommands(),
	}
}

// Plan implements sdk.Layer.
func (l *layer) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	if req.Host.Tier != sdk.TierA && req.Host.Tier != sdk.TierB {
		return nil, fmt.Errorf("cannot keep keys outside on a host of tier %q", req.Host.Tier)
	}
	if err := l.hide(); err != nil {
		sdk.Logger().Info("the memory with the keys is not hidden from everything", "missing", err)
	}
	l.services, l.auth = nil, req.UpstreamAuth
	reader := readerOf(req.HostVariables, req.Host.UID)
	reader.DryRun = req.DryRun
	if req.Session != nil {
		reader.Passphrases = &agefile.Passphrases{Ask: req.Session.AskHidden}
	}
	secrets := req.Policy.Secrets()
	found := find(ctx, reader, slices.Concat(sourcesOf(req.Policy.Credentials), sourcesFor(secrets)))
	answer := &sdk.PlanResponse{Secrets: map[string]sdk.Secret{}}
	for i := range secrets {
		hand(answer, &secrets[i], found[len(req.Policy.Credentials)+i], req.DryRun)
	}
	decide := policy.NewDecider(&req.Policy)
	for i := range req.Policy.Credentials {
		c := &req.Policy.Credentials[i]
		s := service{Credential: *c, key: found[i].key, from: found[i].from}
		err := found[i].err
		if req.DryRun && foretell(answer, c, err) {
			err = nil
		}
		if err == nil {
			err = s.place(answer, decide)
		}
		if err != nil {
			lack(answer, c, err)
			continue
		}
		if err := s.give(answer); err != nil {
			return nil, err
		}
		l.services = append(l.services, s)
	}
	return answer, nil
}

// outcome is what came of looking for one key.
type outcome struct {
	key  sdk.Secret
	from policy.KeySource
	err  error
}

// readerOf reads the keys of the user who has these variables.
func readerOf(variables map[string]string, uid int) *source.Reader {
	reader := &source.Reader{Variables: variables, UID: uid, Keyring: ringOf(variables)}
	for _, name := range forCommands {
		if value, ok := variables[name]; ok {
			reader.Environ = append(reader.Environ, name+"="+value)
		}
	}
	return reader
}

// find looks for all keys at the same time, each in its own places.
func find(ctx context.Context, reader *source.Reader, places [][]policy.KeySource) []outcome {
	all := make([]outcome, len(places))
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			o := &all[i]
			o.key, o.from, o.err = reader.Find(ctx, places[i])
		})
	}
	wg.Wait()
	return all
}

// sourcesOf are the places in which the key of each service may be.
func sourcesOf(credentials []policy.Credential) [][]policy.KeySource {
	places := make([][]policy.KeySource, len(credentials))
	for i := range credentials {
		places[i] = credentials[i].Keys
	}
	return places
}

// ringOf is the keyring of the user who has these variables.
func ringOf(variables map[string]string) keyring.Ring {
	return keyring.Ring{
		Address:    variables["DBUS_SESSION_BUS_ADDRESS"],
		RuntimeDir: variables["XDG_RUNTIME_DIR"],
	}
}

// place finds the service's hosts. Whoever denies a host does not want it to be reached with a key
// either; where that is one of git's, the service itself is used all the same.
func (s *service) place(answer *sdk.PlanResponse, decide *policy.Decider) error {
	own := end{listener: s.Service, upstream: s.Upstream, place: s.Place}
	if err := own.find(decide); err != nil {
		return err
	}
	s.ends = []end{own}
	for _, host := range s.Git {
		e := end{
			listener: s.Service + "/" + host, upstream: "https://" + host, git: host,
			place: policy.KeyPlace{Type: policy.BasicPlace, Name: s.GitUser},
		}
		var denied *deniedError
		switch err := e.find(decide); {
		case errors.As(err, &denied):
			answer.Diagnostics = append(answer.Diagnostics, sdk.Diagnostic{
				Severity: sdk.SeverityWarning, Rule: s.ID,
				Summary: fmt.Sprintf("git does not reach %s with the key of %s: %v", host, s.Service, err),
			})
		case err != nil:
			return err
		default:
			s.ends = append(s.ends, e)
		}
	}
	return nil
}

// deniedError says that the user denies a host.
type deniedError struct {
	host string
	by   policy.Source
}

// Error implements error.
func (e *deniedError) Error() string { return fmt.Sprintf("%s is denied, by %s", e.host, e.by) }

// find reads the host, and holds it against the policy.
func (e *end) find(decide *policy.Decider) error {
	u, err := url.Parse(e.upstream)
	if err != nil || u.Scheme != "https" {
		return errors.New("its upstream is no https URL")
	}
	name, addr, err := hostname.Host(u.Hostname())
	if err != nil {
		return fmt.Errorf("its upstream's host: %w", err)
	}
	e.port = 443
	if text := u.Port(); text != "" {
		if e.port, err = hostname.Port(text); err != nil {
			return fmt.Errorf("its upstream's port: %w", err)
		}
	}
	var d policy.HostDecision
	if e.host = name; name != "" {
		d = decide.Host(name, e.port)
	} else {
		e.host = addr.String()
		d = decide.Literal(addr, e.port)
	}
	if d.Rule != nil && d.Rule.Action == policy.HostDeny {
		return &deniedError{e.host, d.Rule.Source}
	}
	return nil
}

// foretell says of a missing key what a run would say, and reports whether it did. A plan is made
// all the same: people look at one before they have the key, and on machines that never will.
func foretell(answer *sdk.PlanResponse, c *policy.Credential, err error) bool {
	var absent *source.Absent
	if c.Optional || c.Fallback.StandsIn() || !errors.As(err, &absent) {
		return false
	}
	answer.Diagnostics = append(answer.Diagnostics, sdk.Diagnostic{
		Severity: sdk.SeverityWarning, Rule: c.ID, Detail: advice(c, absent),
		Summary: "no source has the key of " + c.Service + ": a run would be refused",
	})
	return true
}

// lack says that a service cannot be used, and why.
func lack(answer *sdk.PlanResponse, c *policy.Credential, err error) {
	var absent *source.Absent
	none := errors.As(err, &absent)
	missing := fact.CredentialMissing{Service: c.Service}
	if none {
		missing.Why = advice(c, absent)
	}
	answer.Facts = append(answer.Facts, missing)
	if none && c.Fallback.StandsIn() { // which core tells of
		answer.Coverage = append(answer.Coverage, sdk.Coverage{
			Rule: c.ID, Held: sdk.Enforced, By: "no source has its key, so its fallback holds",
		})
		return
	}
	d := sdk.Diagnostic{
		Severity: sdk.SeverityError, Rule: c.ID,
		Summary: fmt.Sprintf("the key of %s cannot be used: %v", c.Service, err),
	}
	if none {
		d.Summary, d.Detail = "no source has the key of "+c.Service, advice(c, absent)
	}
	held := sdk.Coverage{Rule: c.ID, Held: sdk.Unavailable, Why: "it has no key"}
	if none && c.Optional {
		d.Severity = sdk.SeverityWarning
		held.Held, held.By, held.Why = sdk.Enforced, "optional, and without a key it is not used", ""
	}
	answer.Diagnostics = append(answer.Diagnostics, d)
	answer.Coverage = append(answer.Coverage, held)
}

// advice is where was looked, and how to put a key there.
func advice(c *policy.Credential, absent *source.Absent) string {
	var lines []string
	lines = append(lines, tried(absent)...)
	for _, k := range c.Keys {
		lines = append(lines, toStore(c.Service, k)...)
	}
	if f := c.Fallback; f != nil && !f.StandsIn() {
		for _, r := range f.Filesystem {
			lines = append(lines, "or log in with the agent itself, without nono: "+
				policy.Printable(r.Path)+" would be granted then, and is not there")
		}
	}
	return strings.Join(lines, "\n")
}

// tried is where was looked, a line each.
func tried(absent *source.Absent) []string {
	var lines []string
	for _, t := range absent.Tried {
		lines = append(lines, fmt.Sprintf("looked in %s: %s", t.Source, t.Why))
	}
	return lines
}

// toStore is how to put a key where it is looked for; nothing where that is the user's own affair.
func toStore(name string, k policy.KeySource) []string {
	switch k.Type {
	case policy.KeyringSource:
		return []string{"to store it: nono credential set " + k.Name}
	case policy.VariableSource:
		return []string{"or for this run: read -rs " + k.Name + " && export " + k.Name}
	case policy.AgeSource:
		return []string{"to store it: nono credential set " + name + " --age " + k.Name}
	case policy.FileSource, policy.CommandSource:
	}
	return nil
}

// give gives the agent a token in the key's place.
func (s *service) give(answer *sdk.PlanResponse) error {
	token := make([]byte, 32)
	if _, err := rand.Read(token); err != nil {
		return fmt.Errorf("making a token: %w", err)
	}
	answer.Secrets[s.Service] = sdk.NewSecret([]byte(s.Prefix + hex.EncodeToString(token)))
	add := func(step fragment.Step) {
		answer.Fragment.Steps = append(answer.Fragment.Steps, step)
	}
	for _, e := range s.ends {
		add(fragment.Listener{For: s.ID, Name: e.listener, Network: fragment.TCP})
		answer.Facts = append(answer.Facts,
			fact.BoundHost{Service: s.Service, Host: e.host, Port: e.port})
		if e.git != "" {
			answer.Facts = append(answer.Facts,
				fact.GitHost{Host: e.git, Listener: e.listener, Secret: s.Service})
		}
	}
	if s.KeyVariable != "" {
		add(fragment.Env{
			For: s.ID, Name: s.KeyVariable, Value: fragment.Value{fragment.SecretValue(s.Service)},
		})
	}
	if s.URLVariable != "" {
		add(fragment.Env{For: s.ID, Name: s.URLVariable, Value: s.base()})
	}
	if s.LoginVariable != "" {
		add(fragment.Env{For: s.ID, Name: s.LoginVariable, Value: s.login()})
	}
	by := "a token in the place of the key"
	if s.from.Type != "" { // in a dry run there may be none
		by += ", which is from " + s.from.String()
	}
	answer.Coverage = append(answer.Coverage, sdk.Coverage{Rule: s.ID, Held: sdk.Enforced, By: by})
	return nil
}

// base is where the agent sends requests: the listener, with the path that the service has.
func (s *service) base() fragment.Value {
	return append(fragment.Value{fragment.Literal("http://")}, s.at("")...)
}

// login is the same with the token as a password.
func (s *service) login() fragment.Value {
	return append(fragment.Value{
		fragment.Literal("http://nono:"), fragment.SecretValue(s.Service), fragment.Literal("@"),
	}, s.at(s.LoginPath)...)
}

// at is the listener's address, and the service's path with what stands behind it.
func (s *service) at(behind string) fragment.Value {
	value := fragment.Value{fragment.ListenerAddress(s.Service)}
	u, err := url.Parse(s.Upstream)
	if err == nil && u.EscapedPath()+behind != "" {
		value = append(value, fragment.Literal(u.EscapedPath()+behind))
	}
	return value
}

// Interface guard.
var _ sdk.Starter = (*layer)(nil)
