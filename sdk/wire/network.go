package wire

import (
	"errors"

	"github.com/nono-run/nono/sdk/layerpb"
	"github.com/nono-run/nono/sdk/policy"
)

// encodeNetwork adds the rules about hosts and ports to a policy.
func encodeNetwork(n policy.Network, to *layerpb.Policy) error {
	var err error
	if to.Hosts, err = each("host rule", n.Hosts, encodeHostRule); err != nil {
		return err
	}
	for _, r := range n.Ports {
		source, sourceErr := encodeSource(r.Source)
		action, actionErr := portActions.Encode(r.Action)
		if err := First(sourceErr, At(actionErr, "action")); err != nil {
			return At(err, "port %d", r.Port)
		}
		to.Ports = append(to.Ports, &layerpb.PortRule{
			Id: string(r.ID), Source: source, Action: action, Port: uint32(r.Port),
		})
	}
	if u := n.Upstream; u != nil {
		source, err := encodeSource(u.Source)
		if err != nil {
			return At(err, "upstream")
		}
		to.Upstream = &layerpb.Upstream{
			Id: string(u.ID), Source: source, Url: u.URL, Bypass: u.Bypass,
		}
	}
	return nil
}

func encodeHostRule(r policy.HostRule) (*layerpb.HostRule, error) {
	source, sourceErr := encodeSource(r.Source)
	action, actionErr := hostActions.Encode(r.Action)
	m := &layerpb.HostRule{
		Id: string(r.ID), Source: source, Action: action, Host: r.Host, Group: r.Group,
	}
	for _, p := range r.Ports {
		m.Ports = append(m.Ports, uint32(p))
	}
	return m, First(sourceErr, At(actionErr, "action"))
}

func decodeNetwork(m *layerpb.Policy) (policy.Network, error) {
	var n policy.Network
	var err error
	if n.Hosts, err = each("host rule", m.GetHosts(), decodeHostRule); err != nil {
		return n, err
	}
	for i, p := range m.GetPorts() {
		source, sourceErr := decodeSource(p.GetSource())
		action, actionErr := portActions.Decode(p.GetAction())
		port, portErr := decodeNamedPort(p.GetPort())
		if err := First(sourceErr, At(actionErr, "action"), portErr); err != nil {
			return n, At(err, "port rule %d", i)
		}
		n.Ports = append(n.Ports, policy.PortRule{
			ID: policy.RuleID(p.GetId()), Source: source, Action: action, Port: port,
		})
	}
	u := m.GetUpstream()
	if u == nil {
		return n, nil
	}
	source, err := decodeSource(u.GetSource())
	n.Upstream = &policy.Upstream{
		ID: policy.RuleID(u.GetId()), Source: source, URL: u.GetUrl(), Bypass: u.GetBypass(),
	}
	return n, At(err, "upstream")
}

func decodeHostRule(m *layerpb.HostRule) (policy.HostRule, error) {
	source, sourceErr := decodeSource(m.GetSource())
	action, actionErr := hostActions.Decode(m.GetAction())
	r := policy.HostRule{
		ID: policy.RuleID(m.GetId()), Source: source, Action: action, Host: m.GetHost(),
		Group: m.GetGroup(),
	}
	err := First(sourceErr, At(actionErr, "action"))
	for _, p := range m.GetPorts() {
		port, portErr := decodeNamedPort(p)
		err = First(err, portErr)
		r.Ports = append(r.Ports, port)
	}
	return r, err
}

// decodeNamedPort reads a port that is one: 0 asks core to pick one elsewhere, and names none here.
func decodeNamedPort(n uint32) (uint16, error) {
	if n == 0 {
		return 0, errors.New("0 is not a port")
	}
	return decodePort(n)
}
