package base

import (
	"fmt"
	"io/fs"

	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// NamesListener is the socket inside at which core itself answers questions for names, where no
// layer does: each with "there is no such name".
//
// With nobody to ask, a program waits or is told to try again later, and does so for a minute. A
// name that does not exist is something that every program takes for an answer.
const NamesListener = "names"

// resolvConf is where programs read whom to ask; resolver is the address that those ask which find
// no such file.
const (
	resolvConf = "/etc/resolv.conf"
	resolver   = "127.0.0.1"
	port       = 53
)

// names makes the session ask the layer that answers for names, or else core.
func (c *composer) names() error {
	at, why := c.in.Resolver, "A layer answers for names."
	if at == "" {
		if c.in.Policy.IsDisabled(policy.KindNetwork) || c.in.Port53 {
			return nil
		}
		at, why = resolver, "Nothing here answers for names."
		c.share.Fragment.Steps = append(c.share.Fragment.Steps, fragment.Listener{
			For: RuleNetwork, Name: NamesListener, Network: fragment.UDP, Address: at, Port: port,
		})
	}
	route, err := hostfile.Follow(c.in.Look, resolvConf)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", resolvConf, err)
	}
	ours := fragment.File{
		For: RuleNetwork, Path: route.Path, Mode: fs.FileMode(0o444),
		Content: []byte("# " + why + "\nnameserver " + at + "\n"),
	}
	switch {
	case c.asked(route.Path): // the user wants the host's own
	case route.Entry.Type == policy.Regular:
		c.share.Fragment.Steps = append(c.share.Fragment.Steps, ours)
	case route.Entry.Type == policy.Missing:
		c.share.Fill = append(c.share.Fill, ours) // in what the host has, nothing is made
	}
	return nil
}

// asked reports whether a rule of the user's names this path.
func (c *composer) asked(path string) bool {
	for _, r := range c.in.Policy.Filesystem {
		if r.Path == path && r.Source.Asked() {
			return true
		}
	}
	return false
}
