package sdk_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fact"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/layertest"
	"github.com/nono-run/nono/sdk/lifeline"
	"github.com/nono-run/nono/sdk/peer"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// mirror is a layer that keeps what it was asked, and answers what a test wants.
type mirror struct {
	description sdk.Description
	plan        *sdk.PlanRequest
	start       *sdk.StartRequest
	finish      *sdk.FinishRequest
	answer      *sdk.PlanResponse
	state       []byte
	err         error
	planning    func(ctx context.Context, req *sdk.PlanRequest) error
	rest        func(context.Context)
}

func newMirror() *mirror {
	return &mirror{
		description: sdk.Description{Name: "test/mirror", Version: "1", Build: "dev", Kind: policy.KindCustom, Lifetime: sdk.Resident},
		answer:      &sdk.PlanResponse{},
	}
}

// Describe implements sdk.Layer.
func (m *mirror) Describe() sdk.Description { return m.description }

// Plan implements sdk.Layer.
func (m *mirror) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	m.plan = req
	if m.planning != nil {
		return m.answer, m.planning(ctx, req)
	}
	return m.answer, m.err
}

// Start implements sdk.Starter.
func (m *mirror) Start(_ context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	m.start = req
	return &sdk.StartResponse{State: m.state, Rest: m.rest}, m.err
}

// Finish implements sdk.Starter.
func (m *mirror) Finish(_ context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	m.finish = req
	return &sdk.FinishResponse{Lines: []string{"one", "two"}}, m.err
}

// noSession leaves what is no test's to say out of a comparison of requests: the session, and what
// core is.
var noSession = cmpopts.IgnoreTypes((*sdk.Session)(nil), sdk.Core{})

// TestMessagesSurvive takes random requests and answers through a layer and back.
func TestMessagesSurvive(t *testing.T) {
	m := newMirror()
	m.description.Kind = policy.KindCredentials // as the facts have it
	kit := layertest.New(t, m)
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.String()
		word := rapid.StringMatching(`[a-z]{1,10}`)
		req := &sdk.PlanRequest{
			Run: run(r),
			Documents: []sdk.Document{{
				Path: text.Draw(r, "path"), SHA256: sha256.Sum256([]byte("x")), Content: []byte("x"),
			}},
			DryRun: rapid.Bool().Draw(r, "dry"),
			Places: places.View{Places: []places.Place{{
				Path: string(rapid.SliceOf(rapid.Byte()).Draw(r, "place")), Shows: places.Host, Type: policy.Regular,
			}}},
		}
		m.answer = &sdk.PlanResponse{
			Fragment: fragment.Fragment{Steps: []fragment.Step{fragment.Mask{Path: "/a"}}},
			Coverage: []sdk.Coverage{{
				Rule: "custom.a", Held: rapid.SampledFrom([]sdk.Held{sdk.Enforced, sdk.Partial, sdk.Unavailable}).Draw(r, "held"),
				By: word.Draw(r, "by"), Why: word.Draw(r, "why"),
			}},
			Facts: facts().Draw(r, "found"),
			Diagnostics: []sdk.Diagnostic{{
				Severity:  rapid.SampledFrom([]sdk.Severity{sdk.SeverityError, sdk.SeverityWarning}).Draw(r, "severity"),
				Attribute: word.Draw(r, "attribute"), Rule: "custom.b", Summary: word.Draw(r, "summary"), Detail: word.Draw(r, "detail"),
			}},
			Secrets: secrets(r),
		}
		got, err := kit.Host.Plan(t.Context(), req)
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(m.answer, got); diff != "" {
			r.Fatalf("the answer: %s", diff)
		}
		if diff := cmp.Diff(req, m.plan, noSession); diff != "" {
			r.Fatalf("the request: %s", diff)
		}
	})
}

// run is what each request begins with.
func run(r *rapid.T) sdk.Run {
	text, word := rapid.String(), rapid.StringMatching(`[a-z]{1,10}`)
	return sdk.Run{
		SessionID: text.Draw(r, "session"),
		Host: sdk.Host{
			Tier:        rapid.SampledFrom([]sdk.Tier{sdk.TierA, sdk.TierB}).Draw(r, "tier"),
			LandlockABI: rapid.IntRange(0, 9).Draw(r, "abi"), Kernel: text.Draw(r, "kernel"),
			UID: rapid.IntRange(0, 1<<30).Draw(r, "uid"), GID: rapid.IntRange(0, 1<<30).Draw(r, "gid"),
			Home: text.Draw(r, "home"),
		},
		Command: sdk.Command{
			Args:       rapid.SliceOfN(text, 1, 3).Draw(r, "args"),
			Executable: text.Draw(r, "exe"), Dir: text.Draw(r, "dir"),
		},
		Policy: policy.Policy{Disabled: []policy.Disabled{{
			Kind: policy.KindNetwork, Source: policy.Source{Origin: policy.OriginFlag, Flag: "-x"},
		}}},
		Settings:      rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(r, "settings"),
		Facts:         facts().Draw(r, "facts"),
		HostVariables: rapid.MapOfN(word, word, 1, 3).Draw(r, "variables"),
		Dir:           text.Draw(r, "own"), StateDir: text.Draw(r, "kept"),
	}
}

func secrets(r *rapid.T) map[string]sdk.Secret {
	word := rapid.StringMatching(`[a-z]{1,10}`)
	value := rapid.Custom(func(r *rapid.T) sdk.Secret {
		return sdk.NewSecret(rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(r, "secret"))
	})
	return rapid.MapOfN(word, value, 1, 3).Draw(r, "secrets")
}

// TestStartAndFinishKnowWhatPlanKnew: the run, and the layer's own secrets; Finish also the end.
func TestStartAndFinishKnowWhatPlanKnew(t *testing.T) {
	m := newMirror()
	kit := layertest.New(t, m)
	rapid.Check(t, func(r *rapid.T) {
		start := &sdk.StartRequest{Run: run(r), Secrets: secrets(r)}
		if _, err := kit.Host.Start(t.Context(), start, nil); err != nil {
			r.Fatal(err)
		}
		began := rapid.Int64Range(1, 1<<60)
		finish := &sdk.FinishRequest{
			Run: start.Run, Secrets: start.Secrets, Stored: rapid.Bool().Draw(r, "stored"),
			End: sdk.End{
				Reason: sdk.EndExited, ExitCode: rapid.IntRange(0, 255).Draw(r, "code"),
				Signal:  syscall.Signal(rapid.IntRange(0, 64).Draw(r, "signal")),
				Started: time.Unix(0, began.Draw(r, "began")), Ended: time.Unix(0, began.Draw(r, "ended")),
			},
			State: []byte("s"),
		}
		if _, err := kit.Host.Finish(t.Context(), finish); err != nil {
			r.Fatal(err)
		}
		listeners := cmpopts.IgnoreFields(sdk.StartRequest{}, "Listeners")
		if diff := cmp.Diff(start, m.start, noSession, listeners); diff != "" {
			r.Errorf("Start: %s", diff)
		}
		if diff := cmp.Diff(finish, m.finish, noSession); diff != "" {
			r.Errorf("Finish: %s", diff)
		}
	})
}

// TestStoredRun: Finish for a session whose core is dead is told what the calls before it were, but
// for what is never stored.
func TestStoredRun(t *testing.T) {
	m := newMirror()
	kit := layertest.New(t, m)
	client, ok := kit.Host.(interface {
		FinishStored(context.Context, []byte, *sdk.End, []byte) (*sdk.FinishResponse, error)
	})
	if !ok {
		t.Fatalf("%T cannot finish a stored session", kit.Host)
	}
	rapid.Check(t, func(r *rapid.T) {
		want := &sdk.FinishRequest{
			Run: run(r), End: sdk.End{Reason: sdk.EndCoreLost}, Stored: true,
			State: rapid.SampledFrom([][]byte{nil, {}, []byte("s")}).Draw(r, "state"),
		}
		stored, err := host.Store(&want.Run)
		if err != nil {
			r.Fatal(err)
		}
		if _, err := client.FinishStored(t.Context(), stored, &want.End, want.State); err != nil {
			r.Fatal(err)
		}
		want.HostVariables = nil
		if diff := cmp.Diff(want, m.finish, noSession, cmpopts.EquateEmpty()); diff != "" {
			r.Errorf("Finish: %s", diff)
		}
		if (want.State == nil) != (m.finish.State == nil) {
			r.Errorf("no state and an empty one are taken for each other")
		}
	})
}

// TestHostVariablesAreInTheEnvironment: libraries look for them there.
func TestHostVariablesAreInTheEnvironment(t *testing.T) {
	const name = "DBUS_SESSION_BUS_ADDRESS"
	t.Setenv(name, "") // put back at the end
	m := newMirror()
	var seen string
	m.planning = func(context.Context, *sdk.PlanRequest) error {
		seen = os.Getenv(name)
		return nil
	}
	req := layertest.Request(nil)
	req.HostVariables = map[string]string{name: "unix:path=/run/bus"}
	layertest.New(t, m).Plan(req)
	if seen != "unix:path=/run/bus" {
		t.Errorf("Plan saw %q", seen)
	}
}

// facts are what a credentials layer may say, which the mirror is for them.
func facts() *rapid.Generator[[]fact.Fact] {
	word := rapid.StringMatching(`[a-z]{1,10}`)
	return rapid.SliceOfN(rapid.Custom(func(r *rapid.T) fact.Fact {
		return rapid.SampledFrom([]fact.Fact{
			fact.CredentialMissing{
				Service: word.Draw(r, "service"), Why: rapid.StringMatching("([ -~]|\n){0,40}").Draw(r, "why"),
			},
			fact.BoundHost{
				Service: "s", Host: word.Draw(r, "host"), Port: rapid.Uint16Min(1).Draw(r, "port"),
			},
		}).Draw(r, "fact")
	}), 1, 4)
}

// TestFactsBelongToAKind has a layer of each kind say each fact. What is taken arrives at another
// layer.
func TestFactsBelongToAKind(t *testing.T) {
	listener := fragment.Listener{Name: "proxy", Network: fragment.TCP}
	for _, said := range []fact.Fact{
		fact.VerifiedFile{Path: "/a", SHA256: sha256.Sum256([]byte("y"))},
		fact.CredentialMissing{Service: "s"},
		fact.BoundHost{Service: "s", Host: "h", Port: 443},
		fact.Proxy{Listener: "proxy"},
		fact.GitHost{Host: "h:8443", Listener: "proxy", Secret: "s"},
		fact.GitHost{Host: "[2001:db8::1]", Listener: "proxy", Secret: "s"},
	} {
		for _, kind := range []policy.Kind{
			policy.KindTrust, policy.KindCredentials, policy.KindNetwork, policy.KindSnapshot,
			policy.KindCustom, policy.KindFilesystem,
		} {
			m := newMirror()
			m.description.Kind = kind
			m.answer.Facts = []fact.Fact{said}
			m.answer.Fragment.Steps = []fragment.Step{listener}
			m.answer.Secrets = map[string]sdk.Secret{"s": sdk.NewSecret([]byte("secret"))}
			kit := layertest.New(t, m)
			resp, err := kit.Host.Plan(t.Context(), layertest.Request(nil))
			if kind != said.Kind() {
				var bad *host.BadAnswer
				if !errors.As(err, &bad) || !strings.Contains(err.Error(), "only a "+string(said.Kind())) {
					t.Errorf("a %s layer says %s: %v", kind, said.Name(), err)
				}
				continue
			}
			if err != nil {
				t.Errorf("a %s layer says %s: %v", kind, said.Name(), err)
				continue
			}
			want := said
			switch of := want.(type) {
			case fact.Proxy:
				of.Layer = "test/mirror"
				want = of
			case fact.GitHost:
				of.Layer = "test/mirror"
				want = of
			}
			m.answer = &sdk.PlanResponse{}
			next := layertest.Request(nil)
			next.Facts = resp.Facts
			kit.Plan(next)
			if diff := cmp.Diff([]fact.Fact{want}, m.plan.Facts); diff != "" {
				t.Errorf("the next layer is told: %s", diff)
			}
		}
	}
	for want, said := range map[string]fact.Proxy{
		`no listener "other"`: {Listener: "other"},
		"core says":           {Listener: "proxy", Layer: "acme/other"},
	} {
		m := newMirror()
		m.description.Kind = policy.KindNetwork
		m.answer.Facts = []fact.Fact{said}
		m.answer.Fragment.Steps = []fragment.Step{listener}
		_, err := layertest.New(t, m).Host.Plan(t.Context(), layertest.Request(nil))
		expect(t, "Plan", err, want)
	}
}

// TestStateSurvives: no state and an empty one are different news for Finish.
func TestStateSurvives(t *testing.T) {
	m := newMirror()
	kit := layertest.New(t, m)
	for _, state := range [][]byte{nil, {}, []byte("state")} {
		m.state = state
		got := kit.Start(&sdk.StartRequest{Run: layertest.Request(nil).Run}, nil).State
		if (got == nil) != (state == nil) || string(got) != string(state) {
			t.Errorf("Start returned %#v for %#v", got, state)
		}
		for _, reason := range []sdk.EndReason{
			sdk.EndExited, sdk.EndSignalled, sdk.EndLayerLost, sdk.EndStopped, sdk.EndStartFailed, sdk.EndCoreLost,
		} {
			want := &sdk.FinishRequest{
				Run: layertest.Request(nil).Run, End: sdk.End{Reason: reason}, State: state,
			}
			if lines := kit.Finish(want).Lines; len(lines) != 2 {
				t.Errorf("lines %q", lines)
			}
			if diff := cmp.Diff(want, m.finish, noSession, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestDescriptionSurvives(t *testing.T) {
	m := newMirror()
	m.description.Settings = []sdk.Setting{
		{Name: "a", Type: sdk.SettingString, OneOf: []string{"x", "y"}, Help: "one"},
		{Name: "b", Type: sdk.SettingNumber, Required: true},
		{Name: "c", Type: sdk.SettingBool},
		{Name: "d", Type: sdk.SettingStringList},
		{Name: "e", Type: sdk.SettingStringMap, Default: map[string]string{"x": "y"}},
		{Name: "f", Type: sdk.SettingInteger, Default: 7},
		{Name: "g", Type: sdk.SettingNumber, Default: 0.5},
		{Name: "h", Type: sdk.SettingString, Default: "", Sensitive: true},
		{Name: "i", Type: sdk.SettingBool, Default: false},
		{Name: "j", Type: sdk.SettingStringList, Default: []string{}},
		{Name: "k", Type: sdk.SettingObject, Settings: []sdk.Setting{
			{Name: "a", Type: sdk.SettingInteger, Required: true, Help: "one"},
		}},
	}
	m.description.HostVariables = []string{"ACME_KEY"}
	m.description.StateDir, m.description.NeedsNono = true, "0.1.0"
	m.description.Pure = true
	for _, lifetime := range []sdk.Lifetime{sdk.Ephemeral, sdk.Bracket, sdk.Resident} {
		m.description.Lifetime = lifetime
		var l sdk.Layer = m
		if lifetime == sdk.Ephemeral {
			l = struct{ sdk.Layer }{m} // without Start and Finish
		}
		if diff := cmp.Diff(m.description, layertest.New(t, l).Description); diff != "" {
			t.Error(diff)
		}
	}
	m.description.Subcommands = []sdk.Subcommand{
		{
			Path: "session diff", Help: "h", Arguments: "FILE...", Completion: sdk.CompleteFiles,
			Session: true, Flags: []sdk.Flag{{Name: "loud", Help: "l"}, {Name: "with", Value: "WORD", Help: "w"}},
		},
		{Path: "list", Help: "h", Completion: sdk.CompleteWords, Words: []string{"a", "b"}},
		{Path: "show", Help: "h", Completion: sdk.CompleteDirectories},
		{Path: "none", Help: "h", Completion: sdk.CompleteNothing},
	}
	if diff := cmp.Diff(m.description, layertest.New(t, commander{m}).Description); diff != "" {
		t.Error(diff)
	}
	if _, err := layerOf(t, m).Describe(t.Context(), &layerpb.DescribeRequest{Core: olderCore()}); err == nil {
		t.Error("a layer lists commands that it cannot run")
	}
}

// commander is a mirror with commands.
type commander struct{ *mirror }

// Run implements sdk.Commander.
func (commander) Run(context.Context, *sdk.SubcommandRequest) error { return nil }

// TestRest: what a bracket layer has left to do goes on when Start has returned, and core hears when
// it is done. No other layer has any.
func TestRest(t *testing.T) {
	m := newMirror()
	m.description.Lifetime = sdk.Bracket
	goOn, done := make(chan struct{}), make(chan struct{})
	m.rest = func(ctx context.Context) {
		defer close(done)
		select {
		case <-goOn:
		case <-ctx.Done():
			t.Error("it was called off")
		}
	}
	kit := layertest.New(t, m)
	ctx, over := context.WithCancel(t.Context())
	resp, err := kit.Host.Start(ctx, &sdk.StartRequest{Run: layertest.Request(nil).Run}, nil)
	over()
	if err != nil || !resp.Lingers {
		t.Fatalf("%+v, %v", resp, err)
	}
	close(goOn)
	<-done

	m.description.Lifetime, m.rest = sdk.Resident, func(context.Context) { t.Error("it goes on") }
	kit = layertest.New(t, m)
	if _, err := kit.Host.Start(t.Context(), &sdk.StartRequest{Run: layertest.Request(nil).Run}, nil); err == nil {
		t.Error("a resident layer lingers")
	}
}

// forgetter is a mirror that keeps something.
type forgetter struct {
	*mirror

	asked *sdk.ForgetRequest
}

// Forget implements sdk.Forgetter.
func (f *forgetter) Forget(_ context.Context, req *sdk.ForgetRequest) (*sdk.ForgetResponse, error) {
	f.asked = req
	return &sdk.ForgetResponse{Freed: 7}, f.err
}

func TestForget(t *testing.T) {
	f := &forgetter{mirror: newMirror()}
	kit := layertest.New(t, f)
	if !kit.Description.Forgets || layertest.New(t, newMirror()).Description.Forgets {
		t.Error("who keeps something says so, and nobody else")
	}
	want := &sdk.ForgetRequest{StateDir: "/state\xff", Sessions: []string{"a", "b"}}
	resp, err := kit.Host.Forget(t.Context(), want)
	if err != nil || resp.Freed != 7 {
		t.Errorf("%+v, %v", resp, err)
	}
	if f.asked.Session == nil || f.asked.Core.Revision != wire.Revision {
		t.Errorf("it was told of %+v", f.asked)
	}
	if f.asked.StateDir != want.StateDir || !slices.Equal(f.asked.Sessions, want.Sessions) {
		t.Errorf("got %+v", f.asked)
	}
	f.err = errors.New("no")
	if _, err := kit.Host.Forget(t.Context(), want); err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("got %v", err)
	}
	if _, err := layertest.New(t, newMirror()).Host.Forget(t.Context(), want); err == nil {
		t.Error("a layer that keeps nothing forgets")
	}
}

// TestSubcommandsOfABadLayer lists what no command can be called, or have.
func TestSubcommandsOfABadLayer(t *testing.T) {
	l := &liar{}
	c := serve(t, l)
	good := func() *layerpb.Subcommand {
		return &layerpb.Subcommand{Path: "list", Help: "h", Completion: layerpb.Completion_COMPLETION_NOTHING}
	}
	for want, change := range map[string]func(*layerpb.Subcommand){
		"":           func(*layerpb.Subcommand) {},
		"path":       func(m *layerpb.Subcommand) { m.Path = "List" },
		"completion": func(m *layerpb.Subcommand) { m.Completion = 0 },
		"help":       func(m *layerpb.Subcommand) { m.Help = "a\nb" },
		"arguments":  func(m *layerpb.Subcommand) { m.Arguments = "\x1b" },
		"flag": func(m *layerpb.Subcommand) {
			m.Flags = []*layerpb.Flag{{Name: "a-b", Help: "h"}, {Name: "a-b", Help: "h"}}
		},
		"flag: \"help\"": func(m *layerpb.Subcommand) { m.Flags = []*layerpb.Flag{{Name: "help", Help: "h"}} },
		"told apart":     nil,
	} {
		l.describe = &layerpb.DescribeResponse{
			Name: "test/liar", Version: "1", Build: "dev", Kind: layerpb.Kind_KIND_CUSTOM,
			Lifetime: layerpb.Lifetime_LIFETIME_RESIDENT, Subcommands: []*layerpb.Subcommand{good()},
		}
		if change != nil {
			change(l.describe.GetSubcommands()[0])
		} else {
			inner := good()
			inner.Path = "list all"
			l.describe.Subcommands = append(l.describe.Subcommands, inner)
		}
		_, err := c.Describe(t.Context())
		expect(t, "Describe", err, want)
	}
}

// A request that does not fit into a message is refused with the reason, before it is sent.
func TestPolicyTooLargeToBeSent(t *testing.T) {
	req := layertest.Request(nil)
	source := policy.Source{Origin: policy.OriginFlag, Flag: "--allow-cwd"}
	for i := range 1 + wire.MaxMessage/4000 {
		req.Policy.Filesystem = append(req.Policy.Filesystem, policy.PathRule{
			ID: policy.RuleID(fmt.Sprint("filesystem.deny.", i)), Source: source, Access: policy.Deny,
			Path: "/" + strings.Repeat("x", 4000), Type: policy.Missing,
		})
	}
	_, err := layertest.New(t, newMirror()).Host.Plan(t.Context(), req)
	if err == nil || !strings.Contains(err.Error(), "names too many files") {
		t.Errorf("got %v", err)
	}
}

// TestLayersErrors: what a layer says arrives in its own words, also where it says that its own
// context ended.
func TestLayersErrors(t *testing.T) {
	m := newMirror()
	kit := layertest.New(t, m)
	for _, want := range []error{errors.New("no"), fmt.Errorf("asking the vault: %w", context.DeadlineExceeded)} {
		m.err = want
		if _, err := kit.Host.Plan(t.Context(), layertest.Request(nil)); err == nil || !strings.Contains(err.Error(), want.Error()) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	m.err, m.answer = nil, nil
	if _, err := kit.Host.Plan(t.Context(), layertest.Request(nil)); err == nil {
		t.Error("neither a plan nor an error is an answer")
	}
}

func TestSession(t *testing.T) {
	m := newMirror()
	var answer sdk.Secret
	var refused, dialled error
	m.planning = func(ctx context.Context, req *sdk.PlanRequest) error {
		err := errors.Join(
			req.Session.Event(sdk.Event{
				Name: "it.began", Rule: "network.allow.0", Count: 7, Fields: map[string]string{"n": "1"},
			}),
			req.Session.Progress("working", 1, 2))
		if err != nil {
			return err
		}
		if answer, err = req.Session.AskHidden(ctx, "who?"); err != nil {
			return err
		}
		_, refused = req.Session.Ask(ctx, "and you?")
		_, dialled = req.Session.Dial(ctx, 80)
		return req.Session.Stop("that was all")
	}
	kit := layertest.New(t, m)
	kit.Answer = func(text string, hidden bool) (string, error) {
		if text == "who?" && hidden {
			return "me\xff", nil
		}
		return "", errors.New("none of your business")
	}
	kit.Plan(layertest.Request(nil))
	if got := string(answer.Reveal()); got != "me\xff" {
		t.Errorf("the answer was %q", got)
	}
	if refused == nil || !strings.Contains(refused.Error(), "none of your business") {
		t.Errorf("the refused question: %v", refused)
	}
	if dialled == nil || !strings.Contains(dialled.Error(), "nobody listens inside") {
		t.Errorf("the refused dial: %v", dialled)
	}
	began := sdk.Event{
		Name: "it.began", Rule: "network.allow.0", Count: 7, Fields: map[string]string{"n": "1"},
	}
	if diff := cmp.Diff(began, kit.WaitEvent("it.began")); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
	// Known before Plan could answer: what was stopped in it must not begin.
	if got := kit.Stopped(); len(got) != 1 || got[0] != "that was all" {
		t.Errorf("stopped: %q", got)
	}
}

// TestWhoHasASession: every layer but an ephemeral one, in each call. Without one, each method says
// so.
func TestWhoHasASession(t *testing.T) {
	m := newMirror()
	kit := layertest.New(t, m)
	kit.Plan(layertest.Request(nil))
	run := layertest.Request(nil).Run
	kit.Start(&sdk.StartRequest{Run: run}, nil)
	fresh := layertest.New(t, m)
	fresh.Finish(&sdk.FinishRequest{Run: run, End: sdk.End{Reason: sdk.EndCoreLost}})
	for call, session := range map[string]*sdk.Session{
		"Plan": m.plan.Session, "Start": m.start.Session, "Finish": m.finish.Session,
	} {
		if session == nil {
			t.Errorf("%s has no session", call)
		}
	}
	if err := m.finish.Session.Event(sdk.Event{Name: "finish.began"}); err != nil {
		t.Error(err)
	}
	if got := fresh.WaitEvent("finish.began").Count; got != 1 {
		t.Errorf("an event that happened once has the count %d", got)
	}

	m.description.Lifetime = sdk.Ephemeral
	layertest.New(t, struct{ sdk.Layer }{m}).Plan(layertest.Request(nil))
	none := m.plan.Session
	_, askErr := none.Ask(t.Context(), "?")
	_, dialErr := none.Dial(t.Context(), 80)
	for call, err := range map[string]error{
		"Event": none.Event(sdk.Event{Name: "nothing"}), "Progress": none.Progress("", 0, 0),
		"Stop": none.Stop("why?"), "Ask": askErr, "Dial": dialErr,
	} {
		if !errors.Is(err, sdk.ErrNoSession) {
			t.Errorf("%s without a session: %v", call, err)
		}
	}
}

// olderCore has the features of this one but for some.
func olderCore(without ...string) *layerpb.Core {
	features := slices.DeleteFunc(slices.Clone(wire.Features()), func(f string) bool {
		return slices.Contains(without, f)
	})
	return &layerpb.Core{Version: "0.0.9", Revision: 0, Features: features}
}

// TestOlderCore: what core does not know is left out where it is only of comfort; otherwise the
// layer says what it needs.
func TestOlderCore(t *testing.T) {
	m := newMirror()
	m.description.Settings = []sdk.Setting{
		{Name: "a", Type: sdk.SettingString, Required: true, Help: "one"},
	}
	m.answer.Fragment.Steps = []fragment.Step{fragment.Mask{Path: "/a", Readable: true}}
	rpc := layerOf(t, m)
	ask := func(without ...string) (*layerpb.DescribeResponse, error) {
		return rpc.Describe(t.Context(), &layerpb.DescribeRequest{Core: olderCore(without...)})
	}
	if d, err := ask("Setting.help"); err != nil || d.GetSettings()[0].GetHelp() != "" {
		t.Errorf("got %v, %v", d, err)
	}
	if d, err := ask(); err != nil || d.GetSettings()[0].GetHelp() != "one" {
		t.Errorf("the control: %v, %v", d, err)
	}
	_, err := ask("Setting.required")
	if want := "it needs a nono that knows Setting.required, and this is nono 0.0.9"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	stream, err := rpc.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.CloseSend() }()
	for _, test := range []struct{ without, want string }{
		{"", ""}, {"Step.mask", "Step.mask"}, {"Mask.readable", "Mask.readable"}, {"Step.env", ""},
	} {
		req := &layerpb.PlanRequest{Run: &layerpb.Run{
			Host: &layerpb.Host{Tier: layerpb.Tier_TIER_A}, Core: olderCore(test.without),
		}}
		_, err := rpc.Plan(t.Context(), req)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("without %q: %v", test.without, err)
		}
		if m.plan.Core.Version != "0.0.9" || m.plan.Core.Knows(test.without) {
			t.Errorf("the layer was told of %+v", m.plan.Core)
		}
	}
}

// liar is a layer that answers with messages of a test's choice.
type liar struct {
	layerpb.UnimplementedLayerServer
	describe *layerpb.DescribeResponse
	plan     *layerpb.PlanResponse
	start    *layerpb.StartResponse
	session  *layerpb.SessionResponse
}

func (l *liar) Describe(context.Context, *layerpb.DescribeRequest) (*layerpb.DescribeResponse, error) {
	return l.describe, nil
}

func (l *liar) Plan(context.Context, *layerpb.PlanRequest) (*layerpb.PlanResponse, error) {
	return l.plan, nil
}

func (l *liar) Start(context.Context, *layerpb.StartRequest) (*layerpb.StartResponse, error) {
	return l.start, nil
}

func (l *liar) Session(s layerpb.Layer_SessionServer) error {
	if err := s.Send(l.session); err != nil {
		return err
	}
	_, err := s.Recv()
	return err
}

// serve makes a client of a server that is not ours.
func serve(t *testing.T, l layerpb.LayerServer) *host.Client {
	t.Helper()
	s := grpc.NewServer(grpc.Creds(peer.Credentials(peer.Is(os.Getpid()))))
	layerpb.RegisterLayerServer(s, l)
	line, child, err := lifeline.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = line.Close(), child.Close() })
	return host.NewClient(connect(t, s), line)
}

// layerOf speaks to a layer without the host's half.
func layerOf(t *testing.T, l sdk.Layer) layerpb.LayerClient {
	t.Helper()
	return layerpb.NewLayerClient(connect(t, sdk.NewServer(l, nil, peer.Is(os.Getpid()))))
}

func connect(t *testing.T, s *grpc.Server) *grpc.ClientConn {
	t.Helper()
	dir, err := os.MkdirTemp("", "sdk")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(listener) }()
	me := peer.Credentials(peer.Is(os.Getpid()))
	conn, err := grpc.NewClient("unix:"+listener.Addr().String(), host.DialOptions(me)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = conn.Close(), os.RemoveAll(dir)
		s.Stop()
	})
	return conn
}

// TestBadAnswers lists answers that break the contract, beside one of each that does not.
func TestBadAnswers(t *testing.T) {
	l := &liar{}
	c := serve(t, l)
	good := func() *layerpb.DescribeResponse {
		return &layerpb.DescribeResponse{
			Name: "test/liar", Version: "1", Build: "dev", Kind: layerpb.Kind_KIND_CUSTOM, Lifetime: layerpb.Lifetime_LIFETIME_RESIDENT,
		}
	}
	for want, change := range map[string]func(*layerpb.DescribeResponse){
		"":              func(*layerpb.DescribeResponse) {},
		"name":          func(m *layerpb.DescribeResponse) { m.Name = "../x" },
		"version":       func(m *layerpb.DescribeResponse) { m.Version = "" },
		"kind":          func(m *layerpb.DescribeResponse) { m.Kind = 0 },
		"kind: base":    func(m *layerpb.DescribeResponse) { m.Kind = layerpb.Kind_KIND_BASE },
		"kind: the unk": func(m *layerpb.DescribeResponse) { m.Kind = 99 },
		"lifetime":      func(m *layerpb.DescribeResponse) { m.Lifetime = 0 },
		"setting 0":     func(m *layerpb.DescribeResponse) { m.Settings = []*layerpb.Setting{{Name: "a"}} },
		"twice": func(m *layerpb.DescribeResponse) {
			m.Settings = []*layerpb.Setting{{Name: "a", Type: 1}, {Name: "a", Type: 1}}
		},
		"within an object": func(m *layerpb.DescribeResponse) {
			object := layerpb.SettingType_SETTING_TYPE_OBJECT
			inner := &layerpb.Setting{Name: "c", Type: 1}
			m.Settings = []*layerpb.Setting{{Name: "a", Type: object, Settings: []*layerpb.Setting{
				{Name: "b", Type: object, Settings: []*layerpb.Setting{inner}},
			}}}
		},
		"only an object": func(m *layerpb.DescribeResponse) {
			m.Settings = []*layerpb.Setting{{Name: "a", Type: 1, Settings: []*layerpb.Setting{{Name: "b", Type: 1}}}}
		},
		"default": func(m *layerpb.DescribeResponse) {
			m.Settings = []*layerpb.Setting{{Name: "a", Type: 1, Default: []byte("5")}}
		},
		"host variable": func(m *layerpb.DescribeResponse) { m.HostVariables = [][]byte{[]byte("A=B")} },
		"unknown field": func(m *layerpb.DescribeResponse) {
			m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
		},
	} {
		l.describe = good()
		change(l.describe)
		_, err := c.Describe(t.Context())
		expect(t, "Describe", err, want)
	}
	for want, m := range map[string]*layerpb.PlanResponse{
		"":                   {Coverage: []*layerpb.Coverage{{Rule: "a", Held: layerpb.Held_HELD_ENFORCED}}},
		"coverage 0: held":   {Coverage: []*layerpb.Coverage{{Rule: "a"}}},
		"coverage 0: rule":   {Coverage: []*layerpb.Coverage{{Held: 1}}},
		"diagnostic 0":       {Diagnostics: []*layerpb.Diagnostic{{Summary: "a"}}},
		"summary":            {Diagnostics: []*layerpb.Diagnostic{{Severity: 1}}},
		"fact 0":             {Facts: []*layerpb.Fact{{}}},
		"32 bytes":           {Facts: []*layerpb.Fact{{Fact: &layerpb.Fact_VerifiedFile{VerifiedFile: &layerpb.VerifiedFile{Path: []byte("/a")}}}}},
		"name of a secret":   {Secrets: map[string][]byte{"a\n": nil}},
		"step 0 (none)":      {Steps: []*layerpb.Step{{}}},
		"16385 coverage ent": {Coverage: make([]*layerpb.Coverage, 16385)},
	} {
		if strings.HasPrefix(want, "16385") {
			for i := range m.Coverage {
				m.Coverage[i] = &layerpb.Coverage{}
			}
		}
		l.plan = m
		_, err := c.Plan(t.Context(), layertest.Request(nil))
		expect(t, "Plan", err, want)
	}
	for want, m := range map[string]*layerpb.StartResponse{
		"":          {HasState: true, State: []byte("s")},
		"has_state": {State: []byte("s")},
	} {
		l.start = m
		_, err := c.Start(t.Context(), &sdk.StartRequest{Run: layertest.Request(nil).Run}, nil)
		expect(t, "Start", err, want)
	}
}

func expect(t *testing.T, call string, err error, want string) {
	t.Helper()
	var bad *host.BadAnswer
	if want == "" && err != nil || want != "" && (!errors.As(err, &bad) || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: got %v, want %q", call, err, want)
	}
}

// TestBadSessions: nonsense on the session ends it.
func TestBadSessions(t *testing.T) {
	fields := map[string]string{}
	for i := range 65 {
		fields[fmt.Sprint(i)] = ""
	}
	for want, m := range map[string]*layerpb.SessionResponse{
		"without content": {},
		"event: name":     {Message: &layerpb.SessionResponse_Event{Event: &layerpb.Event{Name: "a\x1b"}}},
		"event: rule":     {Message: &layerpb.SessionResponse_Event{Event: &layerpb.Event{Name: "a", Rule: "\x1b"}}},
		"65 fields":       {Message: &layerpb.SessionResponse_Event{Event: &layerpb.Event{Name: "a", Fields: fields}}},
		"stop":            {Message: &layerpb.SessionResponse_Stop{Stop: &layerpb.Stop{Reason: "\x00"}}},
	} {
		s, err := serve(t, &liar{session: m}).OpenSession(t.Context(), nobody{}, host.Beat{Interval: time.Hour, Silence: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		<-s.Done()
		expect(t, "Session", s.Err(), want)
	}
}

// nobody is a handler that is never reached.
type nobody struct{}

func (nobody) Event(sdk.Event)                                   { panic("an event came through") }
func (nobody) Progress(string, uint64, uint64)                   {}
func (nobody) Stop(string)                                       { panic("a stop came through") }
func (nobody) Ask(context.Context, string, bool) (string, error) { return "", io.EOF }
func (nobody) Dial(context.Context, uint16) (*os.File, error)    { return nil, io.EOF }

// TestDeadSession: a layer whose stream takes no beat is lost. TestSession is the control.
func TestDeadSession(t *testing.T) {
	l := &liar{session: &layerpb.SessionResponse{Message: &layerpb.SessionResponse_Progress{Progress: &layerpb.Progress{Text: "t"}}}}
	mute := &muteLayer{liar: l}
	s, err := serve(t, mute).OpenSession(t.Context(), nobody{}, host.Beat{Interval: 20 * time.Millisecond, Silence: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if !errors.Is(s.Err(), host.ErrHangs) {
		t.Errorf("it ended with %v", s.Err())
	}
}

// muteLayer reads its session and answers nothing.
type muteLayer struct{ *liar }

func (m *muteLayer) Session(s layerpb.Layer_SessionServer) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

// Interface guard.
var _ sdk.Starter = (*mirror)(nil)
