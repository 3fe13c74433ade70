package wire

import (
	"errors"
	"fmt"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
)

// Enum pairs the values of an enum in Go, a string, with those of its counterpart on the wire. What
// is not listed is an error in both directions: the wire's zero is never in it, so a value that was
// forgotten cannot pass for one that was meant.
type Enum[G ~string, P ~int32] []Pair[G, P]

// Pair is one value of an enum, in Go and on the wire.
type Pair[G ~string, P ~int32] struct {
	Go   G
	Wire P
}

// Encode is the wire's value of g.
func (e Enum[G, P]) Encode(g G) (P, error) {
	for _, p := range e {
		if p.Go == g {
			return p.Wire, nil
		}
	}
	return 0, fmt.Errorf("the unknown value %q", string(g))
}

// Decode is Go's value of p.
func (e Enum[G, P]) Decode(p P) (G, error) {
	for _, pair := range e {
		if pair.Wire == p {
			return pair.Go, nil
		}
	}
	if p == 0 {
		return "", errors.New("it has no value")
	}
	return "", fmt.Errorf("the unknown value %d", int32(p))
}

// Kinds are the kinds of layer and rule.
var Kinds = Enum[policy.Kind, layerpb.Kind]{
	{policy.KindTrust, layerpb.Kind_KIND_TRUST},
	{policy.KindCredentials, layerpb.Kind_KIND_CREDENTIALS},
	{policy.KindNetwork, layerpb.Kind_KIND_NETWORK},
	{policy.KindSnapshot, layerpb.Kind_KIND_SNAPSHOT},
	{policy.KindCustom, layerpb.Kind_KIND_CUSTOM},
	{policy.KindFilesystem, layerpb.Kind_KIND_FILESYSTEM},
	{policy.KindBase, layerpb.Kind_KIND_BASE},
}

var origins = Enum[policy.Origin, layerpb.Origin]{
	{policy.OriginBase, layerpb.Origin_ORIGIN_BASE},
	{policy.OriginDefault, layerpb.Origin_ORIGIN_DEFAULT},
	{policy.OriginConfig, layerpb.Origin_ORIGIN_CONFIG},
	{policy.OriginProfile, layerpb.Origin_ORIGIN_PROFILE},
	{policy.OriginFile, layerpb.Origin_ORIGIN_FILE},
	{policy.OriginCommand, layerpb.Origin_ORIGIN_COMMAND},
	{policy.OriginFlag, layerpb.Origin_ORIGIN_FLAG},
}

var keySourceTypes = Enum[policy.KeySourceType, layerpb.KeySourceType]{
	{policy.KeyringSource, layerpb.KeySourceType_KEY_SOURCE_TYPE_KEYRING},
	{policy.VariableSource, layerpb.KeySourceType_KEY_SOURCE_TYPE_VARIABLE},
	{policy.FileSource, layerpb.KeySourceType_KEY_SOURCE_TYPE_FILE},
	{policy.CommandSource, layerpb.KeySourceType_KEY_SOURCE_TYPE_COMMAND},
	{policy.AgeSource, layerpb.KeySourceType_KEY_SOURCE_TYPE_AGE},
}

var keyPlaceTypes = Enum[policy.KeyPlaceType, layerpb.KeyPlaceType]{
	{policy.HeaderPlace, layerpb.KeyPlaceType_KEY_PLACE_TYPE_HEADER},
	{policy.QueryPlace, layerpb.KeyPlaceType_KEY_PLACE_TYPE_QUERY},
	{policy.BasicPlace, layerpb.KeyPlaceType_KEY_PLACE_TYPE_BASIC},
	{policy.PathPlace, layerpb.KeyPlaceType_KEY_PLACE_TYPE_PATH},
}

var accesses = Enum[policy.Access, layerpb.Access]{
	{policy.Allow, layerpb.Access_ACCESS_ALLOW},
	{policy.Read, layerpb.Access_ACCESS_READ},
	{policy.Write, layerpb.Access_ACCESS_WRITE},
	{policy.Deny, layerpb.Access_ACCESS_DENY},
	{policy.Protect, layerpb.Access_ACCESS_PROTECT},
	{policy.Unix, layerpb.Access_ACCESS_UNIX},
}

var fileTypes = Enum[policy.FileType, layerpb.FileType]{
	{policy.Missing, layerpb.FileType_FILE_TYPE_MISSING},
	{policy.Regular, layerpb.FileType_FILE_TYPE_REGULAR},
	{policy.Directory, layerpb.FileType_FILE_TYPE_DIRECTORY},
	{policy.Special, layerpb.FileType_FILE_TYPE_SPECIAL},
}

var envActions = Enum[policy.EnvAction, layerpb.EnvAction]{
	{policy.EnvPass, layerpb.EnvAction_ENV_ACTION_PASS},
	{policy.EnvSet, layerpb.EnvAction_ENV_ACTION_SET},
	{policy.EnvDeny, layerpb.EnvAction_ENV_ACTION_DENY},
	{policy.EnvSecret, layerpb.EnvAction_ENV_ACTION_SECRET},
}

var hostActions = Enum[policy.HostAction, layerpb.HostAction]{
	{policy.HostAllow, layerpb.HostAction_HOST_ACTION_ALLOW},
	{policy.HostDeny, layerpb.HostAction_HOST_ACTION_DENY},
	{policy.HostOpaque, layerpb.HostAction_HOST_ACTION_OPAQUE},
}

var portActions = Enum[policy.PortAction, layerpb.PortAction]{
	{policy.PortLoopback, layerpb.PortAction_PORT_ACTION_LOOPBACK},
	{policy.PortListen, layerpb.PortAction_PORT_ACTION_LISTEN},
}

var unsigned = Enum[policy.Unsigned, layerpb.Unsigned]{
	{policy.UnsignedAllow, layerpb.Unsigned_UNSIGNED_ALLOW},
	{policy.UnsignedWarn, layerpb.Unsigned_UNSIGNED_WARN},
	{policy.UnsignedRefuse, layerpb.Unsigned_UNSIGNED_REFUSE},
}

var rights = Enum[fragment.Right, layerpb.Right]{
	{fragment.RightList, layerpb.Right_RIGHT_LIST},
	{fragment.RightRead, layerpb.Right_RIGHT_READ},
	{fragment.RightExecute, layerpb.Right_RIGHT_EXECUTE},
	{fragment.RightWrite, layerpb.Right_RIGHT_WRITE},
	{fragment.RightDevice, layerpb.Right_RIGHT_DEVICE},
}

var ops = Enum[fragment.Op, layerpb.Op]{
	{fragment.OpIn, layerpb.Op_OP_IN},
	{fragment.OpNotIn, layerpb.Op_OP_NOT_IN},
}

// Networks are the protocols of a listener.
var Networks = Enum[fragment.Network, layerpb.Network]{
	{fragment.TCP, layerpb.Network_NETWORK_TCP},
	{fragment.UDP, layerpb.Network_NETWORK_UDP},
}

// The enums of package sdk. Their Go type is there, and that package imports this one; so here they
// are plain strings, and [EncodeEnum] and [DecodeEnum] give them their type.
var (
	Lifetimes = Enum[string, layerpb.Lifetime]{
		{"ephemeral", layerpb.Lifetime_LIFETIME_EPHEMERAL},
		{"bracket", layerpb.Lifetime_LIFETIME_BRACKET},
		{"resident", layerpb.Lifetime_LIFETIME_RESIDENT},
	}
	SettingTypes = Enum[string, layerpb.SettingType]{
		{"string", layerpb.SettingType_SETTING_TYPE_STRING},
		{"number", layerpb.SettingType_SETTING_TYPE_NUMBER},
		{"bool", layerpb.SettingType_SETTING_TYPE_BOOL},
		{"list(string)", layerpb.SettingType_SETTING_TYPE_STRING_LIST},
		{"map(string)", layerpb.SettingType_SETTING_TYPE_STRING_MAP},
		{"integer", layerpb.SettingType_SETTING_TYPE_INTEGER},
		{"object", layerpb.SettingType_SETTING_TYPE_OBJECT},
	}
	Completions = Enum[string, layerpb.Completion]{
		{"nothing", layerpb.Completion_COMPLETION_NOTHING},
		{"files", layerpb.Completion_COMPLETION_FILES},
		{"directories", layerpb.Completion_COMPLETION_DIRECTORIES},
		{"words", layerpb.Completion_COMPLETION_WORDS},
	}
	Tiers = Enum[string, layerpb.Tier]{
		{"A", layerpb.Tier_TIER_A},
		{"B", layerpb.Tier_TIER_B},
	}
	Degrees = Enum[string, layerpb.Held]{
		{"enforced", layerpb.Held_HELD_ENFORCED},
		{"partial", layerpb.Held_HELD_PARTIAL},
		{"unavailable", layerpb.Held_HELD_UNAVAILABLE},
	}
	Severities = Enum[string, layerpb.Severity]{
		{"error", layerpb.Severity_SEVERITY_ERROR},
		{"warning", layerpb.Severity_SEVERITY_WARNING},
	}
	EndReasons = Enum[string, layerpb.EndReason]{
		{"exited", layerpb.EndReason_END_REASON_EXITED},
		{"signalled", layerpb.EndReason_END_REASON_SIGNALLED},
		{"layer lost", layerpb.EndReason_END_REASON_LAYER_LOST},
		{"stopped", layerpb.EndReason_END_REASON_STOPPED},
		{"start failed", layerpb.EndReason_END_REASON_START_FAILED},
		{"core lost", layerpb.EndReason_END_REASON_CORE_LOST},
	}
)

// EncodeEnum is the wire's value of an enum of package sdk.
func EncodeEnum[G ~string, P ~int32](e Enum[string, P], g G) (P, error) {
	return e.Encode(string(g))
}

// DecodeEnum is the value of an enum of package sdk.
func DecodeEnum[G ~string, P ~int32](e Enum[string, P], p P) (G, error) {
	s, err := e.Decode(p)
	return G(s), err
}
