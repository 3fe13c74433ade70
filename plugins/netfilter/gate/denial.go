package gate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nono-run/nono/sdk/policy"
)

// Denial is a decision against a target.
type Denial struct {
	Target Target
	// Why is the reason in a few words.
	Why string

	asked  string // in place of a target, where there is none
	rule   *policy.HostRule
	advice string // what to do, as a sentence
	// change is the attribute that would allow it, where that is not for the policy's decision about
	// the target to know.
	change string
}

// Error implements error.
func (d *Denial) Error() string {
	return fmt.Sprintf("%s is denied: %s", d.what(), policy.Printable(d.Why))
}

func (d *Denial) what() string {
	switch {
	case d.asked != "":
		return policy.Printable(strconv.Quote(d.asked))
	case d.Target == Target{}:
		return "a request without a host"
	}
	return d.Target.String()
}

// Reason is the denial in a line for where clients show little else.
func (*Denial) Reason() string { return "denied by nono, retrying will not help" }

// Text is the denial in words for a program that cannot ask back: what was denied and why, what
// would allow it, and what not to try.
func (d *Denial) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nono: %s\n", d.Error())
	if d.rule != nil {
		fmt.Fprintf(&b, "The rule: %s %s (%s)\n", d.rule.Action, d.rule, d.rule.Source)
	}
	if d.advice != "" {
		fmt.Fprintln(&b, d.advice)
	}
	fmt.Fprint(&b, "Retrying will not help, nor will another way to the same host: "+
		"the policy is the same as long as this session lasts.")
	return b.String()
}

// byHand says who can do something about it.
const byHand = "Whoever starts this session can allow it for the next one: "

// wouldAllow says what would allow a target, where the rule decided against it; nil is none.
func wouldAllow(t Target, rule *policy.HostRule) string {
	if isDenial(rule) {
		return "Whoever starts this session can take that rule away; a denial beats every allow."
	}
	if isLocal(t) {
		return byHand + fmt.Sprintf("network { loopback = [%d] }, or --open-port %d.", t.Port, t.Port)
	}
	return byHand + fmt.Sprintf("network { allow = [%q] }, or --allow-host %s.", entry(t), entry(t))
}

// wouldBeOpaque says what would let another protocol than TLS and HTTP be spoken with a target.
func wouldBeOpaque(t Target) string {
	return "With an allowed host TLS for its name or plain HTTP is spoken. " + byHand +
		fmt.Sprintf("network { opaque = [%q] }.", entry(t))
}

// entry is a target as a policy writes it: without a port where that is one of the web's.
func entry(t Target) string {
	if t.Port == 80 || t.Port == 443 {
		return t.Host()
	}
	return t.String()
}

// isLocal reports whether a target is the loopback, as the services of it are addressed.
func isLocal(t Target) bool {
	return t.Name == "localhost" || t.Addr == netip.IPv6Loopback() ||
		t.Addr == netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
