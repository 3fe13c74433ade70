package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A Decider is an index. What it must answer is written down here in the plain way: one pass over
// all rules, for each question.
func TestDeciderAnswersAsOnePassOverAllRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		d := NewDecider(p)
		for range 8 {
			name, op := drawPath(t), rapid.SampledFrom([]Op{OpRead, OpWrite, OpExecute, ""}).Draw(t, "op")
			if got, want := d.Path(name, op), onePassPath(p, name, op); got != want {
				t.Fatalf("%s %s: %+v, want %+v", op, name, got, want)
			}
			variable := drawVariable(t)
			if got, want := d.Variable(variable), onePassVariable(p, variable); got != want {
				t.Fatalf("%s: %+v, want %+v", variable, got, want)
			}
		}
	})
}

// onePassPath is the decision about a path without an index. The rule that it names is compared by
// its address, so an equal one does not do.
func onePassPath(p *Policy, name string, op Op) Decision {
	switch op {
	case OpRead, OpWrite, OpExecute:
	default:
		return Decision{Why: "not an operation: " + string(op)}
	}
	if !path.IsAbs(name) || path.Clean(name) != name {
		return Decision{Why: "not an absolute, clean path"}
	}
	for _, d := range p.Disabled {
		if d.Kind == KindFilesystem {
			return Decision{Allowed: true, Why: "no path is restricted: " + d.Source.String()}
		}
	}
	var denial, protection, grant, lesser *PathRule
	for i := range p.Filesystem {
		r := &p.Filesystem[i]
		if !Within(name, r.Path) {
			continue
		}
		switch r.Access {
		case Protect:
			protection = sharper(protection, r)
		case Allow, Read, Write, Unix:
			if r.gives(name, op) {
				grant = sharper(grant, r)
			} else {
				lesser = sharper(lesser, r)
			}
		case Deny:
			if !slices.ContainsFunc(r.Lifted, func(l Lift) bool { return Within(name, l.Path) }) {
				denial = sharper(denial, r)
			}
		default:
			denial = sharper(denial, r)
		}
	}
	switch {
	case denial != nil && denial.Source.Asked():
		return Decision{Rule: denial, Why: "denied"}
	case denial != nil:
		return Decision{Rule: denial, Why: "denied by default"}
	case protection != nil && op == OpWrite && grant != nil:
		return Decision{Rule: protection, Why: "protected: may be read, not written"}
	case grant != nil:
		return Decision{Allowed: true, Rule: grant, Why: "granted"}
	case lesser != nil:
		return Decision{Rule: lesser, Why: lesser.withholds(name, op)}
	}
	return Decision{Why: "no rule grants it"}
}

// speaksOf reports whether a rule is about this variable. Only pass and deny know patterns; no name
// is the empty string.
func speaksOf(r *EnvRule, name string) bool {
	if name == "" {
		return false
	}
	if prefix, ok := r.pattern(); ok {
		return strings.HasPrefix(name, prefix)
	}
	return r.Name == name
}

func onePassVariable(p *Policy, name string) VariableDecision {
	var set, refused, never, exact, passed *EnvRule
	for i := range p.Environment {
		r := &p.Environment[i]
		if !speaksOf(r, name) {
			continue
		}
		switch r.Action {
		case EnvSet, EnvSecret:
			set = stronger(set, r)
		case EnvPass:
			passed = stronger(passed, r)
			if r.Name == name && r.Source.Asked() {
				exact = stronger(exact, r)
			}
		case EnvDeny:
			if r.Source.Asked() {
				refused = stronger(refused, r)
			} else {
				never = stronger(never, r)
			}
		default:
			refused = stronger(refused, r)
		}
	}
	switch {
	case set != nil:
		return VariableDecision{Allowed: true, Rule: set, Why: "set"}
	case refused != nil:
		return VariableDecision{Rule: refused, Why: "denied"}
	case exact != nil:
		return VariableDecision{Allowed: true, Rule: exact, Why: "passed by its exact name"}
	case never != nil:
		return VariableDecision{Rule: never, Why: "never inherited, unless your policy passes exactly this name"}
	case passed != nil:
		return VariableDecision{Allowed: true, Rule: passed, Why: "passed"}
	}
	return VariableDecision{Why: "no rule passes it"}
}

// drawPolicy makes rules of few names, so that they meet: several at one path, and some that
// core/config would never make.
func drawPolicy(t *rapid.T) *Policy {
	p := &Policy{}
	origins := rapid.SampledFrom([]Origin{OriginDefault, OriginConfig, OriginFile, OriginFlag, ""})
	for i := range rapid.IntRange(0, 12).Draw(t, "paths") {
		p.Filesystem = append(p.Filesystem, PathRule{
			ID:     RuleID(fmt.Sprintf("filesystem.x.%d", i*7%13)), // each its own, and in no order
			Source: Source{Origin: origins.Draw(t, "origin")},
			Access: rapid.SampledFrom([]Access{Allow, Allow, Read, Write, Deny, Protect, Unix, ""}).Draw(t, "access"),
			Path:   rapid.OneOf(rapid.SampledFrom([]string{"", "a", "/a/"}), rulePaths, rulePaths).Draw(t, "path"),
			Type:   rapid.SampledFrom([]FileType{Directory, Directory, Regular, Special, Missing}).Draw(t, "type"),
			Lifted: rapid.SliceOfN(rapid.Custom(drawLift), 0, 2).Draw(t, "lifted"),
		})
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "variables") {
		p.Environment = append(p.Environment, EnvRule{
			ID:     RuleID(fmt.Sprintf("environment.x.%d", i)),
			Source: Source{Origin: origins.Draw(t, "origin")},
			Action: rapid.SampledFrom([]EnvAction{EnvPass, EnvPass, EnvSet, EnvSecret, EnvDeny, ""}).Draw(t, "action"),
			Name:   drawVariable(t) + rapid.SampledFrom([]string{"", "*"}).Draw(t, "star"),
		})
	}
	if rapid.IntRange(0, 9).Draw(t, "disabled") == 0 {
		kind := rapid.SampledFrom([]Kind{KindFilesystem, KindNetwork}).Draw(t, "kind")
		p.Disabled = []Disabled{{Kind: kind}}
	}
	return p
}

var rulePaths = rapid.Custom(drawPath)

func drawLift(t *rapid.T) Lift { return Lift{Path: drawPath(t)} }

func drawPath(t *rapid.T) string {
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "ab", "b"}), 0, 4)
	return "/" + strings.Join(names.Draw(t, "path"), "/")
}

func drawVariable(t *rapid.T) string {
	letters := rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B"}), 0, 3)
	return strings.Join(letters.Draw(t, "variable"), "")
}

// A question costs the same whether the policy has a hundred rules or a hundred thousand.
func BenchmarkPath(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		p := &Policy{}
		for i := range n {
			p.Filesystem = append(p.Filesystem, PathRule{Access: Deny, Path: fmt.Sprintf("/home/ada/proj/%d", i), Type: Directory})
		}
		p.Filesystem = append(p.Filesystem, PathRule{Access: Allow, Path: "/home/ada/proj", Type: Directory})
		d := NewDecider(p)
		b.Run(fmt.Sprint(n, " rules"), func(b *testing.B) {
			for b.Loop() {
				d.Path("/home/ada/proj/src/main.go", OpWrite)
			}
		})
	}
}
