package layertest

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

// Options fit the suite to a layer.
type Options struct {
	// Settings are the layer's settings in each call; needed where it requires some.
	Settings map[string]any
}

// Conformance holds a layer to the contract. Each call of newLayer makes a layer as a fresh process
// would have it.
func Conformance(t *testing.T, newLayer func() sdk.Layer, o Options) {
	if isSealedChild() {
		planSealed(t, newLayer(), o)
	}
	Suite(t, func(t testing.TB) Host { return inProcess(t, newLayer()) }, o)
	t.Run("a layer that calls itself pure looks at no file", func(t *testing.T) { holdSealed(t, newLayer) })
}

// Suite holds to the contract what connect starts: a layer in a fresh process, each time.
func Suite(t *testing.T, connect func(t testing.TB) Host, o Options) {
	s := suite{connect: connect, options: o}
	for _, promise := range []struct {
		says string
		hold func(*testing.T)
	}{
		{"Describe gives the same answer each time, in each process", s.describe},
		{"an empty policy can be planned", s.empty},
		{"coverage is about rules of its own kind, each once", s.coverage},
		{"what a fragment calls a secret is there, and never in clear", s.secrets},
		{"Plan only reads, and asks nobody where nobody can answer", s.planOnlyReads},
		{"a layer that calls itself pure gives one answer to one request", s.pure},
		{"a beat is answered", s.beats},
		{"an ephemeral layer has neither Start nor Finish", s.ephemeral},
		{"Finish works in a fresh process, for a session that was never started, and twice", s.finishWithoutStart},
		{"Finish works in a fresh process with the state that Start returned", s.startAndFinish},
	} {
		t.Run(promise.says, promise.hold)
	}
}

type suite struct {
	connect func(testing.TB) Host
	options Options
}

func (s suite) kit(t *testing.T) *Kit {
	t.Helper()
	return Over(t, s.connect(t))
}

// request is a request with the options' settings and a directory of the layer's own that does not
// exist yet.
func (s suite) request(t *testing.T) *sdk.PlanRequest {
	t.Helper()
	r := Request(s.options.Settings)
	r.Dir, r.StateDir = filepath.Join(t.TempDir(), "own"), t.TempDir()
	return r
}

func (s suite) describe(t *testing.T) {
	k := s.kit(t)
	again, err := k.Host.Describe(t.Context())
	must(t, err)
	for _, other := range []sdk.Description{again, s.kit(t).Description} {
		if !reflect.DeepEqual(other, k.Description) {
			t.Errorf("first %+v, then %+v", k.Description, other)
		}
	}
	must(t, schema.Check(k.Description.Settings))
	for _, setting := range k.Description.Settings {
		if setting.Help == "" {
			t.Errorf("the setting %q has no help", setting.Name)
		}
	}
}

func (s suite) empty(t *testing.T) {
	for _, d := range s.kit(t).Plan(s.request(t)).Diagnostics {
		if d.Severity == sdk.SeverityError {
			t.Errorf("with the settings %v: %s %s", s.options.Settings, d.Attribute, d.Summary)
		}
	}
}

// sample is a policy with rules of every sort that there is now.
func sample(t *testing.T) policy.Policy {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	source := policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 1, Column: 1}
	rule := func(id policy.RuleID, access policy.Access, path string, kind policy.FileType) policy.PathRule {
		return policy.PathRule{ID: id, Source: source, Access: access, Path: path, Name: path, Type: kind}
	}
	return policy.Policy{
		Filesystem: []policy.PathRule{
			rule("filesystem.allow.0", policy.Allow, dir, policy.Directory),
			rule("filesystem.read.0", policy.Read, filepath.Join(dir, "absent"), policy.Missing),
			rule("filesystem.deny.0", policy.Deny, file, policy.Regular),
		},
		Environment: []policy.EnvRule{{ID: "environment.set.0", Source: source, Action: policy.EnvSet, Name: "CI", Value: "1"}},
	}
}

func (s suite) coverage(t *testing.T) {
	k := s.kit(t)
	req := s.sampleRequest(t)
	seen := map[policy.RuleID]bool{}
	for _, c := range k.Plan(req).Coverage {
		if c.Rule.Kind() != k.Description.Kind {
			t.Errorf("a %s layer answers for %s", k.Description.Kind, c.Rule)
		}
		if _, ok := req.Policy.Find(c.Rule); !ok {
			t.Errorf("there is no rule %s", c.Rule)
		}
		if seen[c.Rule] {
			t.Errorf("%s is covered twice", c.Rule)
		}
		if c.Held != sdk.Enforced && c.Why == "" {
			t.Errorf("%s is %s, and nothing says why", c.Rule, c.Held)
		}
		seen[c.Rule] = true
	}
}

func (s suite) secrets(t *testing.T) {
	resp := s.kit(t).Plan(s.request(t))
	used := map[string]bool{}
	for _, step := range resp.Fragment.Steps {
		env, ok := step.(fragment.Env)
		if !ok {
			continue
		}
		for _, part := range env.Value {
			if part.Secret != "" {
				used[part.Secret] = true
				if _, ok := resp.Secrets[part.Secret]; !ok {
					t.Errorf("%s has the secret %q, which the answer does not give", env.Name, part.Secret)
				}
			}
			for name, secret := range resp.Secrets {
				value := string(secret.Reveal())
				if value != "" && strings.Contains(part.Literal, value) {
					t.Errorf("%s holds the secret %q in clear", env.Name, name)
				}
			}
		}
	}
	for name := range resp.Secrets {
		if !used[name] {
			t.Errorf("no step uses the secret %q", name)
		}
	}
}

func (s suite) planOnlyReads(t *testing.T) {
	k := s.kit(t)
	req := s.request(t)
	req.DryRun = true
	k.Plan(req)
	if _, err := os.Lstat(req.Dir); !os.IsNotExist(err) {
		t.Errorf("Plan made %s", req.Dir)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked > 0 {
		t.Errorf("Plan asked the user %d times", k.asked)
	}
}

func (s suite) beats(t *testing.T) {
	k := s.kit(t)
	if k.Description.Lifetime == sdk.Ephemeral {
		return // no session, no beat
	}
	for deadline := time.Now().Add(patience); k.Host.Beats() < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d beats were answered", k.Host.Beats())
		}
	}
}

func (s suite) ephemeral(t *testing.T) {
	k := s.kit(t)
	if k.Description.Lifetime != sdk.Ephemeral {
		return
	}
	run := s.request(t).Run
	if _, err := k.Host.Start(t.Context(), &sdk.StartRequest{Run: run}, nil); err == nil {
		t.Error("it could be started")
	}
	finish := &sdk.FinishRequest{Run: run, End: sdk.End{Reason: sdk.EndExited}}
	if _, err := k.Host.Finish(t.Context(), finish); err == nil {
		t.Error("it could be finished")
	}
}

func (s suite) finishWithoutStart(t *testing.T) {
	k := s.kit(t)
	if k.Description.Lifetime == sdk.Ephemeral {
		return
	}
	req := s.request(t)
	for range 2 {
		k.Finish(&sdk.FinishRequest{
			Run: req.Run, End: sdk.End{Reason: sdk.EndCoreLost}, Stored: true,
		})
	}
}

func (s suite) startAndFinish(t *testing.T) {
	k := s.kit(t)
	if k.Description.Lifetime == sdk.Ephemeral {
		return
	}
	req := s.request(t)
	planned := k.Plan(req)
	must(t, os.Mkdir(req.Dir, 0o700))
	started := k.Start(&sdk.StartRequest{Run: req.Run, Secrets: planned.Secrets},
		Listeners(t, planned.Fragment))
	fresh := s.kit(t)
	for range 2 {
		fresh.Finish(&sdk.FinishRequest{
			Run: req.Run, End: sdk.End{Reason: sdk.EndExited}, Secrets: planned.Secrets,
			State: started.State,
		})
	}
}

// Listeners opens the sockets of a fragment's listener steps, on a port of the loopback that is
// free, as nono-init would inside.
func Listeners(t testing.TB, f fragment.Fragment) map[string]*os.File {
	t.Helper()
	files := map[string]*os.File{}
	for _, step := range f.Steps {
		l, ok := step.(fragment.Listener)
		if !ok {
			continue
		}
		files[l.Name] = open(t, l.Network)
	}
	return files
}

func open(t testing.TB, n fragment.Network) *os.File {
	t.Helper()
	var socket interface {
		File() (*os.File, error)
		Close() error
	}
	switch n {
	case fragment.TCP:
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		must(t, err)
		socket = l
	case fragment.UDP:
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		must(t, err)
		socket = c
	default:
		t.Fatalf("a listener of the network %q", n)
	}
	f, err := socket.File()
	must(t, err)
	must(t, socket.Close())
	t.Cleanup(func() { _ = f.Close() })
	return f
}
