package sdk

import (
	"cmp"
	"encoding/json"
	"syscall"

	"github.com/nono-run/nono/sdk/codec"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// This file is the layer's half of the translation between Go and the wire: requests are decoded,
// answers encoded, one function a message. Package host has the other half.

func encodeDescription(d Description) (*layerpb.DescribeResponse, error) {
	kind, kindErr := wire.Kinds.Encode(d.Kind)
	lifetime, lifetimeErr := wire.EncodeEnum(wire.Lifetimes, d.Lifetime)
	if err := wire.First(wire.At(kindErr, "kind"), wire.At(lifetimeErr, "lifetime")); err != nil {
		return nil, err
	}
	m := &layerpb.DescribeResponse{
		Name: d.Name, Version: d.Version, Build: d.Build, Kind: kind, Lifetime: lifetime,
		HostVariables: wire.EncodeStrings(d.HostVariables), StateDir: d.StateDir, Pure: d.Pure,
		ConfigDir: d.ConfigDir,
		NeedsNono: d.NeedsNono, Forgets: d.Forgets,
	}
	for _, c := range d.Subcommands {
		completion, err := wire.EncodeEnum(wire.Completions, cmp.Or(c.Completion, CompleteNothing))
		if err != nil {
			return nil, wire.At(err, "subcommand %q", c.Path)
		}
		out := &layerpb.Subcommand{
			Path: c.Path, Help: c.Help, Arguments: c.Arguments, Completion: completion, Words: c.Words,
			Session: c.Session, Services: c.Services, Policy: c.Policy,
		}
		for _, f := range c.Flags {
			out.Flags = append(out.Flags, &layerpb.Flag{Name: f.Name, Value: f.Value, Help: f.Help})
		}
		m.Subcommands = append(m.Subcommands, out)
	}
	var err error
	m.Settings, err = encodeSettings(d.Settings)
	return m, err
}

func encodeSettings(in []Setting) ([]*layerpb.Setting, error) {
	var out []*layerpb.Setting
	for _, s := range in {
		t, typeErr := wire.EncodeEnum(wire.SettingTypes, s.Type)
		inner, innerErr := encodeSettings(s.Settings)
		m := &layerpb.Setting{
			Name: s.Name, Type: t, Required: s.Required, OneOf: s.OneOf, Help: s.Help,
			Sensitive: s.Sensitive, Settings: inner,
		}
		var defaultErr error
		if s.Default != nil {
			m.Default, defaultErr = json.Marshal(s.Default)
		}
		err := wire.First(typeErr, innerErr, wire.At(defaultErr, "default"))
		if err != nil {
			return nil, wire.At(err, "setting %q", s.Name)
		}
		out = append(out, m)
	}
	return out, nil
}

func decodeCore(m *layerpb.Core) Core {
	return Core{
		Version: m.GetVersion(), Revision: int(m.GetRevision()), Features: m.GetFeatures(),
	}
}

// heardPolicy is the policy that was heard last. It is the same in nearly all calls, and package
// codec reads it once.
var heardPolicy wire.Last[*layerpb.Policy, policy.Policy]

func identical(a, b *layerpb.Policy) bool { return a == b }

// decodeRun is what each request begins with.
func decodeRun(m *layerpb.Run) (Run, error) {
	host := m.GetHost()
	tier, tierErr := wire.DecodeEnum[Tier](wire.Tiers, host.GetTier())
	p, policyErr := heardPolicy.Of(m.GetPolicy(), identical, wire.DecodePolicy)
	facts, factsErr := wire.DecodeFacts(m.GetFacts())
	return Run{
		Core:      decodeCore(m.GetCore()),
		SessionID: m.GetSessionId(),
		Host: Host{
			Tier: tier, LandlockABI: int(host.GetLandlockAbi()), Kernel: host.GetKernel(),
			UID: int(host.GetUid()), GID: int(host.GetGid()), Home: string(host.GetHome()),
		},
		Command: Command{
			Args:       wire.DecodeStrings(m.GetCommand().GetArgs()),
			Executable: string(m.GetCommand().GetExecutable()),
			Dir:        string(m.GetCommand().GetDir()),
		},
		Policy: p, Settings: m.GetSettings(), Facts: facts,
		HostVariables: wire.DecodeVariables(m.GetHostVariables()),
		Dir:           string(m.GetDir()), StateDir: string(m.GetStateDir()),
		ConfigDir: string(m.GetConfigDir()),
	}, wire.First(wire.At(tierErr, "tier"), wire.At(policyErr, "policy"), wire.At(factsErr, "facts"))
}

func decodePlanRequest(m *layerpb.PlanRequest) (*PlanRequest, error) {
	run, err := decodeRun(m.GetRun())
	if err != nil {
		return nil, err
	}
	view, err := wire.DecodePlaces(m.GetPlaces())
	if err != nil {
		return nil, wire.At(err, "places")
	}
	r := &PlanRequest{
		Run: run, DryRun: m.GetDryRun(), Places: view, UpstreamAuth: NewSecret(m.GetUpstreamAuth()),
	}
	for i, d := range m.GetDocuments() {
		sum, err := wire.Digest(d.GetSha256())
		if err != nil {
			return nil, wire.At(err, "document %d", i)
		}
		read := Document{Path: string(d.GetPath()), SHA256: sum, Content: d.GetContent()}
		for _, link := range d.GetLinks() {
			read.Links = append(read.Links, string(link))
		}
		r.Documents = append(r.Documents, read)
	}
	return r, nil
}

func encodePlanResponse(r *PlanResponse) (*layerpb.PlanResponse, error) {
	steps, stepsErr := wire.EncodeSteps(r.Fragment.Steps)
	facts, factsErr := wire.EncodeFacts(r.Facts)
	if err := wire.First(stepsErr, wire.At(factsErr, "facts")); err != nil {
		return nil, err
	}
	m := &layerpb.PlanResponse{Steps: steps, Facts: facts, Secrets: map[string][]byte{}}
	for name, secret := range r.Secrets {
		m.Secrets[name] = secret.Reveal()
	}
	for i, c := range r.Coverage {
		held, err := wire.EncodeEnum(wire.Degrees, c.Held)
		if err != nil {
			return nil, wire.At(err, "coverage %d", i)
		}
		m.Coverage = append(m.Coverage,
			&layerpb.Coverage{Rule: string(c.Rule), Held: held, By: c.By, Why: c.Why})
	}
	for i, d := range r.Diagnostics {
		severity, err := wire.EncodeEnum(wire.Severities, d.Severity)
		if err != nil {
			return nil, wire.At(err, "diagnostic %d", i)
		}
		m.Diagnostics = append(m.Diagnostics, &layerpb.Diagnostic{
			Severity: severity, Attribute: d.Attribute, Rule: string(d.Rule),
			Summary: d.Summary, Detail: d.Detail,
		})
	}
	return m, nil
}

func decodeStartRequest(m *layerpb.StartRequest) (*StartRequest, error) {
	run, err := decodeRun(m.GetRun())
	return &StartRequest{Run: run, Secrets: decodeSecrets(m.GetSecrets())}, err
}

func decodeSecrets(in map[string][]byte) map[string]Secret {
	out := make(map[string]Secret, len(in))
	for name, value := range in {
		out[name] = NewSecret(value)
	}
	return out
}

func decodeFinishRequest(m *layerpb.FinishRequest) (*FinishRequest, error) {
	run, runErr := decodeRun(m.GetRun())
	end, endErr := decodeEnd(m.GetEnd())
	state, stateErr := wire.State(m.GetHasState(), m.GetState())
	return &FinishRequest{
		Run: run, End: end, Stored: m.GetStored(), Secrets: decodeSecrets(m.GetSecrets()), State: state,
	}, wire.First(runErr, endErr, stateErr)
}

func decodeEnd(m *layerpb.End) (End, error) {
	reason, err := wire.DecodeEnum[EndReason](wire.EndReasons, m.GetReason())
	return End{
		Reason: reason, ExitCode: int(m.GetExitCode()), Signal: syscall.Signal(m.GetSignal()),
		Started: wire.DecodeTime(m.GetStarted()), Ended: wire.DecodeTime(m.GetEnded()),
	}, wire.At(err, "the end")
}

// decodeSubcommandRequest reads the message that a command is started with.
func decodeSubcommandRequest(raw []byte) (*SubcommandRequest, error) {
	m := &layerpb.SubcommandRequest{}
	if err := codec.Layer.Decode(raw, m); err != nil {
		return nil, err
	}
	req := &SubcommandRequest{
		Core: decodeCore(m.GetCore()), Path: m.GetPath(), Args: wire.DecodeStrings(m.GetArgs()),
		Flags: map[string][]string{}, Dir: string(m.GetDir()), StateDir: string(m.GetStateDir()),
		ConfigDir:     string(m.GetConfigDir()),
		HostVariables: wire.DecodeVariables(m.GetHostVariables()),
	}
	for _, f := range m.GetFlags() {
		req.Flags[f.GetName()] = append(req.Flags[f.GetName()], string(f.GetValue()))
	}
	if m.GetPolicy() != nil {
		pol, err := wire.DecodePolicy(m.GetPolicy())
		if err != nil {
			return nil, wire.At(err, "policy")
		}
		req.Policy, req.UpstreamAuth = &pol, NewSecret(m.GetUpstreamAuth())
	}
	stored := m.GetSession()
	if stored == nil {
		return req, nil
	}
	run, runErr := decodeRun(stored.GetRun())
	end, endErr := decodeEnd(stored.GetEnd())
	state, stateErr := wire.State(stored.GetHasState(), stored.GetState())
	req.Session = &StoredSession{
		Run: run, End: end, State: state, Sharing: stored.GetSharing(),
	}
	for _, e := range stored.GetEvents() {
		req.Session.Events = append(req.Session.Events, StoredEvent{
			Time: wire.DecodeTime(e.GetTime()), Event: Event{
				Name: e.GetEvent().GetName(), Rule: policy.RuleID(e.GetEvent().GetRule()),
				Count: e.GetEvent().GetCount(), Fields: e.GetEvent().GetFields(),
			},
		})
	}
	return req, wire.First(runErr, endErr, stateErr)
}
