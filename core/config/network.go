package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// network is what the agent may reach. Whatever is not named is not reachable, and an empty list
// names nothing.
var network = block{
	name: "network", kind: policy.KindNetwork,
	grammar: &language.Block{
		Help: "what the agent may reach; nothing, where nothing is listed",
		Attributes: map[string]language.Attribute{
			"profile": {
				Shape: language.String, Of: "name",
				Help: "a list of hosts by its name: minimal, developer, or one of yours",
			},
			"groups": {
				Shape: language.StringList, Of: "name",
				Help: "groups of hosts by their names: " + strings.Join(hostGroups, ", "),
			},
			"allow": {
				Shape: language.StringList, Of: "host",
				Help: "name, *.suffix (what lies below it), address or range, each with :port or :*; " +
					"443 and 80 where none is given",
			},
			"deny": {
				Shape: language.StringList, Of: "host",
				Help: "beats every allow; at every port where none is given",
			},
			"opaque": {
				Shape: language.StringList, Of: "host",
				Help: "of the allowed: may speak something else than TLS or HTTP, or TLS that does not " +
					"name the host; ports as in allow",
			},
			"loopback": {
				Shape: language.NumberList, Of: "port",
				Help: "services of the host's own loopback",
			},
			"listen": {
				Shape: language.NumberList, Of: "port",
				Help: "ports that the agent serves on, for the host's loopback to reach",
			},
			"open": {Shape: language.Bool, Help: "no filtering: the host's whole network"},
			"upstream": {
				Shape: language.Structured, Help: "a proxy that all traffic goes through",
				Fields: map[string]language.Attribute{
					"url": {
						Shape: language.String, Of: "url",
						Help: `http://HOST:PORT or https://HOST:PORT; "system": what your environment names`,
					},
					"bypass": {
						Shape: language.StringList, Of: "host", Help: "reached without it, at any port",
					},
				},
			},
		},
	},
	example: `
network {
  profile  = "minimal"
  groups   = ["github"]
  allow    = ["api.example.com", "*.corp.example:8443", "git.example.com:22"]
  deny     = ["old.corp.example"]
  opaque   = ["git.example.com:22"]
  loopback = [5432]
  listen   = [3000]
  open     = false
  upstream = { url = "http://proxy.example:3128", bypass = ["*.corp.example"] }
}
`,
	stranger: "hosts and ports, by name, `profile` or `groups`; `opaque`, `open = true`, and an " +
		"`upstream`",
	read: (*reader).network,
	asks: (*reader).networkAsks,
	flags: map[string]func(*reader, Flag){
		"network-profile": (*reader).networkProfileFlag,
		"allow-host":      (*reader).hostFlag,
		"deny-host":       (*reader).hostFlag,
		"opaque-host":     (*reader).hostFlag,
		"open-port":       (*reader).portFlag,
		"listen-port":     (*reader).portFlag,
		"upstream-proxy":  (*reader).upstreamFlag,
		"upstream-bypass": (*reader).bypassFlag,
		"block-net":       func(r *reader, f Flag) { r.net.closed = append(r.net.closed, f.source()) },
	},
}

// reachable is what blocks and flags say of the network, while they are read.
type reachable struct {
	hosts []hostRule
	ports []policy.PortRule
	// profiles are the network profiles that were named. Of several the last one gives its hosts, and
	// the denials of all of them hold.
	profiles []language.Item
	learned  []learned
	open     *language.Value // nil where nobody says it
	ownOpen  bool            // the last of the user's own files that speaks of it says it
	upstream *wayOut
	bypass   []language.Item // of flags
	closed   []policy.Source // flags that say that the network is closed
	opened   []policy.Source // flags that open some of it
}

// hostRule is a rule about a host with what only the reader needs.
type hostRule struct {
	policy.HostRule
	// by is the line or the flag whose word it is: its own, or the one that names its list.
	by policy.Source
	// replaced says that a later line takes the place of the one that brought it.
	replaced bool
}

var hostActions = []policy.HostAction{policy.HostAllow, policy.HostDeny, policy.HostOpaque}

func (r *reader) network(s *source, t *language.Tree) {
	if it, ok := t.One("profile"); ok {
		r.net.profiles = append(r.net.profiles, it)
	}
	for _, it := range t.List("groups") {
		r.listed(groupOf(it), named{"group " + it.Text, it.Source, it.Source}, false)
	}
	r.hostRules(t, func(it language.Item) hostRule { return hostRule{by: it.Source} })
	for _, action := range []policy.PortAction{policy.PortLoopback, policy.PortListen} {
		for _, it := range t.List(string(action)) {
			r.port(action, it)
		}
	}
	if v, ok := t.Attributes["open"]; ok {
		r.net.open = v
		if !s.foreign {
			r.net.ownOpen = v.Yes
		}
	}
	if v, ok := t.Attributes["upstream"]; ok {
		r.wayOut(v)
	}
}

// hostRules adds the rules of a block's own lists; of says whose they are.
func (r *reader) hostRules(t *language.Tree, of func(language.Item) hostRule) {
	for _, action := range hostActions {
		for _, it := range t.List(string(action)) {
			rule := of(it)
			rule.Action, rule.Source = action, it.Source
			r.addHost(rule, it.Text)
		}
	}
}

// addHost adds a rule about the host that a text names.
func (r *reader) addHost(rule hostRule, text string) {
	p, err := hostname.ParsePattern(text)
	if err != nil {
		r.add(problem(rule.Source, "%s is not a host: %v", quote(shortened(text)), err).
			Try("%s", hostInstead(text)))
		return
	}
	if p.Host == "localhost" && rule.Action == policy.HostAllow {
		r.add(problem(rule.Source, "localhost is the sandbox's own inside").
			Try("a service of this machine is reached by its port: loopback = [5432], or --open-port 5432"))
		return
	}
	rule.Host = p.Host
	rule.replaced = rule.replaced && rule.Action != policy.HostDeny // denials of all profiles hold
	switch {
	case len(p.Ports) > 0:
		rule.Ports = p.Ports
	case p.Every || rule.Action == policy.HostDeny:
	default:
		rule.Ports = hostname.UsualPorts()
	}
	r.net.hosts = append(r.net.hosts, rule)
}

// hostInstead is what to write for a text that names no host.
func hostInstead(text string) string {
	_, rest, isURL := strings.Cut(text, "://")
	switch {
	case isURL:
		rest, _, _ = strings.Cut(rest, "/")
		if _, err := hostname.ParsePattern(rest); err == nil {
			return fmt.Sprintf("write the host alone: %s", quote(rest))
		}
	case text == "*":
		return "for no filtering at all write open = true, or --allow-net"
	case strings.HasPrefix(text, "."):
		if _, err := hostname.ParsePattern("*" + text); err == nil {
			return fmt.Sprintf("for what lies below a name write %s", quote("*"+text))
		}
	}
	return `write "api.example.com", "*.example.com:8443", "10.0.0.0/8" or "[2001:db8::1]:443"`
}

// port adds a rule about a port.
func (r *reader) port(action policy.PortAction, it language.Item) {
	n, err := hostname.Port(it.Text)
	if err != nil {
		r.add(problem(it.Source, "%v", err))
		return
	}
	r.net.ports = append(r.net.ports, policy.PortRule{Source: it.Source, Action: action, Port: n})
}

func (r *reader) networkProfileFlag(f Flag) {
	r.opens(f)
	r.net.profiles = append(r.net.profiles, f.item())
}

func (r *reader) hostFlag(f Flag) {
	action := policy.HostAction(strings.TrimSuffix(f.Name, "-host"))
	if action != policy.HostDeny {
		r.opens(f)
	}
	rule := hostRule{by: f.source()}
	rule.Action, rule.Source = action, f.source()
	r.addHost(rule, f.Value)
}

func (r *reader) portFlag(f Flag) {
	r.opens(f)
	action := map[string]policy.PortAction{
		"open-port": policy.PortLoopback, "listen-port": policy.PortListen,
	}[f.Name]
	r.port(action, f.item())
}

// opens remembers a flag that opens some of the network.
func (r *reader) opens(f Flag) {
	r.net.opened = append(r.net.opened, f.source())
	r.lines[policy.KindNetwork] = append(r.lines[policy.KindNetwork], f.source())
}

// item is the flag's value as it would stand in a file.
func (f Flag) item() language.Item { return language.Item{Text: f.Value, Source: f.source()} }

// settleNetwork makes rules of what all sources together say.
func (r *reader) settleNetwork() {
	for i, it := range r.net.profiles {
		last := i == len(r.net.profiles)-1
		r.listed(profileOf(it), named{"profile " + it.Text, it.Source, it.Source}, !last)
	}
	r.settleUpstream()
	r.contraryPorts()
	r.stayClosed()
	r.tellOpen()
	r.uselessOpaque()
}

// contraryPorts refuses a port that is to lead out and in.
func (r *reader) contraryPorts() {
	first := map[uint16]policy.PortRule{}
	for _, p := range r.net.ports {
		if other, ok := first[p.Port]; ok && other.Action != p.Action {
			r.add(problem(p.Source, "port %d leads to a service of this machine (loopback) and to the "+
				"agent's own (listen): %s says %s", p.Port, other.Source, other.Action).
				Try("remove one of the two; one of the services needs another port"))
			continue
		}
		first[p.Port] = p
	}
}

// stayClosed settles --block-net: it beats what files say, and contradicts other flags.
func (r *reader) stayClosed() {
	if len(r.net.closed) == 0 {
		return
	}
	at := r.net.closed[0]
	l := r.layers[string(policy.KindNetwork)]
	if l != nil && l.Off != nil && l.Off.Source.Flag != "" {
		r.add(problem(at, "the network cannot be closed: %s leaves it open", l.Off.Source).
			Try("remove one of the two"))
		return
	}
	if len(r.net.opened) > 0 {
		r.add(problem(at, "the network cannot be closed: %s opens it", r.net.opened[0]).
			Try("remove one of the two"))
		return
	}
	beaten := r.said(func(h hostRule) bool { return h.Action != policy.HostDeny })
	for i, h := range r.net.hosts {
		r.net.hosts[i].replaced = h.replaced || h.Action != policy.HostDeny
	}
	for _, name := range slices.Sorted(maps.Keys(r.fallbacks)) {
		for _, h := range r.fallbacks[name].hosts {
			beaten = append(beaten, h.by.String())
		}
		r.fallbacks[name].hosts = nil
	}
	r.net.ports, r.net.upstream, r.net.learned = nil, nil, nil
	if l != nil && l.Off != nil {
		beaten = append(beaten, l.Off.Source.String())
		l.Off = nil
	}
	if len(beaten) > 0 {
		r.notice(at, "the network stays closed; overrides %s", inShort(beaten))
	}
}

// tellOpen says what a file that opens the network overrides. Of a flag it is said with the layer.
func (r *reader) tellOpen() {
	l := r.layers[string(policy.KindNetwork)]
	if v := r.net.open; v == nil || l == nil || l.Off == nil || l.Off.Source != v.Source {
		return
	}
	if beaten := r.said(func(hostRule) bool { return true }); len(beaten) > 0 {
		r.notice(l.Off.Source, "open overrides all else that is said of the network: %s",
			inShort(beaten))
	}
}

// said are the lines that say something of these hosts, of ports and of the upstream, each once.
func (r *reader) said(of func(hostRule) bool) []string {
	var lines []string
	known := map[policy.Source]bool{}
	line := func(at policy.Source) {
		if !known[at] {
			known[at] = true
			lines = append(lines, at.String())
		}
	}
	for _, h := range r.net.hosts {
		if !h.replaced && of(h) {
			line(h.by)
		}
	}
	for _, l := range r.net.learned {
		line(l.by)
	}
	for _, p := range r.net.ports {
		line(p.Source)
	}
	if u := r.net.upstream; u != nil {
		line(u.at)
	}
	return lines
}

// settleOpen switches the network layer off where a file says that all of the network is open.
func (r *reader) settleOpen() {
	v := r.net.open
	if v == nil || !v.Yes {
		return
	}
	name := string(policy.KindNetwork)
	l, ok := r.layers[name]
	if !ok {
		l = &Layer{Name: name, Kind: policy.KindNetwork, Source: v.Source}
		r.layers[name] = l
	}
	if l.Off == nil {
		l.Off = &policy.Disabled{Kind: policy.KindNetwork, Source: v.Source}
	}
}

// uselessOpaque tells of an opaque that no allow goes with: it grants nothing by itself.
func (r *reader) uselessOpaque() {
	allowed := newHostSet(r.net.hosts, func(h hostRule) bool {
		return h.Action == policy.HostAllow && !h.replaced
	})
	for _, h := range r.net.hosts {
		if h.Action == policy.HostOpaque && !h.replaced && !allowed.meets(h.HostRule) {
			r.notice(h.Source, "opaque grants nothing, and no allow speaks of %s",
				hostname.Write(h.Host, h.Ports))
		}
	}
}

// reached is the network of the policy, when nothing is left to settle.
func (r *reader) reached() policy.Network {
	var n policy.Network
	count := map[string]int{}
	id := func(action string) policy.RuleID {
		made := policy.RuleID(fmt.Sprintf("network.%s.%d", action, count[action]))
		count[action]++
		return made
	}
	for _, h := range r.net.hosts {
		if !h.replaced {
			h.ID = id(string(h.Action))
			n.Hosts = append(n.Hosts, h.HostRule)
		}
	}
	for _, p := range r.net.ports {
		p.ID = id(string(p.Action))
		n.Ports = append(n.Ports, p)
	}
	if u := r.net.upstream; u != nil && u.url != "" {
		n.Upstream = &policy.Upstream{
			ID: id("upstream"), Source: u.at, URL: u.url, Bypass: u.bypass,
		}
	}
	return n
}

// networkAsks are the hosts and ports that a file brings, and what else widens its network.
func (r *reader) networkAsks(s *source, t *language.Tree) []Ask {
	asks := append(r.hostAsks(s, r.net.hosts), r.learnedAsks(s)...)
	for _, p := range r.net.ports {
		given := func(o policy.PortRule) bool {
			return o.Action == p.Action && o.Port == p.Port && !r.isForeign(o.Source)
		}
		if !s.wrote(p.Source) || slices.ContainsFunc(r.net.ports, given) {
			continue
		}
		says := "to connect to port %d of this machine's loopback"
		if p.Action == policy.PortListen {
			says = "to serve on port %d of this machine's loopback"
		}
		asks = append(asks, Ask{
			fmt.Sprintf(says, p.Port), p.Source, wants(string(p.Action), fmt.Sprint(p.Port)),
		})
	}
	if v, ok := t.Attributes["open"]; ok && v.Yes && r.net.open == v && !r.net.ownOpen {
		asks = append(asks, Ask{"to have this machine's whole network", v.Source, wants("open")})
	}
	if u := r.net.upstream; u != nil && s.wrote(u.at) {
		says := "to send its traffic through the proxy " + policy.Printable(u.said)
		if len(u.bypass) > 0 {
			says += ", and past it to " + inShort(u.bypass)
		}
		asks = append(asks, Ask{
			says, u.at,
			wants(append([]string{"upstream", u.said}, u.bypass...)...),
		})
	}
	return asks
}

// mostAsked is how many hosts of a list are named where it is asked for. What stands in a list nono
// says or the user, and no stranger.
const mostAsked = 6

// hostAsks are those of some hosts that a file brings and that nobody else gives: each by itself,
// and those of a list together.
func (r *reader) hostAsks(s *source, asked []hostRule) []Ask {
	given := map[policy.HostAction]*hostSet{}
	own := r.ownProfile()
	for _, action := range []policy.HostAction{policy.HostAllow, policy.HostOpaque} {
		given[action] = newHostSet(r.net.hosts, func(h hostRule) bool {
			return h.Action == action && !r.isForeign(h.by) && (!h.replaced || h.by == own)
		})
	}
	var asks []Ask
	lists := map[policy.Source]int{}
	hosts := map[policy.Source][]string{}
	for _, h := range asked {
		if h.Action == policy.HostDeny || h.replaced || !s.wrote(h.by) ||
			given[h.Action].covers(h.HostRule) {
			continue
		}
		text := hostname.Write(h.Host, h.Ports)
		says := "to reach " + text
		if h.Action == policy.HostOpaque {
			says = "to speak something else than TLS or HTTP with " + text
		}
		wanted := want(string(h.Action), h.HostRule.String())
		if h.Group == "" {
			asks = append(asks, Ask{says, h.by, []string{wanted}})
			continue
		}
		if h.Action == policy.HostOpaque {
			text += " (opaque)"
		}
		i, ok := lists[h.by]
		if !ok {
			i = len(asks)
			lists[h.by] = i
			asks = append(asks, Ask{Source: h.by})
		}
		hosts[h.by] = append(hosts[h.by], text)
		asks[i].Wants = append(asks[i].Wants, wanted)
		asks[i].Says = fmt.Sprintf("to reach the hosts of the network %s: %s", h.Group,
			inShort(hosts[h.by]))
	}
	return asks
}

// ownProfile is the line that names the network profile that the user would have without the files
// from elsewhere. One that he replaced himself gives nothing any more.
func (r *reader) ownProfile() (own policy.Source) {
	for _, it := range r.net.profiles {
		if !r.isForeign(it.Source) {
			own = it.Source
		}
	}
	return own
}

// inShort is the first of some words, and how many more there are.
func inShort(words []string) string {
	if more := len(words) - mostAsked; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:mostAsked], ", "), more)
	}
	return strings.Join(words, ", ")
}
