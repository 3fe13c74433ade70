package config

import (
	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/policy"
)

// network is what the agent may reach. An empty block says what is so in any case: nothing is
// reachable. That can be honoured.
var network = block{
	name: "network", kind: policy.KindNetwork,
	grammar: &language.Block{Attributes: map[string]language.Attribute{
		"profile":  {Shape: language.String, Later: true},
		"groups":   {Shape: language.StringList, Later: true},
		"allow":    {Shape: language.StringList, Later: true},
		"deny":     {Shape: language.StringList, Later: true},
		"opaque":   {Shape: language.StringList, Later: true},
		"loopback": {Shape: language.NumberList, Later: true},
		"listen":   {Shape: language.NumberList, Later: true},
		"open":     {Shape: language.Bool, Later: true},
		"upstream": {Shape: language.Structured, Later: true, Fields: map[string]language.Attribute{
			"url": {Shape: language.String}, "bypass": {Shape: language.StringList},
		}},
	}},
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
