package hostname

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Pattern is one host of a policy: which, and at which ports.
type Pattern struct {
	// Host is a plain name, "*." with a plain name for all that lies below it, or a range of
	// addresses ("10.0.0.0/8"; one address is "10.0.0.1/32").
	Host string
	// Ports are those that were named; Every means all of them. Where neither is there, none was
	// named.
	Ports []uint16
	Every bool
}

// ParsePattern reads an entry of a policy: a name, "*.suffix", an address or a range of addresses,
// each with ":port" or ":*", or with neither. An IPv6 address with a port stands in brackets.
func ParsePattern(text string) (Pattern, error) {
	host, port, hasPort, err := cutPort(text)
	if err != nil {
		return Pattern{}, err
	}
	var p Pattern
	switch {
	case !hasPort:
	case port == "*":
		p.Every = true
	default:
		n, err := Port(port)
		if err != nil {
			return Pattern{}, err
		}
		p.Ports = []uint16{n}
	}
	p.Host, err = patternHost(host)
	return p, err
}

// cutPort takes a port off the end. The colons of an IPv6 address without brackets are its own.
func cutPort(text string) (host, port string, ok bool, err error) {
	if inner, bracketed := strings.CutPrefix(text, "["); bracketed {
		inner, rest, closed := strings.Cut(inner, "]")
		if !closed || !strings.Contains(inner, ":") {
			return "", "", false, errors.New("what stands in brackets is no IPv6 address")
		}
		// The range of "[2001:db8::]/32" may follow the bracket, or lie within.
		bits := ""
		if strings.HasPrefix(rest, "/") {
			bits, rest, _ = strings.Cut(rest, ":")
			if rest != "" {
				rest = ":" + rest
			}
		}
		if rest == "" {
			return inner + bits, "", false, nil
		}
		port, ok = strings.CutPrefix(rest, ":")
		if !ok {
			return "", "", false, errors.New("after the bracket stands a colon and a port, or nothing")
		}
		return inner + bits, port, true, nil
	}
	if strings.Count(text, ":") > 1 {
		return text, "", false, nil
	}
	host, port, ok = strings.Cut(text, ":")
	return host, port, ok, nil
}

func patternHost(text string) (string, error) {
	if strings.Contains(text, "/") {
		if strings.Contains(text, "://") {
			return "", errors.New("it is a URL, and a host is meant")
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return "", errors.New("it is no range of addresses, as 10.0.0.0/8 is")
		}
		if prefix.Masked() != prefix {
			return "", fmt.Errorf("the range that it lies in is %s", prefix.Masked())
		}
		if prefix.Addr().Is4In6() {
			return "", errors.New("an IPv4 address is written as one")
		}
		return prefix.String(), nil
	}
	if suffix, ok := strings.CutPrefix(text, "*."); ok {
		name, err := Parse(suffix)
		return "*." + name, err
	}
	if strings.Contains(text, "*") {
		return "", errors.New("a star stands only at the beginning, before a dot: *.example.com")
	}
	name, addr, err := Host(text)
	if addr.IsValid() {
		return netip.PrefixFrom(addr, addr.BitLen()).String(), nil
	}
	return name, err
}
