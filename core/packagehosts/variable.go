package packagehosts

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// Variable is one by which the agent's own manager is told what the user's settings say.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	// Secret says that a password or a key stands in the value, or may: then the value is not here.
	Secret bool `json:"secret,omitempty"`
}

// variables are the names of those that there may be.
var variables = []string{
	"npm_config_registry", "GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOSUMDB", "GONOPROXY",
	"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL",
}

// longestValue is how long a value may be.
const longestValue = 4096

// variable is one with a value as a manager says it, unless that may have a secret in it.
func variable(name, value string) Variable {
	if !plain(value) {
		return Variable{Name: name, Secret: true}
	}
	return Variable{Name: name, Value: value}
}

// sound reports whether a variable is one that could have been learned.
func (v Variable) sound() bool {
	if v.Secret {
		return v.Value == "" && slices.Contains(variables, v.Name)
	}
	return v.Value != "" && plain(v.Value) && slices.Contains(variables, v.Name)
}

// plain reports whether each part of a list of addresses, names and patterns has no room for a
// password: no user, no query and no fragment. What is not understood is not plain.
func plain(value string) bool {
	if len(value) > longestValue ||
		strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return false
	}
	for part := range strings.FieldsFuncSeq(value,
		func(r rune) bool { return r == ' ' || r == ',' || r == '|' }) {
		if !strings.Contains(part, "://") {
			if strings.Contains(part, "@") {
				return false
			}
			continue
		}
		u, err := url.Parse(part)
		if err != nil || u.User != nil || u.Host == "" && u.Scheme != "file" ||
			u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return false
		}
	}
	return true
}

// differing are those variables of which the agent's own manager, without the user's settings,
// would say something else.
func (l *Learner) differing(ctx context.Context, m manager, said []Variable) ([]Variable, error) {
	inside := *l
	inside.bare = true
	usual, err := m.answer(ctx, &inside)
	if err != nil {
		return nil, err
	}
	var differ []Variable
	for _, v := range said {
		if v.sound() && (v.Secret || !slices.Contains(usual.variables, v)) {
			differ = append(differ, v)
		}
	}
	return differ, nil
}
