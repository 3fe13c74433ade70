// Package hostname reads the names and addresses of hosts, once and strictly, into the one form in
// which they are compared and dialled.
//
//	name, addr, err := hostname.Host("API.Example.com.")   // "api.example.com"
//	_, addr, err = hostname.Host("10.0.0.1")               // the address, and no name
//
// A host is decided about by its name, and another program then connects by a name: if the two read
// it differently, what was allowed is not what is reached. So nothing that was asked for is passed
// on as it came; it is parsed here, and only what this package returned is compared, resolved,
// written into requests and dialled. What it does not understand is refused rather than mended: a
// NUL, user information, a per cent sign, a zone, and numbers that a C library would read as an
// address ("0x7f.1", "2130706433").
package hostname

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

const (
	longestName  = 253
	longestLabel = 63
)

// ErrScript is what a name in another script than ASCII is refused with. Programs ask for the form
// that it has in the domain name system; who reads what a person wrote converts it first.
var ErrScript = errors.New(
	"a name in another script is written as the domain name system has it, beginning with xn--")

// Parse reads a name into its plain form: ASCII, lower case, no dot at its end.
func Parse(text string) (string, error) {
	name := strings.TrimSuffix(text, ".")
	if !isASCII(name) {
		return "", ErrScript
	}
	name = strings.ToLower(name)
	if err := check(name); err != nil {
		return "", err
	}
	return name, nil
}

// IsPlain reports whether a name is in the form that [Parse] returns.
func IsPlain(name string) bool {
	return isASCII(name) && strings.ToLower(name) == name && check(name) == nil
}

// Host reads a name or a literal address, of which it returns one. An IPv6 address has no brackets
// and no zone; one that stands for an IPv4 address is returned as that.
func Host(text string) (string, netip.Addr, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Zone() != "" {
			return "", netip.Addr{}, errors.New("an address with a zone belongs to one interface alone")
		}
		return "", addr.Unmap(), nil
	}
	name, err := Parse(text)
	return name, netip.Addr{}, err
}

// HostPort reads what a client asks a proxy for: "name:port", "1.2.3.4:port", "[::1]:port".
func HostPort(text string) (string, netip.Addr, uint16, error) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return "", netip.Addr{}, 0, errors.New("it has no port")
	}
	port, err := Port(text[at+1:])
	if err != nil {
		return "", netip.Addr{}, 0, err
	}
	host := text[:at]
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if _, err := netip.ParseAddr(inner); !ok || err != nil || !strings.Contains(inner, ":") {
			return "", netip.Addr{}, 0, errors.New("what stands in brackets is no IPv6 address")
		}
		host = inner
	} else if strings.Contains(host, ":") {
		return "", netip.Addr{}, 0, errors.New("an IPv6 address stands in brackets")
	}
	name, addr, err := Host(host)
	return name, addr, port, err
}

// Port reads a port: decimal digits, and neither 0 nor with a zero in front.
func Port(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, fmt.Errorf("%q is not a port from 1 to 65535", text)
	}
	return uint16(n), nil
}

// check reports why a name that is ASCII and lower case is none.
func check(name string) error {
	switch {
	case name == "":
		return errors.New("it is empty")
	case len(name) > longestName:
		return fmt.Errorf("a name has at most %d characters", longestName)
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	if isNumber(labels[len(labels)-1]) {
		return errors.New("a number at its end makes it an address to some programs and a name to others")
	}
	return nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("nothing stands between two of its dots")
	case len(label) > longestLabel:
		return fmt.Errorf("between two dots stand at most %d characters", longestLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("a part of a name neither begins nor ends with a hyphen")
	}
	for i := range len(label) {
		c := label[i]
		letter := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
		if !letter {
			return fmt.Errorf("%q cannot stand in a name", rune(c))
		}
	}
	return nil
}

// isNumber reports whether a program could take a label for a part of an IPv4 address.
func isNumber(label string) bool {
	digits, base := label, 10
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		if hex == "" {
			return true
		}
		digits, base = hex, 16
	}
	for i := range len(digits) {
		c := digits[i]
		if !('0' <= c && c <= '9' || base == 16 && 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
