package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/codec"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// This file is the host's half of the translation between Go and the wire: requests are encoded,
// answers decoded, one function a message. Decoding checks everything: it is where core stops
// trusting what a layer says.

func decodeDescription(m *layerpb.DescribeResponse) (sdk.Description, error) {
	kind, kindErr := wire.Kinds.Decode(m.GetKind())
	if kind == policy.KindBase {
		kindErr = errors.New("base is core's own")
	}
	lifetime, lifetimeErr := wire.DecodeEnum[sdk.Lifetime](wire.Lifetimes, m.GetLifetime())
	d := sdk.Description{
		Name: m.GetName(), Version: m.GetVersion(), Build: m.GetBuild(), Kind: kind,
		Lifetime: lifetime, HostVariables: wire.DecodeStrings(m.GetHostVariables()),
		StateDir: m.GetStateDir(), ConfigDir: m.GetConfigDir(), Pure: m.GetPure(),
		NeedsNono: m.GetNeedsNono(), Forgets: m.GetForgets(),
	}
	err := wire.First(
		wire.At(wire.LayerName(d.Name), "name"),
		wire.At(wire.Name(d.Version), "version"),
		wire.At(wire.Name(d.Build), "build"),
		wire.At(kindErr, "kind"), wire.At(lifetimeErr, "lifetime"),
		wire.Count("host variables", len(d.HostVariables), wire.MaxSettings),
	)
	if err != nil {
		return sdk.Description{}, err
	}
	for _, v := range d.HostVariables {
		if err := wire.Variable(v); err != nil {
			return sdk.Description{}, wire.At(err, "host variable")
		}
	}
	var subErr error
	d.Settings, err = decodeSettings(m.GetSettings(), 1)
	d.Subcommands, subErr = decodeSubcommands(m.GetSubcommands())
	for _, c := range d.Subcommands {
		if c.Services && d.Kind != policy.KindCredentials && subErr == nil {
			subErr = fmt.Errorf("subcommand %q: only a layer of the kind credentials is told of services",
				c.Path)
		}
	}
	return d, wire.First(err, subErr)
}

// The words that a user types: of a subcommand, and of a flag.
var (
	pathWords = lazyregexp.New(`^[a-z][a-z0-9-]*( [a-z][a-z0-9-]*){0,3}$`)
	flagWord  = lazyregexp.New(`^[a-z][a-z0-9-]+$`)
)

func decodeSubcommands(in []*layerpb.Subcommand) ([]sdk.Subcommand, error) {
	if err := wire.Count("subcommands", len(in), wire.MaxSubcommands); err != nil {
		return nil, err
	}
	var out []sdk.Subcommand
	for i, m := range in {
		c, err := decodeSubcommand(m)
		for _, other := range out {
			same := strings.HasPrefix(c.Path+" ", other.Path+" ") ||
				strings.HasPrefix(other.Path+" ", c.Path+" ")
			if err == nil && same {
				err = fmt.Errorf("%q and %q cannot be told apart", other.Path, c.Path)
			}
		}
		if err != nil {
			return nil, wire.At(err, "subcommand %d", i)
		}
		out = append(out, c)
	}
	return out, nil
}

func decodeSubcommand(m *layerpb.Subcommand) (sdk.Subcommand, error) {
	completion, completionErr := wire.DecodeEnum[sdk.Completion](wire.Completions, m.GetCompletion())
	c := sdk.Subcommand{
		Path: m.GetPath(), Help: m.GetHelp(), Arguments: m.GetArguments(), Completion: completion,
		Words: m.GetWords(), Session: m.GetSession(), Services: m.GetServices(),
		Policy: m.GetPolicy(),
	}
	err := wire.First(
		wire.At(completionErr, "completion"), wire.At(wire.Name(c.Help), "help"),
		wire.At(printable(c.Arguments), "arguments"),
		wire.Count("words", len(c.Words), wire.MaxFlags),
		wire.Count("flags", len(m.GetFlags()), wire.MaxFlags))
	if err == nil && !pathWords.MatchString(c.Path) {
		err = fmt.Errorf("path: %q is not one to four words of lower case", c.Path)
	}
	for _, w := range c.Words {
		err = wire.First(err, wire.At(wire.Name(w), "word"))
	}
	for _, f := range m.GetFlags() {
		flag := sdk.Flag{Name: f.GetName(), Value: f.GetValue(), Help: f.GetHelp()}
		twice := slices.ContainsFunc(c.Flags, func(o sdk.Flag) bool { return o.Name == flag.Name })
		if !flagWord.MatchString(flag.Name) || flag.Name == "help" || twice {
			err = wire.First(err, fmt.Errorf("flag: %q cannot be one, or is there twice", flag.Name))
		}
		err = wire.First(err, wire.At(printable(flag.Value), "flag %s", flag.Name),
			wire.At(wire.Name(flag.Help), "help of flag %s", flag.Name))
		c.Flags = append(c.Flags, flag)
	}
	return c, err
}

// printable checks what may be empty.
func printable(s string) error {
	if s == "" {
		return nil
	}
	return wire.Name(s)
}

// StoredSession is a session that is over, for a command about it.
type StoredSession struct {
	// Run is what [Store] made of its run, and Dir where the layer's directory is by now.
	Run []byte
	Dir string
	End sdk.End
	// State is what Start returned; nil if it did not return.
	State []byte
	// Events are those that the layer itself reported.
	Events []sdk.StoredEvent
	// Sharing are the sessions that run now and may write where this one could.
	Sharing []string
}

func (s *StoredSession) encode() (*layerpb.StoredSession, error) {
	m := &layerpb.StoredSession{
		Run: &layerpb.Run{}, HasState: s.State != nil, State: s.State, Sharing: s.Sharing,
	}
	if err := codec.Core.Decode(s.Run, m.Run); err != nil {
		return nil, fmt.Errorf("reading the stored run: %w", err)
	}
	m.Run.Core, m.Run.Dir = core(), []byte(s.Dir)
	var err error
	m.End, err = encodeEnd(&s.End)
	for _, e := range s.Events {
		m.Events = append(m.Events, &layerpb.StoredEvent{
			Time: wire.EncodeTime(e.Time), Event: &layerpb.Event{
				Name: e.Event.Name, Rule: string(e.Event.Rule), Count: e.Event.Count,
				Fields: e.Event.Fields,
			},
		})
	}
	return m, err
}

// EncodeSubcommand is the message that a layer is started with to run one of its commands, about a
// stored session or, where that is nil, about none. r.Session is not used.
func EncodeSubcommand(r *sdk.SubcommandRequest, about *StoredSession) ([]byte, error) {
	m := &layerpb.SubcommandRequest{
		Core: core(), Path: r.Path, Args: wire.EncodeStrings(r.Args), Dir: []byte(r.Dir),
		StateDir: []byte(r.StateDir), ConfigDir: []byte(r.ConfigDir),
		HostVariables: wire.EncodeVariables(r.HostVariables),
	}
	for _, name := range slices.Sorted(maps.Keys(r.Flags)) {
		for _, value := range r.Flags[name] {
			m.Flags = append(m.Flags, &layerpb.FlagValue{Name: name, Value: []byte(value)})
		}
	}
	if r.Policy != nil {
		var err error
		if m.Policy, err = wire.EncodePolicy(*r.Policy); err != nil {
			return nil, err
		}
		m.UpstreamAuth = r.UpstreamAuth.Reveal()
	}
	if about != nil {
		var err error
		if m.Session, err = about.encode(); err != nil {
			return nil, err
		}
	}
	return codec.Core.Encode(m)
}

// deepest is how many levels of settings there are.
const deepest = 2

func decodeSettings(in []*layerpb.Setting, level int) ([]sdk.Setting, error) {
	if err := wire.Count("settings", len(in), wire.MaxSettings); err != nil {
		return nil, err
	}
	var out []sdk.Setting
	for i, m := range in {
		s, err := decodeSetting(m, level)
		if err == nil && slices.ContainsFunc(out, func(o sdk.Setting) bool { return o.Name == s.Name }) {
			err = fmt.Errorf("%q is declared twice", s.Name)
		}
		if err != nil {
			return nil, wire.At(err, "setting %d", i)
		}
		out = append(out, s)
	}
	return out, nil
}

func decodeSetting(m *layerpb.Setting, level int) (sdk.Setting, error) {
	t, typeErr := wire.DecodeEnum[sdk.SettingType](wire.SettingTypes, m.GetType())
	inner, innerErr := decodeSettings(m.GetSettings(), level+1)
	s := sdk.Setting{
		Name: m.GetName(), Type: t, Required: m.GetRequired(), OneOf: m.GetOneOf(),
		Sensitive: m.GetSensitive(), Settings: inner, Help: m.GetHelp(),
	}
	err := wire.First(
		wire.At(wire.Name(s.Name), "name"), wire.At(typeErr, "type"), innerErr,
		wire.At(wire.Text(s.Help), "help"))
	switch {
	case err != nil:
	case len(s.OneOf) > 0 && t != sdk.SettingString:
		err = errors.New("only a string can be one of a list")
	case len(inner) > 0 && t != sdk.SettingObject:
		err = errors.New("only an object has settings")
	case t == sdk.SettingObject && level == deepest:
		err = errors.New("an object within an object")
	case len(m.GetDefault()) > 0:
		s.Default, err = decodeDefault(t, m.GetDefault())
	}
	return s, err
}

// decodeDefault reads a default into the type that the setting has in Go.
func decodeDefault(t sdk.SettingType, raw []byte) (any, error) {
	switch t {
	case sdk.SettingString:
		return decodeAs[string](t, raw)
	case sdk.SettingNumber:
		return decodeAs[float64](t, raw)
	case sdk.SettingInteger:
		return decodeAs[int](t, raw)
	case sdk.SettingBool:
		return decodeAs[bool](t, raw)
	case sdk.SettingStringList:
		return decodeAs[[]string](t, raw)
	case sdk.SettingStringMap:
		return decodeAs[map[string]string](t, raw)
	case sdk.SettingObject:
	}
	return nil, errors.New("default: an object has none; its settings may")
}

func decodeAs[T any](t sdk.SettingType, raw []byte) (any, error) {
	var v *T // null is no value
	if err := json.Unmarshal(raw, &v); err != nil || v == nil {
		return nil, fmt.Errorf("default: it is no %s", t)
	}
	return *v, nil
}

// core is what a layer is told of its host.
func core() *layerpb.Core {
	return &layerpb.Core{
		Version: sdk.Version, Revision: wire.Revision, Features: wire.Features(),
	}
}

// toldPolicy is the policy that was told last. It is the same in nearly all calls.
var toldPolicy wire.Last[policy.Policy, *layerpb.Policy]

// equal looks no further where two policies share their rules.
func equal(a, b policy.Policy) bool { return reflect.DeepEqual(&a, &b) }

// encodeRun is what each request begins with.
func encodeRun(r *sdk.Run) (*layerpb.Run, error) {
	tier, tierErr := wire.EncodeEnum(wire.Tiers, r.Host.Tier)
	p, policyErr := toldPolicy.Of(r.Policy, equal, wire.EncodePolicy)
	facts, factsErr := wire.EncodeFacts(r.Facts)
	abi, abiErr := wire.Unsigned(r.Host.LandlockABI)
	uid, uidErr := wire.Unsigned(r.Host.UID)
	gid, gidErr := wire.Unsigned(r.Host.GID)
	m := &layerpb.Run{
		Core:      core(),
		SessionId: r.SessionID,
		Host: &layerpb.Host{
			Tier: tier, LandlockAbi: abi, Kernel: r.Host.Kernel, Uid: uid, Gid: gid,
			Home: []byte(r.Host.Home),
		},
		Command: &layerpb.Command{
			Args: wire.EncodeStrings(r.Command.Args), Executable: []byte(r.Command.Executable),
			Dir: []byte(r.Command.Dir),
		},
		Policy: p, Settings: r.Settings, Facts: facts,
		HostVariables: wire.EncodeVariables(r.HostVariables),
		Dir:           []byte(r.Dir), StateDir: []byte(r.StateDir), ConfigDir: []byte(r.ConfigDir),
	}
	return m, wire.First(
		wire.At(tierErr, "tier"), wire.At(policyErr, "policy"), wire.At(factsErr, "facts"),
		wire.At(wire.First(abiErr, uidErr, gidErr), "host"))
}

func encodePlanRequest(r *sdk.PlanRequest) (*layerpb.PlanRequest, error) {
	run, err := encodeRun(&r.Run)
	if err != nil {
		return nil, err
	}
	view, err := wire.EncodePlaces(r.Places)
	if err != nil {
		return nil, wire.At(err, "places")
	}
	m := &layerpb.PlanRequest{
		Run: run, DryRun: r.DryRun, Places: view, UpstreamAuth: r.UpstreamAuth.Reveal(),
	}
	for _, d := range r.Documents {
		read := &layerpb.Document{Path: []byte(d.Path), Sha256: d.SHA256[:], Content: d.Content}
		for _, link := range d.Links {
			read.Links = append(read.Links, []byte(link))
		}
		m.Documents = append(m.Documents, read)
	}
	return m, nil
}

func decodePlanResponse(m *layerpb.PlanResponse) (*sdk.PlanResponse, error) {
	err := wire.First(
		wire.Count("coverage entries", len(m.GetCoverage()), wire.MaxCoverage),
		wire.Count("diagnostics", len(m.GetDiagnostics()), wire.MaxDiagnostics),
		wire.Count("secrets", len(m.GetSecrets()), wire.MaxSecrets),
	)
	if err != nil {
		return nil, err
	}
	r := &sdk.PlanResponse{Secrets: make(map[string]sdk.Secret, len(m.GetSecrets()))}
	for name, value := range m.GetSecrets() {
		if err := wire.Name(name); err != nil {
			return nil, wire.At(err, "the name of a secret")
		}
		r.Secrets[name] = sdk.NewSecret(value)
	}
	steps, stepsErr := wire.DecodeSteps(m.GetSteps())
	facts, factsErr := wire.DecodeFacts(m.GetFacts())
	coverage, coverageErr := decodeCoverage(m.GetCoverage())
	diagnostics, diagnosticsErr := decodeDiagnostics(m.GetDiagnostics())
	err = wire.First(stepsErr, wire.At(factsErr, "facts"), coverageErr, diagnosticsErr)
	if err != nil {
		return nil, err
	}
	r.Fragment, r.Facts = fragment.Fragment{Steps: steps}, facts
	r.Coverage, r.Diagnostics = coverage, diagnostics
	return r, nil
}

func decodeCoverage(in []*layerpb.Coverage) ([]sdk.Coverage, error) {
	var out []sdk.Coverage
	for i, m := range in {
		held, err := wire.DecodeEnum[sdk.Held](wire.Degrees, m.GetHeld())
		err = wire.First(
			wire.At(err, "held"), wire.At(wire.Name(m.GetRule()), "rule"),
			wire.At(wire.Text(m.GetBy()), "by"), wire.At(wire.Text(m.GetWhy()), "why"))
		if err != nil {
			return nil, wire.At(err, "coverage %d", i)
		}
		out = append(out, sdk.Coverage{
			Rule: policy.RuleID(m.GetRule()), Held: held, By: m.GetBy(), Why: m.GetWhy(),
		})
	}
	return out, nil
}

func decodeDiagnostics(in []*layerpb.Diagnostic) ([]sdk.Diagnostic, error) {
	var out []sdk.Diagnostic
	for i, m := range in {
		severity, err := wire.DecodeEnum[sdk.Severity](wire.Severities, m.GetSeverity())
		if err == nil && m.GetSummary() == "" {
			err = errors.New("summary: it is empty")
		}
		err = wire.First(
			wire.At(err, "severity"), wire.At(wire.Text(m.GetSummary()), "summary"),
			wire.At(wire.Text(m.GetDetail()), "detail"),
			wire.At(wire.Text(m.GetAttribute()), "attribute"),
			wire.At(wire.Text(m.GetRule()), "rule"))
		if err != nil {
			return nil, wire.At(err, "diagnostic %d", i)
		}
		out = append(out, sdk.Diagnostic{
			Severity: severity, Attribute: m.GetAttribute(), Rule: policy.RuleID(m.GetRule()),
			Summary: m.GetSummary(), Detail: m.GetDetail(),
		})
	}
	return out, nil
}

func decodeStartResponse(m *layerpb.StartResponse) (*sdk.StartResponse, error) {
	state, err := wire.State(m.GetHasState(), m.GetState())
	return &sdk.StartResponse{State: state, Lingers: m.GetLingers()}, err
}

func encodeStartRequest(r *sdk.StartRequest) (*layerpb.StartRequest, error) {
	run, err := encodeRun(&r.Run)
	return &layerpb.StartRequest{Run: run, Secrets: encodeSecrets(r.Secrets)}, err
}

func encodeSecrets(in map[string]sdk.Secret) map[string][]byte {
	out := make(map[string][]byte, len(in))
	for name, secret := range in {
		out[name] = secret.Reveal()
	}
	return out
}

func encodeEnd(e *sdk.End) (*layerpb.End, error) {
	reason, reasonErr := wire.EncodeEnum(wire.EndReasons, e.Reason)
	code, codeErr := wire.Unsigned(e.ExitCode)
	signal, signalErr := wire.Unsigned(int(e.Signal))
	return &layerpb.End{
		Reason: reason, ExitCode: code, Signal: signal,
		Started: wire.EncodeTime(e.Started), Ended: wire.EncodeTime(e.Ended),
	}, wire.At(wire.First(reasonErr, codeErr, signalErr), "the end")
}

func encodeFinishRequest(r *sdk.FinishRequest) (*layerpb.FinishRequest, error) {
	run, runErr := encodeRun(&r.Run)
	end, endErr := encodeEnd(&r.End)
	return &layerpb.FinishRequest{
		Run: run, End: end, Stored: r.Stored, Secrets: encodeSecrets(r.Secrets),
		HasState: r.State != nil, State: r.State,
	}, wire.First(runErr, endErr)
}

func decodeFinishResponse(m *layerpb.FinishResponse) (*sdk.FinishResponse, error) {
	err := wire.Count("lines", len(m.GetLines()), wire.MaxLines)
	if err != nil {
		return nil, err
	}
	for i, line := range m.GetLines() {
		if err := wire.Text(line); err != nil {
			return nil, wire.At(err, "line %d", i)
		}
	}
	return &sdk.FinishResponse{Lines: m.GetLines()}, nil
}

// checkEvent checks what a layer tells of.
func decodeEvent(m *layerpb.Event) (sdk.Event, error) {
	e := sdk.Event{
		Name: m.GetName(), Rule: policy.RuleID(m.GetRule()), Count: max(m.GetCount(), 1),
		Fields: m.GetFields(),
	}
	err := wire.First(
		wire.At(wire.Name(e.Name), "name"),
		wire.Count("fields", len(e.Fields), wire.MaxFields))
	if err == nil && e.Rule != "" {
		err = wire.At(wire.Name(m.GetRule()), "rule")
	}
	if err != nil {
		return sdk.Event{}, wire.At(err, "event")
	}
	for k, v := range e.Fields {
		if err := wire.First(wire.Name(k), wire.Text(v)); err != nil {
			return sdk.Event{}, wire.At(err, "event, field %q", k)
		}
	}
	return e, nil
}
