package config

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/policy"
)

// wayOut is the upstream proxy: what was said, and what that comes to.
type wayOut struct {
	at policy.Source
	// said is the url without user information, or "system".
	said   string
	bypass []string // patterns

	url  string // where it is; empty where the system names none
	auth []byte // "user:password", of what was typed or of the environment
}

// systemProxy stands for the proxy that the user's environment names.
const systemProxy = "system"

// wayOut reads the upstream of a block.
func (r *reader) wayOut(v *language.Value) {
	u := &wayOut{at: v.Source}
	where, ok := v.Fields["url"]
	if !ok {
		r.add(problem(v.Source, "upstream names no url").
			Try(`write upstream = { url = "http://proxy.example:3128" }, or url = "system"`))
		return
	}
	it := where.Items[0]
	u.at = it.Source
	r.net.upstream = u
	if u.said = it.Text; u.said != systemProxy {
		var err error
		if strings.Contains(it.Text, "@") {
			r.hidden = append(r.hidden, it.Source)
		}
		if u.url, u.auth, err = proxyURL(it.Text); err != nil {
			r.add(noProxy(it.Source, err))
		} else if u.auth != nil {
			r.add(problem(it.Source, "a password does not belong into a policy, which others read").
				Try(`put the url into your environment as HTTPS_PROXY, and write url = "system"`))
		}
		u.said = u.url
	}
	if around, ok := v.Fields["bypass"]; ok {
		r.around(u, around.Items)
	}
}

// upstreamFlag reads --upstream-proxy URL. A password in it goes to core's memory and nowhere else.
func (r *reader) upstreamFlag(f Flag) {
	var u wayOut
	var err error
	if u.said = f.Value; u.said != systemProxy {
		u.url, u.auth, err = proxyURL(f.Value)
		u.said, f.Value = u.url, u.url
	}
	r.opens(f)
	u.at = f.source()
	if err != nil {
		r.add(noProxy(u.at, err))
	}
	if u.auth != nil {
		r.notice(u.at, "the proxy's password stands in nono's command line, which other users of this "+
			"machine may read: put the url into your environment as HTTPS_PROXY, and give "+
			"--upstream-proxy system")
	}
	r.net.upstream = &u
}

func (r *reader) bypassFlag(f Flag) {
	r.opens(f)
	r.net.bypass = append(r.net.bypass, f.item())
}

// around adds what is reached without the proxy.
func (r *reader) around(u *wayOut, items []language.Item) {
	for _, it := range items {
		p, err := hostname.ParsePattern(it.Text)
		switch {
		case err != nil:
			r.add(problem(it.Source, "%s is not a host: %v", quote(shortened(it.Text)), err).
				Try("%s", hostInstead(it.Text)))
		case len(p.Ports) > 0 || p.Every:
			r.add(problem(it.Source, "a host is reached without the proxy at every port or at none").
				Try("leave the port out"))
		default:
			u.bypass = append(u.bypass, p.Host)
		}
	}
}

func noProxy(at policy.Source, err error) diag.Problem {
	return problem(at, "this is not the url of a proxy: %v", err).
		Try(`write http://HOST:PORT or https://HOST:PORT, or "system" for what your environment names`)
}

// proxyURL is the url of a proxy in one form, without the user and the password in it. No error has
// a word of the text, which may hold those.
func proxyURL(text string) (clean string, auth []byte, err error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", nil, errors.New("it cannot be read")
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	switch {
	case port == "":
		return "", nil, errors.New("only http:// and https:// proxies are known")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return "", nil, errors.New("it has more than a host and a port")
	}
	if p := u.Port(); p != "" {
		port = p
	}
	if _, err := hostname.Port(port); err != nil {
		return "", nil, errors.New("its port is none")
	}
	name, addr, err := hostname.Host(u.Hostname())
	if err != nil {
		return "", nil, errors.New("its host is none")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		auth = []byte(u.User.Username() + ":" + password)
	}
	if addr.IsValid() {
		name = addr.String()
		if addr.Is6() {
			name = "[" + name + "]"
		}
	}
	return u.Scheme + "://" + name + ":" + port, auth, nil
}

// settleUpstream finds out what the last word about the upstream comes to.
func (r *reader) settleUpstream() {
	u := r.net.upstream
	if u == nil {
		if len(r.net.bypass) > 0 {
			r.add(problem(r.net.bypass[0].Source, "there is no proxy to go around").
				Try("name it: --upstream-proxy URL"))
		}
		return
	}
	r.around(u, r.net.bypass)
	if u.said == systemProxy {
		r.systemProxy(u)
	}
}

// proxyVariables name the proxy for what goes by TLS, first, for it is nearly all; and then any.
var proxyVariables = []string{
	"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY",
}

// systemProxy takes the proxy that the user's environment names.
func (r *reader) systemProxy(u *wayOut) {
	for _, name := range proxyVariables {
		value, _ := r.Lookup(name)
		if value == "" {
			continue
		}
		var err error
		if u.url, u.auth, err = proxyURL(value); err != nil {
			r.add(problem(u.at, "your variable %s is not the url of a proxy: %v", name, err).
				Try("write http://HOST:PORT or https://HOST:PORT as upstream, "+
					"or into another variable of: %s", strings.Join(proxyVariables, ", ")))
			return
		}
		r.systemBypass(u)
		return
	}
	r.notice(u.at, "your environment names no proxy, so hosts are reached without one")
}

// systemBypass takes the exceptions that the user's environment names. There a name means what
// lies below it, too.
func (r *reader) systemBypass(u *wayOut) {
	name := "no_proxy"
	list, _ := r.Lookup(name)
	if list == "" {
		name = "NO_PROXY"
		list, _ = r.Lookup(name)
	}
	for word := range strings.FieldsFuncSeq(list, func(c rune) bool { return c == ',' || c == ' ' }) {
		if word == "*" {
			u.url, u.auth = "", nil
			r.notice(u.at, "your variable %s is *, so hosts are reached without a proxy", name)
			return
		}
		host := strings.TrimPrefix(strings.TrimPrefix(word, "*"), ".")
		p, err := hostname.ParsePattern(host)
		if err != nil || len(p.Ports) > 0 || p.Every {
			r.notice(u.at, "%s in your variable %s is not a host, and is passed over",
				quote(shortened(word)), name)
			continue
		}
		if _, err := netip.ParsePrefix(p.Host); err == nil {
			u.bypass = append(u.bypass, p.Host)
			continue
		}
		if host == word {
			u.bypass = append(u.bypass, p.Host)
		}
		u.bypass = append(u.bypass, "*."+p.Host)
	}
}
