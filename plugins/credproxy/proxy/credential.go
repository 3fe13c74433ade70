package proxy

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// credentialHeaders are those by which services let somebody in. Each is taken out of every
// request: what the key stands in is set afterwards. A cookie is a credential that a service handed
// out.
var credentialHeaders = []string{
	"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Goog-Api-Key",
	"Private-Token", "Job-Token", "Deploy-Token", "X-Auth-Token", "X-Auth-Key", "X-Access-Token",
	"X-Amz-Security-Token", "X-Goog-Iam-Authorization-Token",
}

// credentialParameters are the same in a query.
var credentialParameters = []string{
	"access_token", "api_key", "api-key", "apikey", "private_token", "job_token", "oauth_token",
}

// googleParameter is what a service that has keys in googleHeader has as well. Elsewhere it is a
// word like any other.
const (
	googleHeader    = "X-Goog-Api-Key"
	googleParameter = "key"
)

// socketKey is what stands before a key in a WebSocket's list of protocols: a browser can put it
// nowhere else.
const socketKey = "openai-insecure-api-key."

// checkKey refuses a key that its place cannot carry.
func checkKey(place policy.KeyPlace, key []byte) error {
	if place.Type != policy.HeaderPlace {
		return nil
	}
	for _, c := range key {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return errors.New("it holds a control character, which no header can carry")
		}
	}
	return nil
}

// dashed is a header's name as some servers read it: they take "_" for "-".
func dashed(name string) string {
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// splitUser makes of a key that is "USER:PASSWORD" the password of that user.
func splitUser(s *Service) error {
	if s.Place.Type != policy.BasicPlace || s.Place.Format != policy.UserAndPassword {
		return nil
	}
	user, password, ok := bytes.Cut(s.Key.Reveal(), []byte(":"))
	if !ok {
		return errors.New("it is no USER:PASSWORD: there is no colon in it")
	}
	s.Place = policy.KeyPlace{Type: policy.BasicPlace, Name: string(user)}
	s.Key = sdk.NewSecret(password)
	return nil
}

// isCredential reports whether a header lets somebody in.
func isCredential(name string, place policy.KeyPlace) bool {
	name = dashed(name)
	return slices.Contains(credentialHeaders, name) ||
		place.Type == policy.HeaderPlace && name == http.CanonicalHeaderKey(place.Name)
}

// stripHeaders takes every credential out.
func stripHeaders(h http.Header, place policy.KeyPlace) {
	for name := range h {
		if isCredential(name, place) {
			delete(h, name)
		}
	}
}

// credentials finds the token, in whichever place a client puts a key, and takes all credentials
// out of path and query. Without the token the request ends here.
func (p *Proxy) credentials(pass *passage, r *http.Request) *refusal {
	var found, ok bool
	for name, values := range r.Header {
		if !isCredential(name, p.service.Place) {
			continue
		}
		for _, v := range values {
			found = p.headerHasToken(v) || found
		}
	}
	var inQuery, inPath, inSocket bool
	if pass.query, inQuery, ok = p.stripQuery(pass.query); !ok {
		return bad("a credential in the query is not told from the parameter beside it")
	}
	inSocket = p.stripProtocols(pass, r.Header)
	if inPath, ok = p.stripPath(pass, r.URL.EscapedPath()); !ok {
		return bad("the path does not begin as the service's do")
	}
	if found || inQuery || inPath || inSocket {
		return nil
	}
	status := http.StatusUnauthorized
	if p.service.Git {
		status = http.StatusForbidden // git would ask the user for a name and a password
	}
	return &refusal{status, "the request has no stand-in for the key of " +
		p.service.Name + ": it works only with the one that nono gave this session, for this service"}
}

// isToken compares in a time that depends on the length alone.
func (p *Proxy) isToken(text string) bool {
	return subtle.ConstantTimeCompare([]byte(text), p.service.Token.Reveal()) == 1
}

// headerHasToken looks for the token in a header, which may have a scheme before it: "Bearer", or
// "Basic" with a user and a password.
func (p *Proxy) headerHasToken(value string) bool {
	scheme, rest, two := strings.Cut(value, " ")
	found := p.isToken(value)
	if !two {
		return found
	}
	rest = strings.TrimLeft(rest, " ")
	found = p.isToken(rest) || found
	if strings.EqualFold(scheme, "Basic") {
		pair, err := base64.StdEncoding.DecodeString(rest)
		user, password, _ := strings.Cut(string(pair), ":")
		found = err == nil && (p.isToken(user) || p.isToken(password)) || found
	}
	return found
}

// stripQuery takes credentials out of a query, and leaves the rest as it was written; false where
// they cannot be told apart: some servers take ";" for "&".
func (p *Proxy) stripQuery(query string) (rest string, token, ok bool) {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case p.isParameter(name) && !strings.Contains(part, ";"):
			if text, err := url.QueryUnescape(value); err == nil && p.isToken(text) {
				token = true
			}
			continue
		case strings.Contains(part, ";"):
			for inner := range strings.SplitSeq(part, ";") {
				if name, _, _ := strings.Cut(inner, "="); p.isParameter(name) {
					return "", false, false
				}
			}
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "&"), token, true
}

// isParameter reports whether a parameter, still encoded, lets somebody in.
func (p *Proxy) isParameter(escaped string) bool {
	name, err := url.QueryUnescape(escaped)
	if err != nil {
		return false
	}
	name = strings.ToLower(strings.TrimSpace(name))
	place := p.service.Place
	google := place.Type == policy.QueryPlace || place.Type == policy.HeaderPlace &&
		http.CanonicalHeaderKey(place.Name) == googleHeader
	return slices.Contains(credentialParameters, name) || google && name == googleParameter ||
		place.Type == policy.QueryPlace && name == strings.ToLower(place.Name)
}

// stripProtocols takes keys out of a WebSocket's list of protocols.
func (p *Proxy) stripProtocols(pass *passage, h http.Header) (token bool) {
	values, asked := h["Sec-Websocket-Protocol"]
	if !asked {
		return false
	}
	pass.protocols = []string{}
	for _, name := range strings.Split(strings.Join(values, ","), ",") {
		name = strings.TrimSpace(name)
		if key, ok := strings.CutPrefix(name, socketKey); ok {
			token = p.isToken(key) || token
			continue
		}
		pass.protocols = append(pass.protocols, name)
	}
	return token
}

// stripPath puts the key in the place of the token in the path, where the service wants it there.
// What is told and held against the policy has "{}" in that place.
func (p *Proxy) stripPath(pass *passage, escaped string) (token, ok bool) {
	pass.Path = escaped
	if p.service.Place.Type != policy.PathPlace {
		return false, true
	}
	before, after, _ := strings.Cut(p.service.Place.Format, "{}")
	rest, begins := strings.CutPrefix(escaped, p.upstream.EscapedPath()+before)
	given := string(p.service.Token.Reveal())
	if len(rest) < len(given) || !begins {
		pass.Path = "?" // it may be anything, a key too
		return false, begins
	}
	if !p.isToken(rest[:len(given)]) {
		pass.Path = "?"
		return false, true
	}
	rest = rest[len(given):]
	if !strings.HasPrefix(rest, after) {
		return false, false
	}
	begin := p.upstream.EscapedPath() + before
	key := string(p.service.Key.Reveal())
	pass.Path = begin + "{}" + rest
	pass.rawPath = begin + url.PathEscape(key) + rest
	var err error
	pass.path, err = url.PathUnescape(pass.rawPath)
	return true, err == nil
}

// put sets the key where the service wants it. In the path it stands already.
func (p *Proxy) put(out *http.Request) {
	key := string(p.service.Key.Reveal())
	switch place := p.service.Place; place.Type {
	case policy.HeaderPlace:
		out.Header.Set(place.Name, strings.Replace(place.Format, "{}", key, 1))
	case policy.QueryPlace:
		if out.URL.RawQuery != "" {
			out.URL.RawQuery += "&"
		}
		out.URL.RawQuery += url.QueryEscape(place.Name) + "=" + url.QueryEscape(key)
	case policy.BasicPlace:
		out.SetBasicAuth(place.Name, key)
	case policy.PathPlace:
	}
}
