package conformance

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/sdk/schema"
)

func describe(t *trial) error {
	l, err := t.begin()
	if err != nil {
		return err
	}
	again, err := l.Describe(t.ctx)
	if err != nil {
		return err
	}
	other, err := t.begin()
	if err != nil {
		return err
	}
	for _, d := range []sdk.Description{again, other.is} {
		if !reflect.DeepEqual(d, l.is) {
			return fmt.Errorf("first it says %+v, then %+v", l.is, d)
		}
	}
	if err := schema.Check(l.is.Settings); err != nil {
		return err
	}
	for _, s := range l.is.Settings {
		if s.Help == "" {
			return fmt.Errorf("the setting %q has no help", s.Name)
		}
	}
	return nil
}

// plan begins a process and plans with what prepare makes.
func (t *trial) plan(prepare func(sdk.Description) (*sdk.PlanRequest, error)) (
	l *layer, req *sdk.PlanRequest, resp *sdk.PlanResponse, err error,
) {
	if l, err = t.begin(); err != nil {
		return nil, nil, nil, err
	}
	if req, err = prepare(l.is); err != nil {
		return nil, nil, nil, &Nothing{Why: err.Error(), Untried: true}
	}
	if resp, err = l.Plan(t.ctx, req); err != nil {
		return nil, nil, nil, fmt.Errorf("calling Plan: %w", err)
	}
	if why := l.stopped.Load(); why != nil {
		return nil, nil, nil, fmt.Errorf("in Plan it stopped the run: %s", *why)
	}
	return l, req, resp, nil
}

// planStarter is plan for a layer that has Start and Finish.
func (t *trial) planStarter() (l *layer, req *sdk.PlanRequest, resp *sdk.PlanResponse, err error) {
	l, req, resp, err = t.plan(t.Sample)
	if err == nil && l.is.Lifetime == sdk.Ephemeral {
		err = &Nothing{Why: "it is ephemeral"}
	}
	return l, req, resp, err
}

func planned(t *trial) error {
	for _, prepare := range []func(sdk.Description) (*sdk.PlanRequest, error){t.empty, t.Sample} {
		_, _, resp, err := t.plan(prepare)
		if err != nil {
			return err
		}
		for _, d := range resp.Diagnostics {
			if d.Severity == sdk.SeverityError {
				return fmt.Errorf("it reports an error: %s %s", d.Attribute, d.Summary)
			}
		}
	}
	return nil
}

func coverage(t *trial) error {
	l, req, resp, err := t.plan(t.Sample)
	if err != nil {
		return err
	}
	return answersFor(l.is, req, resp)
}

// answersFor holds that an answer says of each rule of the layer's kind, once, how far it is held.
func answersFor(is sdk.Description, req *sdk.PlanRequest, resp *sdk.PlanResponse) error {
	seen := map[policy.RuleID]bool{}
	for _, c := range resp.Coverage {
		switch _, ok := req.Policy.Find(c.Rule); {
		case c.Rule.Kind() != is.Kind:
			return fmt.Errorf("a %s layer answers for %s", is.Kind, c.Rule)
		case !ok:
			return fmt.Errorf("there is no rule %s", c.Rule)
		case seen[c.Rule]:
			return fmt.Errorf("%s is covered twice", c.Rule)
		case c.Held != sdk.Enforced && c.Why == "":
			return fmt.Errorf("%s is %s, and nothing says why", c.Rule, c.Held)
		}
		seen[c.Rule] = true
	}
	for _, r := range req.Policy.Rules() {
		if r.ID.Kind() == is.Kind && !seen[r.ID] {
			return fmt.Errorf("nothing is said of %s (%s)", r.ID, r.Says)
		}
	}
	return nil
}

func diagnostics(t *trial) error {
	l, req, resp, err := t.plan(t.Sample)
	if err != nil {
		return err
	}
	names := map[string]bool{"": true}
	for _, s := range l.is.Settings {
		names[s.Name] = true
	}
	for _, d := range resp.Diagnostics {
		setting, _, _ := strings.Cut(d.Attribute, ".")
		if !names[setting] {
			return fmt.Errorf("%q is about the setting %q, which it does not declare",
				d.Summary, d.Attribute)
		}
		if _, ok := req.Policy.Find(d.Rule); d.Rule != "" && !ok {
			return fmt.Errorf("%q is about the rule %q, which does not exist", d.Summary, d.Rule)
		}
	}
	return nil
}

// telling is how long a secret must be for its bytes somewhere else to be no accident.
const telling = 6

// findSecret names a secret whose value stands in a text.
func findSecret(text string, secrets map[string]sdk.Secret) (string, bool) {
	for name, secret := range secrets {
		value := string(secret.Reveal())
		if len(value) >= telling && strings.Contains(text, value) {
			return name, true
		}
	}
	return "", false
}

func secrets(t *trial) error {
	_, _, resp, err := t.plan(t.Sample)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, step := range resp.Fragment.Steps {
		if name, ok := findSecret(fmt.Sprintf("%s", step), resp.Secrets); ok {
			return fmt.Errorf("a step holds the secret %q in clear", name)
		}
		env, _ := step.(fragment.Env)
		for _, part := range env.Value {
			if _, ok := resp.Secrets[part.Secret]; part.Secret != "" && !ok {
				return fmt.Errorf("%s has the secret %q, which the answer does not give",
					env.Name, part.Secret)
			}
			used[part.Secret] = true
		}
	}
	said := fmt.Sprintf("%s %s %s", resp.Coverage, resp.Facts, resp.Diagnostics)
	if name, ok := findSecret(said, resp.Secrets); ok {
		return fmt.Errorf("coverage, facts or diagnostics hold the secret %q in clear", name)
	}
	for name := range resp.Secrets {
		if !used[name] {
			return fmt.Errorf("no step uses the secret %q", name)
		}
	}
	return nil
}

func readsOnly(t *trial) error {
	l, err := t.begin()
	if err != nil {
		return err
	}
	req, err := t.Sample(l.is)
	if err != nil {
		return &Nothing{Why: err.Error(), Untried: true}
	}
	for _, dry := range []bool{true, false} {
		if req.DryRun = dry; !dry {
			if err := os.Mkdir(req.Dir, 0o700); err != nil {
				return &Nothing{Why: err.Error(), Untried: true}
			}
		}
		before, err := treeOf(t.Dir)
		if err != nil {
			return &Nothing{Why: err.Error(), Untried: true}
		}
		if _, err := l.Plan(t.ctx, req); err != nil {
			return fmt.Errorf("calling Plan: %w", err)
		}
		after, err := treeOf(t.Dir)
		if err != nil {
			return fmt.Errorf("after Plan: %w", err)
		}
		if changed := before.changes(after); len(changed) > 0 {
			return fmt.Errorf("it was changed in Plan: %s", strings.Join(changed, ", "))
		}
		if n := l.asked.Load(); dry && n > 0 {
			return fmt.Errorf("in a dry run Plan asked the user %d times", n)
		}
	}
	return nil
}

func sameAnswer(t *trial) error {
	l, req, first, err := t.plan(t.Sample)
	if err != nil {
		return err
	}
	other, err := t.begin()
	if err != nil {
		return err
	}
	for _, l := range []*layer{l, other} {
		again, err := l.Plan(t.ctx, req)
		if err != nil {
			return fmt.Errorf("calling Plan once more: %w", err)
		}
		if err := same(first, again); err != nil {
			return err
		}
	}
	return nil
}

// same holds that two answers differ in the values of secrets alone.
func same(a, b *sdk.PlanResponse) error {
	return cmp.Or(
		sameList("step", a.Fragment.Steps, b.Fragment.Steps),
		sameList("coverage", a.Coverage, b.Coverage),
		sameList("fact", a.Facts, b.Facts),
		sameList("diagnostic", a.Diagnostics, b.Diagnostics))
}

func sameList[T any](what string, a, b []T) error {
	if len(a) != len(b) {
		return fmt.Errorf("it answers with %d and with %d entries: %s", len(a), len(b), what)
	}
	for i := range a {
		if !reflect.DeepEqual(a[i], b[i]) {
			return fmt.Errorf("%s %d is %+v, and then %+v", what, i, a[i], b[i])
		}
	}
	return nil
}

func pure(t *trial) error {
	l, req, first, err := t.plan(t.Sample)
	if err != nil {
		return err
	}
	if !l.is.Pure {
		if l.is.Kind == policy.KindFilesystem {
			return fmt.Errorf("a filesystem layer plans from its request alone, and says so: pure")
		}
		return &Nothing{Why: "it does not say that it is pure"}
	}
	if err := os.RemoveAll(req.Host.Home); err != nil {
		return &Nothing{Why: err.Error(), Untried: true}
	}
	other, err := t.begin()
	if err != nil {
		return err
	}
	again, err := other.Plan(t.ctx, req)
	if err != nil {
		return fmt.Errorf("calling Plan when the files that it is about are gone: %w", err)
	}
	if err := same(first, again); err != nil {
		return fmt.Errorf("when the files that it is about are gone: %w", err)
	}
	for name, secret := range first.Secrets {
		if !secret.Equal(again.Secrets[name]) {
			return fmt.Errorf("the secret %q has another value each time", name)
		}
	}
	return nil
}
