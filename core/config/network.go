package config

import (
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// network is what the agent may reach. An empty block says what is so in any case: nothing is
// reachable. That can be honoured.
var network = block{
	name: "network", kind: policy.KindNetwork,
	grammar: &language.Block{
		Help: "what the agent may reach; nothing, where nothing is listed",
		Attributes: map[string]language.Attribute{
			"profile": {
				Shape: language.String, Of: "name", Later: true,
				Help: "a list of hosts by its name: minimal, developer, or one of yours",
			},
			"groups": {
				Shape: language.StringList, Of: "name", Later: true, Help: "groups of hosts by their names",
			},
			"allow": {
				Shape: language.StringList, Of: "host", Later: true,
				Help: "name, *.suffix or address, each with :port or :*; 443 and 80 where none is given",
			},
			"deny": {Shape: language.StringList, Of: "host", Later: true, Help: "beats every allow"},
			"opaque": {
				Shape: language.StringList, Of: "host", Later: true,
				Help: "of the allowed: may speak something else than TLS or HTTP",
			},
			"loopback": {
				Shape: language.NumberList, Of: "port", Later: true,
				Help: "services of the host's own loopback",
			},
			"listen": {
				Shape: language.NumberList, Of: "port", Later: true,
				Help: "ports that the agent serves on, for the host's loopback to reach",
			},
			"open": {Shape: language.Bool, Later: true, Help: "no filtering"},
			"upstream": {
				Shape: language.Structured, Later: true, Help: "a proxy that all traffic goes through",
				Fields: map[string]language.Attribute{
					"url":    {Shape: language.String, Of: "url", Help: "where it is"},
					"bypass": {Shape: language.StringList, Of: "host", Help: "reached without it"},
				},
			},
		},
	},
	example: "\n# The network is closed: no attribute of the block can be honoured yet.\nnetwork {}\n",
	flags: map[string]func(*reader, Flag){
		"block-net": func(r *reader, f Flag) { r.closed = append(r.closed, f.source()) },
	},
}

// stayClosed refuses a network that is open where a flag says that it is closed. Without a flag it
// is closed too, so that nothing else is to be done about one.
func (r *reader) stayClosed() {
	l, ok := r.layers[string(policy.KindNetwork)]
	if ok && l.Off != nil && len(r.closed) > 0 {
		r.add(problem(r.closed[0], "the network cannot be closed: %s leaves it open", l.Off.Source).
			Try("remove one of the two"))
	}
}
