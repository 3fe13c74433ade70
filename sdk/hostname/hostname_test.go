package hostname_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/nono-run/nono/sdk/hostname"
)

func ExampleHost() {
	name, _, _ := hostname.Host("API.Example.com.")
	_, addr, _ := hostname.Host("::ffff:10.0.0.1")
	_, _, err := hostname.Host("2130706433")
	fmt.Println(name, addr)
	fmt.Println(err)
	// Output:
	// api.example.com 10.0.0.1
	// a number at its end makes it an address to some programs and a name to others
}

func TestHost(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for text, want := range map[string]string{
		"example.com":               "example.com",
		"EXAMPLE.com.":              "example.com",
		"bücher.example":            "",
		"ｅxample。com":               "",
		"xn--bcher-kva.example":     "xn--bcher-kva.example",
		"a_b.example.com":           "a_b.example.com",
		"localhost":                 "localhost",
		"1e100.net":                 "1e100.net",
		"10.0.0.1":                  "10.0.0.1",
		"::1":                       "::1",
		"::ffff:169.254.169.254":    "169.254.169.254",
		long + ".com":               long + ".com",
		"":                          "",
		".":                         "",
		"example.com..":             "",
		".example.com":              "",
		"a..b":                      "",
		"evil.com\x00.example.com":  "",
		"evil.com%00.example.com":   "",
		"user@example.com":          "",
		"example.com\\@evil.com":    "",
		"example.com/evil":          "",
		"example.com#x":             "",
		"example.com evil.com":      "",
		"example.com\r\nHost: x":    "",
		"-a.example.com":            "",
		"a-.example.com":            "",
		"127.1":                     "",
		"0x7f.0.0.1":                "",
		"0x7f000001":                "",
		"0177.0.0.1":                "",
		"010.0.0.1":                 "",
		"2130706433":                "",
		"127.0.0.0x1":               "",
		"1.2.3.4.5":                 "",
		"example.0x":                "",
		"fe80::1%eth0":              "",
		"[::1]":                     "",
		long + "a.com":              "",
		strings.Repeat("abcd.", 51): "",
		"exa\u200dmple.com":         "",
		"*.example.com":             "",
	} {
		name, addr, err := hostname.Host(text)
		got := name
		if addr.IsValid() {
			got = addr.String()
		}
		if want == "" && err == nil {
			t.Errorf("%q is taken, as %q", text, got)
		}
		if want != "" && (err != nil || got != want) {
			t.Errorf("%q is %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestHostPort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"example.com:443":   "example.com invalid IP 443",
		"1.2.3.4:80":        " 1.2.3.4 80",
		"[::1]:80":          " ::1 80",
		"example.com":       "",
		"example.com:":      "",
		"example.com:0":     "",
		"example.com:+1":    "",
		"example.com:080":   "",
		"example.com:65536": "",
		"::1:80":            "",
		"[1.2.3.4]:80":      "",
		"[example.com]:80":  "",
		"[::1:80":           "",
		"a:b@c:80":          "",
	} {
		name, addr, port, err := hostname.HostPort(text)
		got := fmt.Sprint(name, " ", addr, " ", port)
		if (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q is %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestParsePattern(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Example.com":         "example.com [] false",
		"example.com:8443":    "example.com [8443] false",
		"*.Example.com:*":     "*.example.com [] true",
		"10.0.0.0/8":          "10.0.0.0/8 [] false",
		"10.0.0.1:22":         "10.0.0.1/32 [22] false",
		"2606:4700::1":        "2606:4700::1/128 [] false",
		"[2606:4700::1]:443":  "2606:4700::1/128 [443] false",
		"[2606:4700::]/32:*":  "2606:4700::/32 [] true",
		"[2606:4700::/32]:80": "2606:4700::/32 [80] false",
		"10.0.0.1/8":          "",
		"*":                   "",
		"*.*.example.com":     "",
		"api.*.com":           "",
		"https://example.com": "",
		"example.com/path":    "",
		"example.com:x":       "",
		"":                    "",
		"[example.com]:80":    "",
		"[::1]x":              "",
	} {
		p, err := hostname.ParsePattern(text)
		got := fmt.Sprint(p.Host, " ", p.Ports, " ", p.Every)
		if (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q is %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestSpecial(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.168.1.1", "198.18.0.1", "224.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1",
		"fc00::1", "fd00:ec2::254", "fe80::1", "ff02::1", "4000::1", "fe80::1%lo",
	} {
		if _, _, ok := hostname.Special(netip.MustParseAddr(text)); !ok {
			t.Errorf("%s passes for the public internet", text)
		}
	}
	for _, text := range []string{
		"1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00::1",
		"::ffff:1.1.1.1", "168.63.129.16",
	} {
		if within, _, ok := hostname.Special(netip.MustParseAddr(text)); ok {
			t.Errorf("%s is in %s", text, within)
		}
	}
	if !hostname.IsMetadata(netip.MustParseAddr("::ffff:169.254.169.254")) {
		t.Error("an address of a metadata service in another form is not known")
	}
}

// FuzzHost holds that what comes out is in the plain form, and stays the same if it is read again.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"Example.com.", "::1", "bücher.example", "0x7f.1", "a\x00b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, addr, err := hostname.Host(text)
		if err != nil {
			return
		}
		if addr.IsValid() {
			if name != "" || addr.Is4In6() || addr.Zone() != "" {
				t.Fatalf("%q is %q and %s", text, name, addr)
			}
			return
		}
		if !hostname.IsPlain(name) {
			t.Fatalf("%q is %q, which is not plain", text, name)
		}
		again, _, err := hostname.Host(name)
		if err != nil || again != name {
			t.Fatalf("%q is %q, and that is %q (%v)", text, name, again, err)
		}
	})
}
