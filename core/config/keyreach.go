package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/hostname"
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/policy"
)

// serviceURL is an upstream in the form that a policy has.
func (r *reader) serviceURL(it language.Item) string {
	bad := func(why string) string {
		r.add(problem(it.Source, "%s cannot be where requests with a key go: %s",
			quote(shortened(it.Text)), why).Try(`write "https://HOST/PATH"`))
		return ""
	}
	u, err := url.Parse(it.Text)
	switch {
	case err != nil || u.Opaque != "" || u.Host == "":
		return bad("it is no URL of a host")
	case u.Scheme != "https":
		return bad("a key is sent by https alone")
	case u.User != nil:
		r.hidden = append(r.hidden, it.Source)
		return bad("a user and a password do not stand in it")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("after its path stands nothing")
	}
	host, addr, err := hostname.Host(u.Hostname())
	if err != nil {
		return bad(err.Error())
	}
	if host == "" {
		host = addr.String()
		if addr.Is6() {
			host = "[" + host + "]"
		}
	}
	if text := u.Port(); text != "" {
		port, err := hostname.Port(text)
		if err != nil {
			return bad(err.Error())
		}
		if port != 443 {
			host += fmt.Sprintf(":%d", port)
		}
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if part == "." || part == ".." || part == "" && path != "" || strings.Contains(part, "%") {
			return bad("its path has a part that is empty, dotted or encoded")
		}
	}
	return "https://" + host + path
}

// plainPath is one that needs no encoding, and leads nowhere above itself.
var plainPath = lazyregexp.New(`^(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+/?$`)

// gitHosts are the hosts of which git reaches the repositories, in the form that a policy has.
func (r *reader) gitHosts(c *policy.Credential, v *language.Value) {
	if v == nil || len(v.Items) == 0 {
		return
	}
	c.GitUser = defaultGitUser
	if c.Place.Type == policy.BasicPlace {
		c.GitUser = c.Place.Name
		if c.Place.Format == policy.UserAndPassword {
			r.add(problem(v.Source, "git is given a password, and the key of %s is USER:PASSWORD",
				c.Service).Try(`name the user: basic = { user = "NAME" }`))
			return
		}
	}
	for _, it := range v.Items {
		u, err := url.Parse("https://" + it.Text)
		if err != nil || u.Host != it.Text || u.Host == "" {
			r.add(problem(it.Source, "%s is no host of git's", quote(shortened(it.Text))).
				Try(`write "HOST" or "HOST:PORT": its repositories are reached by https`))
			continue
		}
		plain := strings.TrimPrefix(r.serviceURL(language.Item{Text: u.String(), Source: it.Source}),
			"https://")
		if plain != "" && !slices.Contains(c.Git, plain) {
			c.Git = append(c.Git, plain)
		}
	}
}

// defaultGitUser is whose password a key is where nothing else is said. Few services look at it.
const defaultGitUser = "git"

// narrowed are the methods and paths that requests may have.
func (r *reader) narrowed(c *policy.Credential, values map[string]*language.Value) {
	if v := values["methods"]; v != nil {
		for _, it := range v.Items {
			if !method.MatchString(it.Text) {
				r.add(problem(it.Source, "%s is not a method", quote(shortened(it.Text))).
					Try(`write "GET", "POST" and the like`))
			}
			c.Methods = append(c.Methods, it.Text)
		}
		r.notNothing(v)
	}
	if v := values["paths"]; v != nil {
		base := ""
		if u, err := url.Parse(c.Upstream); err == nil {
			base = u.EscapedPath()
		}
		for _, it := range v.Items {
			below := it.Text == base || strings.HasPrefix(it.Text, base+"/")
			if len(c.Git) > 0 { // it may be a repository
				below = strings.HasPrefix(it.Text, "/")
				base = ""
			}
			if !below || !isLine(it.Text) {
				r.add(problem(it.Source, "%s lies outside of what is reached", quote(shortened(it.Text))).
					Try("a path begins with %s", quote(base+"/")))
			}
			c.Paths = append(c.Paths, it.Text)
		}
		r.notNothing(v)
	}
}

var method = lazyregexp.New(`^[A-Z]{1,20}$`)

// notNothing refuses a list that would leave nothing: without the line there is no limit.
func (r *reader) notNothing(v *language.Value) {
	if len(v.Items) == 0 {
		r.add(problem(v.Source, "an empty list leaves nothing that could be asked for").
			Try("list what may be, or take the credential out"))
	}
}

var (
	testPath   = lazyregexp.New(`^(/[A-Za-z0-9_~{}-][A-Za-z0-9_.~{}-]*)+(\?[A-Za-z0-9_=&-]+)?$`)
	testHeader = lazyregexp.New(`^[A-Za-z0-9-]+: [ -~]+$`)
)

// keyTest is what the service can be asked to find out whether a key is good.
func (r *reader) keyTest(c *policy.Credential, v *language.Value) {
	if v == nil {
		return
	}
	path, header := v.Fields["path"], v.Fields["header"]
	if path == nil || !testPath.MatchString(path.Items[0].Text) {
		r.add(problem(v.Source, "what the service is asked is a path below that of its upstream").
			Try(`write test = { path = "/v1/models" }`))
		return
	}
	c.Test.Path = path.Items[0].Text
	if header != nil {
		c.Test.Header = header.Items[0].Text
		name, _, _ := strings.Cut(c.Test.Header, ":")
		if !testHeader.MatchString(c.Test.Header) || slices.Contains(notForKeys, strings.ToLower(name)) {
			r.add(problem(header.Source, "this is no header that a request can have").
				Try(`write header = "anthropic-version: 2023-06-01"`))
		}
	}
}
