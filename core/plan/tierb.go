package plan

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/plan/base"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/core/plan/proof"
	"github.com/nono-run/nono/core/plan/view"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// This file is what of a plan is another thing on a host without user namespaces: tier B. There is
// no view of mounts; what an agent has of the files is what Landlock's rules give of the host's.

// Fallback is why a run has no namespaces of its own, and what would give it some.
type Fallback struct {
	Reason string `json:"reason"`
	Try    string `json:"try,omitempty"`
}

// walled reports whether the plan is for a host on which nothing can be mounted.
func (p *Plan) walled() bool { return p.Host.Tier == sdk.TierB }

// Sight is what the agent has of the host's files, by whatever holds it.
func (p *Plan) Sight() view.Sight {
	if p.walled() {
		return view.Of(p.rights())
	}
	return p.View()
}

// reach is what the agent can do with the files of a target, as the plan will be carried out.
func (p *Plan) reach() (func(proof.Target) proof.Reach, error) {
	if p.walled() {
		return proof.NewWalled(p.rights()).For, nil
	}
	played, err := proof.Play(p.Mounts)
	if err != nil {
		return nil, err
	}
	return func(proof.Target) proof.Reach { return played }, nil
}

// Changeable are the paths beneath which the agent may change modes, owners and times: where it may
// write, but for the host's devices.
func (p *Plan) Changeable() []string {
	var all []string
	for _, g := range p.Landlock {
		if g.For != base.RuleDevices && slices.Contains(g.Rights, fragment.RightWrite) &&
			!slices.Contains(g.Rights, fragment.RightDevice) {
			all = append(all, g.Path)
		}
	}
	return all
}

// WriteOwn writes the files that the agent reads and that cannot be mounted, into the session's own
// directory. That is there, and nobody else's.
func (p *Plan) WriteOwn() error {
	for _, f := range p.Written {
		const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL | unix.O_NOFOLLOW
		file, err := os.OpenFile(f.Path, flags, f.Mode)
		if err == nil {
			_, err = file.Write(f.Content)
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			return fmt.Errorf("writing a file for the agent to read: %w", err)
		}
	}
	return nil
}

// walledFiles settles what the agent has of the host's files, where no mount can stand between.
func (m *maker) walledFiles(p *Plan) view.Sight {
	m.gather()
	p.Landlock = m.merger.RightsAlone(slices.Concat(m.own.Rights, m.steps.Rights))
	p.Written = m.base.Written
	for _, l := range m.in.Lent {
		p.Make = m.missing(p.Make, l.Dir)
	}
	for _, h := range m.in.Homes {
		p.Make = m.missing(p.Make, h.Dir)
	}
	slices.SortFunc(p.Make, view.ComparePaths)
	p.Make = slices.Compact(p.Make)
	if n := len(p.Landlock); n > MaxMounts {
		m.problem(diag.Errorf("this plan needs %d Landlock rules, and at most %d can be made",
			n, MaxMounts).Try("grant or deny whole directories rather than what lies in them"),
			policy.Source{})
	}
	sight := view.Of(p.rights())
	m.refuseControls(p.Landlock)
	m.checkDocuments(sight)
	return sight
}

// layersReach asks what the layers' rules give anything of, and core's own do not count.
func (m *maker) layersReach() func(string) bool {
	rules := make([]fragment.Landlock, len(m.steps.Rights))
	for i, r := range m.steps.Rights {
		rules[i] = r.Landlock
	}
	return view.Of(rules).Reaches
}

// refuseControls refuses to let the agent write where the kernel takes orders. As root it could do
// so without any capability.
func (m *maker) refuseControls(grants []merge.Grant) {
	for _, control := range append([]string{"/proc", "/sys"}, m.in.Controls...) {
		for _, g := range grants {
			near := policy.Within(g.Path, control) || policy.Within(control, g.Path)
			if near && slices.Contains(g.Rights, fragment.RightWrite) {
				m.problem(diag.Errorf("%s cannot be granted for writing: the kernel takes orders in %s",
					g.Path, control).Try("grant another directory"), m.sourceOf(g.For))
			}
		}
	}
}

// checkDocuments says which policy files of this run the agent can write: nothing keeps one file in
// a directory from a process that may write there.
func (m *maker) checkDocuments(sight view.Sight) {
	open := slices.DeleteFunc(slices.Clone(m.in.Own.Documents), func(doc string) bool {
		_, writable := sight.Shows(doc)
		return !writable && !sight.Writes(path.Dir(doc))
	})
	if len(open) == 0 {
		return
	}
	m.base.Rules = append(m.base.Rules, policy.Rule{
		ID: base.RuleDocuments, Source: policy.Source{Origin: policy.OriginBase},
		Says: "a policy file of this run cannot be changed from inside",
	})
	m.base.Coverage = append(m.base.Coverage, sdk.Coverage{
		Rule: base.RuleDocuments, Held: sdk.Partial, By: "kept aside",
		Why: diag.Homely(open[0], m.in.Host.Home) + " lies in what is granted for writing; " +
			"a change of it is told at the end",
	})
}

// supervise is what a recipe has in the place of listeners and dialers. Core opens the sockets
// itself, and makes the calls that lead there.
func (p *Plan) supervise(r *recipe.Recipe) error {
	r.BindTCP = p.Served()
	if len(p.Supervised) == 0 {
		return nil
	}
	var err error
	r.Notify, err = filter.AssembleNotices([]filter.Notice{{Calls: p.Supervised}})
	return err
}

// namesByTCP is the listener at which questions for names are answered by TCP, by its identity. It
// is beside the one for packets that the layer speaks of.
func (m *maker) namesByTCP(listeners []Listener) string {
	at, _ := m.resolver()
	if at == "" || m.in.Host.Tier != sdk.TierB {
		return ""
	}
	for _, l := range listeners {
		if l.Network == fragment.TCP && l.Port == namesPort && l.Host() == at {
			return l.ID()
		}
	}
	return ""
}

// checkSockets says what cannot be where the agent has no network of its own.
func (m *maker) checkSockets() {
	if m.in.Host.Tier != sdk.TierB || m.in.Supervised {
		return
	}
	for _, r := range m.in.Policy.Filesystem {
		if r.Access == policy.Unix && r.Type != policy.Missing && r.Source.Asked() {
			m.unconnected(r.Source)
			return
		}
	}
	if len(m.through()) > 0 || m.in.Policy.Uses() {
		m.unconnected(m.wantsSockets())
	}
}

// wantsSockets is the line that the agent is to be connected for: what it may reach or serve, else
// the block of the first layer that carries traffic.
func (m *maker) wantsSockets() policy.Source {
	for i := range m.in.Policy.Network.Hosts {
		if h := &m.in.Policy.Network.Hosts[i]; h.Action == policy.HostAllow {
			return h.Source
		}
	}
	for _, p := range m.in.Policy.Network.Ports {
		return p.Source
	}
	for i := range m.in.Policy.Credentials {
		return m.in.Policy.Credentials[i].Source
	}
	for _, name := range m.through() {
		return m.share(name).Source
	}
	return policy.Source{}
}

// unconnected says that nobody makes the agent's connections.
func (m *maker) unconnected(at policy.Source) {
	m.problem(diag.Errorf("the agent cannot be connected to anything here: this host has no user "+
		"namespaces, and nono cannot make the connections: %s", m.in.Unsupervised.Why).
		Try("%s; or run without hosts, sockets and credentials", m.in.Unsupervised.Try), at)
}

// unmountable is why a layer's step cannot be carried out on a host where nothing can be mounted,
// and there is no network of the session's own.
func (m *maker) unmountable(step fragment.Step) error {
	const without = "this host has no user namespaces (tier B), and without them "
	switch s := step.(type) {
	case fragment.Mount:
		return unmountableStep(without + "nothing can be mounted")
	case fragment.Dialer:
		for _, port := range s.Ports {
			listens := func(r policy.PortRule) bool {
				return r.Action == policy.PortListen && r.Port == port
			}
			if !slices.ContainsFunc(m.in.Policy.Network.Ports, listens) {
				return unmountableStep(fmt.Sprintf(without+"what the agent serves at port %d everybody "+
					"on this host would reach: only `listen = [%d]` allows that", port, port))
			}
		}
	case fragment.Listener:
		// The answers to questions for names come by TCP as well.
		if s.Network != fragment.TCP && s.Port != namesPort {
			return unmountableStep(without + "the agent has no socket of UDP to send to a listener with")
		}
	default:
	}
	return nil
}
