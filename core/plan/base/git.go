package base

import (
	"strconv"
	"strings"

	"github.com/nono-run/nono/sdk/fragment"
)

// GitHost is a host whose repositories git reaches at a listener inside, which a layer serves and
// lets in whoever has a secret of its.
type GitHost struct {
	Host, At      string
	Layer, Secret string
}

// gitCount is the variable that says how many settings of git's there are in variables: a name and
// a value each, which outrank those of every file, a repository's own too.
const gitCount = "GIT_CONFIG_COUNT"

// mostOfTheirs is how many settings a user may have in variables, for ours to be put behind them.
const mostOfTheirs = 1000

// setting is one of git's settings.
type setting struct {
	name  string
	value fragment.Value
	layer string // whose secret it has
}

// gitSettings are git's settings as variables, behind those that the user passes or sets in the
// same way.
func (e Environment) gitSettings(host map[string]string) []Variable {
	settings := e.Doors.settings(e.Closed)
	if len(settings) == 0 {
		return nil
	}
	theirs := ""
	if d := e.Decide.Variable(gitCount); d.Allowed {
		theirs = host[gitCount]
		if d.Rule.Gives() {
			theirs = d.Rule.Value
		}
	}
	first, err := strconv.ParseUint(theirs, 10, 16)
	if err != nil || first > mostOfTheirs {
		first = 0 // git would not take them either
	}
	count := int(first) + len(settings)
	vars := []Variable{ours(gitCount, fragment.Text(strconv.Itoa(count)))}
	for i, s := range settings {
		number := strconv.Itoa(int(first) + i)
		value := ours("GIT_CONFIG_VALUE_"+number, s.value)
		value.Layer = s.layer
		vars = append(vars, ours("GIT_CONFIG_KEY_"+number, fragment.Text(s.name)), value)
	}
	return vars
}

// settings are what git is told of the ways out.
func (d Doors) settings(closed bool) []setting {
	var all []setting
	if d.Proxy != "" && !closed {
		all = append(all, setting{name: "http.proxy", value: fragment.Text("http://" + d.Proxy)})
	}
	for _, g := range d.Git {
		inside := "http://" + g.At + "/"
		for _, prefix := range g.prefixes() {
			all = append(all,
				setting{name: "url." + inside + ".insteadOf", value: fragment.Text(prefix)})
		}
		all = append(all,
			setting{
				name: "http." + inside + ".extraHeader", layer: g.Layer,
				value: fragment.Value{
					fragment.Literal("Authorization: Bearer "), fragment.SecretValue(g.Secret),
				},
			},
			// A repository's own proxy is not for what lies inside.
			setting{name: "http." + inside + ".proxy", value: fragment.Text("")})
	}
	return all
}

// prefixes are how repositories of the host are written. By ssh it would ask for a key that is not
// there, so what is written for that is fetched and pushed in the same way.
func (g GitHost) prefixes() []string {
	all := []string{"https://" + g.Host + "/"}
	if !strings.Contains(g.Host, ":") {
		all = append(all, "git@"+g.Host+":", "ssh://git@"+g.Host+"/")
	}
	return all
}
