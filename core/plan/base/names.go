package base

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

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

// hostsFile is where programs look for a name before they ask for it.
const hostsFile = "/etc/hosts"

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
	err := c.shown(resolvConf, "# "+why+"\nnameserver "+at+"\n")
	if err != nil || c.in.Resolver == "" {
		return err
	}
	// The addresses of other names there lead nowhere inside. The layer knows these names, too.
	return c.shown(hostsFile, "# A layer answers for all other names.\n"+ownNames(c.in.Hosts))
}

// ownNames are the lines of a hosts file about the machine itself, and localhost in any case.
func ownNames(hosts []byte) string {
	lines := "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
	for line := range strings.Lines(string(hosts)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err == nil && addr.IsLoopback() {
			lines += strings.Join(fields, " ") + "\n"
		}
	}
	return lines
}

// shown has a file of core's own stand at a path of the host's, unless the user wants the host's.
func (c *composer) shown(path, content string) error {
	route, err := hostfile.Follow(c.in.Look, path)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	ours := fragment.File{
		For: RuleNetwork, Path: route.Path, Mode: fs.FileMode(0o444), Content: []byte(content),
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
