package config

import (
	"slices"
	"strings"

	"github.com/nono-run/nono/core/config/language"
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/policy"
)

// places are the attributes that say where in a request the key stands. One of them takes the place
// of the others.
var places = []string{"header", "query", "basic", "path"}

// keyPlace is where in a request the key stands.
func (r *reader) keyPlace(
	c *policy.Credential, values map[string]*language.Value,
	one func(string) (language.Item, bool),
) policy.KeyPlace {
	var given []string
	for _, name := range places {
		if values[name] != nil {
			given = append(given, name)
		}
	}
	format, formatted := one("format")
	switch {
	case len(given) == 0:
		r.add(problem(c.Source, "where in a request the key of %s stands is not said", c.Service).
			Try(`write header = "Authorization" and format = "Bearer {}" into its block, ` +
				`or query, basic or path`))
		return policy.KeyPlace{}
	case len(given) > 1:
		r.add(problem(values[given[1]].Source, "a key stands in one place, and %s and %s name two",
			given[0], given[1]).Try("keep one of them"))
		return policy.KeyPlace{}
	case formatted && given[0] != "header":
		r.add(problem(format.Source, "format is for a header, and the key of %s stands elsewhere (%s)",
			c.Service, given[0]))
		return policy.KeyPlace{}
	}
	it, _ := one(given[0])
	place := policy.KeyPlace{Type: policy.KeyPlaceType(given[0]), Name: it.Text}
	switch place.Type {
	case policy.HeaderPlace:
		place.Format = "{}"
		if formatted {
			place.Format = format.Text
		}
		if !headerName.MatchString(it.Text) || slices.Contains(notForKeys, strings.ToLower(it.Text)) {
			r.add(problem(it.Source, "no key can stand in a header %s", quote(shortened(it.Text))))
		}
		if strings.Count(place.Format, "{}") != 1 || !isLine(place.Format) {
			r.add(problem(format.Source, "the format has {} once, where the key stands").
				Try(`write format = "Bearer {}"`))
		}
	case policy.QueryPlace:
		if it.Text == "" || !isLine(it.Text) {
			r.add(problem(it.Source, "%s cannot be the name of a parameter", quote(shortened(it.Text))))
		}
	case policy.BasicPlace:
		v := values[given[0]]
		user := v.Fields["user"]
		if user == nil {
			place.Name, place.Format = "", policy.UserAndPassword
			break
		}
		if !isLine(user.Items[0].Text) || strings.Contains(user.Items[0].Text, ":") {
			r.add(problem(v.Source, "a password belongs to a user, whose name has no colon").
				Try(`write basic = { user = "NAME" }`))
			break
		}
		place.Name = user.Items[0].Text
	case policy.PathPlace:
		place.Name, place.Format = "", strings.TrimSuffix(it.Text, "*")
		if !keyPath.MatchString(place.Format) {
			r.add(problem(it.Source, "%s does not say where in a path the key stands",
				quote(shortened(it.Text))).Try(`write path = "/bot{}/*"`))
		}
	}
	return place
}

// keyPrefix is what may stand before a token.
var keyPrefix = lazyregexp.New(`^[A-Za-z0-9_-]{1,40}$`)

var (
	headerName = lazyregexp.New(`^[A-Za-z0-9-]{1,100}$`)
	// keyPath is a part of a path in which the key stands, with what surrounds it.
	keyPath = lazyregexp.New(`^(/[A-Za-z0-9_.~-]+)*/[A-Za-z0-9_.~-]*\{\}(/[A-Za-z0-9_.~-]+)*/?$`)
	// notForKeys are headers that say how a request is to be read.
	notForKeys = []string{
		"host", "connection", "content-length", "content-type", "transfer-encoding", "te", "trailer",
		"upgrade", "expect", "keep-alive", "proxy-authorization", "accept-encoding",
	}
)

// isLine reports whether a text can stand in a header.
func isLine(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f })
}
