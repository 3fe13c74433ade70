package policy_test

import (
	"slices"
	"testing"

	"github.com/nono-run/nono/sdk/policy"
)

// A variable that a real key may be in is not passed on by any rule; what is set has another value.
func TestKeysVariables(t *testing.T) {
	c := policy.Credential{
		ID: "credentials.acme", Service: "acme", KeyVariable: "ACME_API_KEY", URLVariable: "ACME_URL",
		Keys: []policy.KeySource{
			{Type: policy.KeyringSource, Name: "NO_VARIABLE"},
			{Type: policy.VariableSource, Name: "ACME_KEY"},
			{Type: policy.VariableSource, Name: "ACME_API_KEY"},
		},
	}
	if got := c.Variables(); !slices.Equal(got, []string{"ACME_API_KEY", "ACME_URL", "ACME_KEY"}) {
		t.Errorf("got %q", got)
	}
	flag := policy.Source{Origin: policy.OriginFlag, Flag: "--env"}
	rules := []policy.EnvRule{
		{ID: "environment.pass.0", Action: policy.EnvPass, Name: "*", Source: flag},
		{ID: "environment.pass.1", Action: policy.EnvPass, Name: "ACME_KEY", Source: flag},
	}
	with := policy.NewDecider(&policy.Policy{
		Environment: rules, Credentials: []policy.Credential{c},
	})
	without := policy.NewDecider(&policy.Policy{Environment: rules})
	for name, want := range map[string]bool{
		"ACME_API_KEY": false, "ACME_URL": false, "ACME_KEY": false, "NO_VARIABLE": true, "ACME": true,
	} {
		if d := with.Variable(name); d.Allowed != want || d.Why == "" {
			t.Errorf("%s: %+v", name, d)
		}
		if !without.Variable(name).Allowed { // the control
			t.Errorf("%s is not passed without the credential either", name)
		}
	}
}

// The rule of a credential belongs to the kind of its layer, and says what it is about.
func TestCredentialIsARule(t *testing.T) {
	p := policy.Policy{Credentials: []policy.Credential{{
		ID: "credentials.acme", Service: "acme", Upstream: "https://api.acme.example/v1",
		Methods: []string{"GET", "POST"}, Paths: []string{"/v1/chat/*"},
	}}}
	r, ok := p.Find("credentials.acme")
	want := "use acme at https://api.acme.example/v1, GET POST, /v1/chat/*"
	if !ok || r.Says != want || r.ID.Kind() != policy.KindCredentials {
		t.Errorf("got %+v", r)
	}
	for want, s := range map[string]policy.KeySource{
		"keyring://acme":              {Type: policy.KeyringSource, Name: "acme"},
		"cmd:///bin/pass show a\\x1b": {Type: policy.CommandSource, Name: "/bin/pass", Args: []string{"show", "a\x1b"}},
	} {
		if s.String() != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
}
