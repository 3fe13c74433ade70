package sdk

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/wire"
)

// This file translates the messages of the contract between Go and the wire, both ways, one pair of functions a message. Requests
// are encoded by core and decoded by the layer; answers the other way round, and those are where the decoder checks everything.

var lifetimes = wire.Enum[Lifetime, layerpb.Lifetime]{
	{Go: Ephemeral, Wire: layerpb.Lifetime_LIFETIME_EPHEMERAL},
	{Go: Bracket, Wire: layerpb.Lifetime_LIFETIME_BRACKET},
	{Go: Resident, Wire: layerpb.Lifetime_LIFETIME_RESIDENT},
}

var settingTypes = wire.Enum[SettingType, layerpb.SettingType]{
	{Go: String, Wire: layerpb.SettingType_SETTING_TYPE_STRING},
	{Go: Number, Wire: layerpb.SettingType_SETTING_TYPE_NUMBER},
	{Go: Bool, Wire: layerpb.SettingType_SETTING_TYPE_BOOL},
	{Go: StringList, Wire: layerpb.SettingType_SETTING_TYPE_STRING_LIST},
	{Go: StringMap, Wire: layerpb.SettingType_SETTING_TYPE_STRING_MAP},
}

var tiers = wire.Enum[Tier, layerpb.Tier]{
	{Go: TierA, Wire: layerpb.Tier_TIER_A},
	{Go: TierB, Wire: layerpb.Tier_TIER_B},
}

var helds = wire.Enum[Held, layerpb.Held]{
	{Go: Enforced, Wire: layerpb.Held_HELD_ENFORCED},
	{Go: Partial, Wire: layerpb.Held_HELD_PARTIAL},
	{Go: Unavailable, Wire: layerpb.Held_HELD_UNAVAILABLE},
}

var severities = wire.Enum[Severity, layerpb.Severity]{
	{Go: Error, Wire: layerpb.Severity_SEVERITY_ERROR},
	{Go: Warning, Wire: layerpb.Severity_SEVERITY_WARNING},
}

var endReasons = wire.Enum[EndReason, layerpb.EndReason]{
	{Go: EndExited, Wire: layerpb.EndReason_END_REASON_EXITED},
	{Go: EndSignalled, Wire: layerpb.EndReason_END_REASON_SIGNALLED},
	{Go: EndLayerLost, Wire: layerpb.EndReason_END_REASON_LAYER_LOST},
	{Go: EndStopped, Wire: layerpb.EndReason_END_REASON_STOPPED},
	{Go: EndStartFailed, Wire: layerpb.EndReason_END_REASON_START_FAILED},
	{Go: EndCoreLost, Wire: layerpb.EndReason_END_REASON_CORE_LOST},
}

// at puts the place before what is wrong there.
func at(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// all is the first error of several checks.
func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Describe ----------------------------------------------------------------------------------------------------------

func encodeDescription(d Description) (*layerpb.DescribeResponse, error) {
	kind, kindErr := wire.Kinds.Encode(d.Kind)
	lifetime, lifetimeErr := lifetimes.Encode(d.Lifetime)
	if err := all(at(kindErr, "kind"), at(lifetimeErr, "lifetime")); err != nil {
		return nil, err
	}
	m := &layerpb.DescribeResponse{
		Name: d.Name, Version: d.Version, Build: d.Build, Kind: kind, Lifetime: lifetime, Session: d.Session, HostVariables: d.HostVariables,
	}
	for _, s := range d.Settings {
		t, err := settingTypes.Encode(s.Type)
		if err != nil {
			return nil, at(err, "setting %q", s.Name)
		}
		m.Settings = append(m.Settings, &layerpb.Setting{Name: s.Name, Type: t, Required: s.Required, OneOf: s.OneOf, Help: s.Help})
	}
	return m, nil
}

func decodeDescription(m *layerpb.DescribeResponse) (Description, error) {
	kind, kindErr := wire.Kinds.Decode(m.GetKind())
	if kind == policy.KindBase {
		kindErr = errors.New("base is core's own")
	}
	lifetime, lifetimeErr := lifetimes.Decode(m.GetLifetime())
	d := Description{
		Name: m.GetName(), Version: m.GetVersion(), Build: m.GetBuild(), Kind: kind, Lifetime: lifetime, Session: m.GetSession(),
		HostVariables: m.GetHostVariables(),
	}
	err := all(
		wire.Strict(m),
		at(wire.LayerName(d.Name), "name"), at(wire.Name(d.Version), "version"), at(wire.Name(d.Build), "build"),
		at(kindErr, "kind"), at(lifetimeErr, "lifetime"),
		wire.Count("settings", len(m.GetSettings()), wire.MaxSettings),
		wire.Count("host variables", len(d.HostVariables), wire.MaxSettings),
	)
	if err != nil {
		return Description{}, err
	}
	for _, v := range d.HostVariables {
		if err := wire.Variable(v); err != nil {
			return Description{}, at(err, "host variable")
		}
	}
	d.Settings, err = decodeSettings(m.GetSettings())
	return d, err
}

func decodeSettings(in []*layerpb.Setting) ([]Setting, error) {
	var out []Setting
	for i, m := range in {
		t, err := settingTypes.Decode(m.GetType())
		s := Setting{Name: m.GetName(), Type: t, Required: m.GetRequired(), OneOf: m.GetOneOf(), Help: m.GetHelp()}
		if err := all(at(wire.Name(s.Name), "name"), at(err, "type"), at(wire.Text(s.Help), "help")); err != nil {
			return nil, at(err, "setting %d", i)
		}
		if slices.ContainsFunc(out, func(o Setting) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("setting %d: %q is declared twice", i, s.Name)
		}
		if len(s.OneOf) > 0 && t != String {
			return nil, fmt.Errorf("setting %d: only a string can be one of a list", i)
		}
		out = append(out, s)
	}
	return out, nil
}

// Plan --------------------------------------------------------------------------------------------------------------

func encodePlanRequest(r *PlanRequest) (*layerpb.PlanRequest, error) {
	tier, tierErr := tiers.Encode(r.Host.Tier)
	p, policyErr := wire.EncodePolicy(r.Policy)
	facts, factsErr := encodeFacts(r.Facts)
	abi, abiErr := unsigned(r.Host.LandlockABI)
	uid, uidErr := unsigned(r.Host.UID)
	gid, gidErr := unsigned(r.Host.GID)
	err := all(at(tierErr, "tier"), at(policyErr, "policy"), at(factsErr, "facts"), at(all(abiErr, uidErr, gidErr), "host"))
	if err != nil {
		return nil, err
	}
	m := &layerpb.PlanRequest{
		SessionId: r.SessionID,
		Host:      &layerpb.Host{Tier: tier, LandlockAbi: abi, Kernel: r.Host.Kernel, Uid: uid, Gid: gid, Home: r.Host.Home},
		Command:   &layerpb.Command{Args: r.Command.Args, Executable: r.Command.Executable, Dir: r.Command.Dir},
		Policy:    p, Settings: r.Settings, Facts: facts, HostVariables: r.HostVariables, Dir: r.Dir, Ask: r.Ask,
	}
	for _, d := range r.Documents {
		m.Documents = append(m.Documents, &layerpb.Document{Path: d.Path, Sha256: d.SHA256[:], Content: d.Content})
	}
	return m, nil
}

func decodePlanRequest(m *layerpb.PlanRequest) (*PlanRequest, error) {
	tier, tierErr := tiers.Decode(m.GetHost().GetTier())
	p, policyErr := wire.DecodePolicy(m.GetPolicy())
	facts, factsErr := decodeFacts(m.GetFacts())
	if err := all(at(tierErr, "tier"), at(policyErr, "policy"), at(factsErr, "facts")); err != nil {
		return nil, err
	}
	r := &PlanRequest{
		SessionID: m.GetSessionId(),
		Host: Host{
			Tier: tier, LandlockABI: int(m.GetHost().GetLandlockAbi()), Kernel: m.GetHost().GetKernel(),
			UID: int(m.GetHost().GetUid()), GID: int(m.GetHost().GetGid()), Home: m.GetHost().GetHome(),
		},
		Command: Command{Args: m.GetCommand().GetArgs(), Executable: m.GetCommand().GetExecutable(), Dir: m.GetCommand().GetDir()},
		Policy:  p, Settings: m.GetSettings(), Facts: facts, HostVariables: m.GetHostVariables(), Dir: m.GetDir(), Ask: m.GetAsk(),
	}
	for i, d := range m.GetDocuments() {
		sum, err := digest(d.GetSha256())
		if err != nil {
			return nil, at(err, "document %d", i)
		}
		r.Documents = append(r.Documents, Document{Path: d.GetPath(), SHA256: sum, Content: d.GetContent()})
	}
	return r, nil
}

func encodePlanResponse(r *PlanResponse) (*layerpb.PlanResponse, error) {
	steps, stepsErr := wire.EncodeSteps(r.Fragment.Steps)
	facts, factsErr := encodeFacts(r.Facts)
	if err := all(stepsErr, at(factsErr, "facts")); err != nil {
		return nil, err
	}
	m := &layerpb.PlanResponse{Steps: steps, Facts: facts, Secrets: r.Secrets}
	for i, c := range r.Coverage {
		held, err := helds.Encode(c.Held)
		if err != nil {
			return nil, at(err, "coverage %d", i)
		}
		m.Coverage = append(m.Coverage, &layerpb.Coverage{Rule: string(c.Rule), Held: held, By: c.By, Why: c.Why})
	}
	for i, d := range r.Diagnostics {
		severity, err := severities.Encode(d.Severity)
		if err != nil {
			return nil, at(err, "diagnostic %d", i)
		}
		m.Diagnostics = append(m.Diagnostics, &layerpb.Diagnostic{
			Severity: severity, Attribute: d.Attribute, Rule: string(d.Rule), Summary: d.Summary, Detail: d.Detail,
		})
	}
	return m, nil
}

func decodePlanResponse(m *layerpb.PlanResponse) (*PlanResponse, error) {
	err := all(
		wire.Strict(m),
		wire.Count("coverage entries", len(m.GetCoverage()), wire.MaxCoverage),
		wire.Count("facts", len(m.GetFacts()), wire.MaxFacts),
		wire.Count("diagnostics", len(m.GetDiagnostics()), wire.MaxDiagnostics),
		wire.Count("secrets", len(m.GetSecrets()), wire.MaxSecrets),
	)
	if err != nil {
		return nil, err
	}
	r := &PlanResponse{Secrets: m.GetSecrets()}
	for name := range r.Secrets {
		if err := wire.Name(name); err != nil {
			return nil, at(err, "the name of a secret")
		}
	}
	steps, stepsErr := wire.DecodeSteps(m.GetSteps())
	facts, factsErr := decodeFacts(m.GetFacts())
	coverage, coverageErr := decodeCoverage(m.GetCoverage())
	diagnostics, diagnosticsErr := decodeDiagnostics(m.GetDiagnostics())
	if err := all(stepsErr, at(factsErr, "facts"), coverageErr, diagnosticsErr); err != nil {
		return nil, err
	}
	r.Fragment, r.Facts, r.Coverage, r.Diagnostics = fragment.Fragment{Steps: steps}, facts, coverage, diagnostics
	return r, nil
}

func decodeCoverage(in []*layerpb.Coverage) ([]Coverage, error) {
	var out []Coverage
	for i, m := range in {
		held, err := helds.Decode(m.GetHeld())
		err = all(at(err, "held"), at(wire.Name(m.GetRule()), "rule"), at(wire.Text(m.GetBy()), "by"), at(wire.Text(m.GetWhy()), "why"))
		if err != nil {
			return nil, at(err, "coverage %d", i)
		}
		out = append(out, Coverage{Rule: policy.RuleID(m.GetRule()), Held: held, By: m.GetBy(), Why: m.GetWhy()})
	}
	return out, nil
}

func decodeDiagnostics(in []*layerpb.Diagnostic) ([]Diagnostic, error) {
	var out []Diagnostic
	for i, m := range in {
		severity, err := severities.Decode(m.GetSeverity())
		if err == nil && m.GetSummary() == "" {
			err = errors.New("summary: it is empty")
		}
		err = all(at(err, "severity"), at(wire.Text(m.GetSummary()), "summary"), at(wire.Text(m.GetDetail()), "detail"),
			at(wire.Text(m.GetAttribute()), "attribute"), at(wire.Text(m.GetRule()), "rule"))
		if err != nil {
			return nil, at(err, "diagnostic %d", i)
		}
		out = append(out, Diagnostic{
			Severity: severity, Attribute: m.GetAttribute(), Rule: policy.RuleID(m.GetRule()), Summary: m.GetSummary(), Detail: m.GetDetail(),
		})
	}
	return out, nil
}

func encodeFacts(facts []Fact) ([]*layerpb.Fact, error) {
	var out []*layerpb.Fact
	for i, f := range facts {
		m := &layerpb.Fact{}
		set := 0
		if v := f.VerifiedFile; v != nil {
			m.Fact, set = &layerpb.Fact_VerifiedFile{VerifiedFile: &layerpb.VerifiedFile{Path: v.Path, Sha256: v.SHA256[:]}}, set+1
		}
		if v := f.CredentialMissing; v != nil {
			m.Fact, set = &layerpb.Fact_CredentialMissing{CredentialMissing: &layerpb.CredentialMissing{Service: v.Service}}, set+1
		}
		if v := f.Proxy; v != nil {
			m.Fact, set = &layerpb.Fact_Proxy{Proxy: &layerpb.Proxy{Listener: v.Listener}}, set+1
		}
		if v := f.BoundHost; v != nil {
			m.Fact = &layerpb.Fact_BoundHost{BoundHost: &layerpb.BoundHost{Service: v.Service, Host: v.Host, Port: uint32(v.Port)}}
			set++
		}
		if set != 1 {
			return nil, fmt.Errorf("fact %d says %d things instead of one", i, set)
		}
		out = append(out, m)
	}
	return out, nil
}

func decodeFacts(in []*layerpb.Fact) ([]Fact, error) {
	var out []Fact
	for i, m := range in {
		f, err := decodeFact(m)
		if err != nil {
			return nil, at(err, "fact %d", i)
		}
		out = append(out, f)
	}
	return out, nil
}

func decodeFact(m *layerpb.Fact) (Fact, error) {
	switch f := m.GetFact().(type) {
	case *layerpb.Fact_VerifiedFile:
		sum, err := digest(f.VerifiedFile.GetSha256())
		return Fact{VerifiedFile: &VerifiedFile{Path: f.VerifiedFile.GetPath(), SHA256: sum}}, all(err, wire.Path(f.VerifiedFile.GetPath()))
	case *layerpb.Fact_CredentialMissing:
		service := f.CredentialMissing.GetService()
		return Fact{CredentialMissing: &CredentialMissing{Service: service}}, at(wire.Name(service), "service")
	case *layerpb.Fact_Proxy:
		return Fact{Proxy: &Proxy{Listener: f.Proxy.GetListener()}}, at(wire.Name(f.Proxy.GetListener()), "listener")
	case *layerpb.Fact_BoundHost:
		b := f.BoundHost
		if b.GetPort() == 0 || b.GetPort() > math.MaxUint16 {
			return Fact{}, fmt.Errorf("port: %d is not a port", b.GetPort())
		}
		return Fact{BoundHost: &BoundHost{Service: b.GetService(), Host: b.GetHost(), Port: uint16(b.GetPort())}},
			all(at(wire.Name(b.GetService()), "service"), at(wire.Name(b.GetHost()), "host"))
	case nil:
		return Fact{}, errors.New("it has no content")
	default:
		return Fact{}, fmt.Errorf("the unknown kind %T", f)
	}
}

func digest(b []byte) (sum [32]byte, err error) {
	if len(b) != len(sum) {
		return sum, fmt.Errorf("a SHA-256 has %d bytes, not %d", len(sum), len(b))
	}
	copy(sum[:], b)
	return sum, nil
}

func unsigned(n int) (uint32, error) {
	if n < 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("the impossible number %d", n)
	}
	return uint32(n), nil
}

// Start and Finish --------------------------------------------------------------------------------------------------

func decodeStartResponse(m *layerpb.StartResponse) (*StartResponse, error) {
	if err := wire.Strict(m); err != nil {
		return nil, err
	}
	state, err := decodeState(m.GetHasState(), m.GetState())
	return &StartResponse{State: state}, err
}

// decodeState tells an empty state from none: Finish may need to know that Start returned.
func decodeState(has bool, state []byte) ([]byte, error) {
	switch {
	case !has && len(state) > 0:
		return nil, errors.New("there is a state, and has_state says that there is none")
	case has && state == nil:
		return []byte{}, nil
	}
	return state, nil
}

func encodeFinishRequest(r *FinishRequest) (*layerpb.FinishRequest, error) {
	reason, err := endReasons.Encode(r.Reason)
	return &layerpb.FinishRequest{
		SessionId: r.SessionID, Reason: reason, Settings: r.Settings, Dir: r.Dir, HasState: r.State != nil, State: r.State,
	}, err
}

func decodeFinishRequest(m *layerpb.FinishRequest) (*FinishRequest, error) {
	reason, reasonErr := endReasons.Decode(m.GetReason())
	state, stateErr := decodeState(m.GetHasState(), m.GetState())
	return &FinishRequest{
		SessionID: m.GetSessionId(), Reason: reason, Settings: m.GetSettings(), Dir: m.GetDir(), State: state,
	}, all(at(reasonErr, "reason"), stateErr)
}

func decodeFinishResponse(m *layerpb.FinishResponse) (*FinishResponse, error) {
	if err := all(wire.Strict(m), wire.Count("lines", len(m.GetLines()), wire.MaxLines)); err != nil {
		return nil, err
	}
	for i, line := range m.GetLines() {
		if err := wire.Text(line); err != nil {
			return nil, at(err, "line %d", i)
		}
	}
	return &FinishResponse{Lines: m.GetLines()}, nil
}
