package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/conformance"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// A trial is a policy, and what a shell inside finds of it.
type trial struct {
	name, contract string
	scene
	// inB is another one for a host where nothing can be mounted, where core refuses the first: there
	// nothing can be granted for writing that has something in it which is not.
	inB *scene
}

type scene struct {
	policy string
	// inside succeeds if all is as the policy says. It runs in ~/project.
	inside string
}

// What the trials are about.
const (
	ofGrants = "core merges the answers of all layers, and refuses one that shows more than was " +
		"granted; what a place shows is there, and nothing else"
	ofDenials = "a denial beats every grant, at any depth, and holds however the file is reached: " +
		"a directory with a pin cannot be renamed"
	ofRules = "every rule that the user wrote is held, or the run refuses and names it"
)

// trials are policies with what is hardest to hold.
var trials = []trial{
	{name: "nothing granted", contract: ofGrants, scene: scene{
		inside: "! cat file && ! cat ~/notes && ! touch new",
	}},
	{name: "a project", contract: ofGrants, scene: scene{
		`filesystem { allow = ["~/project"] }`,
		"cat file && touch new && rm new && ! cat ~/notes && ! ls ~/data",
	}},
	{name: "a directory to read and one to write to", contract: ofGrants, scene: scene{
		`filesystem {
			allow = ["~/project"]
			read  = ["~/data"]
			write = ["~/out"]
		}`,
		"cat ~/data/file && ! touch ~/data/new && touch ~/out/new && rm ~/out/new",
	}},
	{
		name: "denials inside a grant, and a grant inside a denial", contract: ofDenials,
		scene: scene{
			`filesystem {
				allow = ["~/project", "~/project/secret/open"]
				deny  = ["~/project/secret"]
			}`,
			"cat file && ! cat secret/file && ! cat secret/open/file && ! mv secret gone",
		},
		inB: &scene{
			`filesystem {
				read = ["~/project", "~/project/secret/open"]
				deny = ["~/project/secret"]
			}`,
			"cat file && ! ls secret && ! cat secret/file && ! cat secret/open/file",
		},
	},
	{
		name: "single files", contract: ofDenials,
		scene: scene{
			`filesystem {
				allow = ["~/project"]
				read  = ["~/notes"]
				deny  = ["~/project/locked"]
			}`,
			"cat ~/notes && ! sh -c 'echo more >> ~/notes' && ! cat locked && ! rm -f locked",
		},
		inB: &scene{
			`filesystem {
				allow = ["~/project/deploy"]
				read  = ["~/project", "~/notes"]
				deny  = ["~/project/locked"]
			}`,
			"cat ~/notes && ! sh -c 'echo more >> ~/notes' && ! cat locked && ! rm -f locked && " +
				"touch deploy/new && rm deploy/new",
		},
	},
	{
		name: "a protection", contract: ofDenials,
		scene: scene{
			`filesystem {
				allow   = ["~/project"]
				protect = ["~/project/deploy"]
			}`,
			"cat deploy/file && ! touch deploy/new && ! mv deploy gone",
		},
		inB: &scene{
			`filesystem {
				allow   = ["~/project/secret"]
				read    = ["~/project"]
				protect = ["~/project/deploy"]
			}`,
			"cat deploy/file && ! touch deploy/new && ! mv deploy gone && touch secret/new && rm secret/new",
		},
	},
	{name: "a link", contract: ofGrants, scene: scene{
		`filesystem { read = ["~/data", "~/link"] }`,
		"cat ~/link/file && ! ls ~/out",
	}},
	{name: "paths that do not exist", contract: ofRules, scene: scene{
		`filesystem {
			allow = ["~/project"]
			read  = ["~/absent"]
			deny  = ["~/project/absent"]
		}`,
		"cat file && ! cat ~/absent",
	}},
	{
		name: "the home directory", contract: ofDenials,
		scene: scene{
			`filesystem { allow = ["~"] }`,
			"cat ~/notes && [ ! -s ~/.netrc ] && ! ls ~/.config/nono && ! mv ~/.config gone",
		},
		inB: &scene{
			`filesystem { read = ["~"] }`,
			"cat ~/notes && ! cat ~/.netrc && ! ls ~/.config/nono && ! touch ~/new",
		},
	},
	{name: "variables", contract: ofRules, scene: scene{
		`environment {
			set  = { VERIFIED = "yes" }
			deny = ["LANG"]
		}`,
		`[ "$VERIFIED" = yes ] && [ -z "$LANG" ]`,
	}},
}

// configure finds out how a policy names the layer, and returns its settings.
func (v *verifier) configure() ([]byte, error) {
	if !v.binary.Builtin {
		v.block = fmt.Sprintf("plugin %s { path = %s }\n", quote(v.is.Name), quote(v.binary.Path))
	}
	loaded, err := v.at.load(v.Request, v.block, v.File)
	if err != nil {
		return nil, err
	}
	named := func(l config.Layer) bool { return l.Plugin == v.is.Name }
	if v.File != "" && !slices.ContainsFunc(loaded.Config.Layers, named) {
		return nil, diag.Errorf("%s has no layer block for %s", v.File, v.is.Name).
			Try("write the layer's settings into one:\nlayer \"...\" {\n  plugin = %q\n}", v.is.Name)
	}
	// Whoever names a program here means it to be run; what else the file brings, nobody has
	// approved.
	for _, l := range loaded.Config.Layers {
		if l.Plugin != "" && l.Plugin != v.is.Name {
			return nil, diag.Errorf("%s has another program, %s, for the layer %q",
				v.File, l.Plugin, l.Name).
				At(l.PluginSource).Try("give a policy that has the block of %s alone", v.is.Name)
		}
	}
	if path := loaded.Config.Plugin(v.is.Name).Path; path != "" && path != v.binary.Path {
		return nil, diag.Errorf("%s says that %s is %s, and %s is to be verified",
			v.File, v.is.Name, path, v.binary.Path).
			Try("take the path out of the plugin block, or verify that program")
	}
	if v.File == "" {
		label := "verified"
		if v.is.Kind != policy.KindCustom {
			label = string(v.is.Kind)
		}
		v.block += fmt.Sprintf("layer %s { plugin = %s }\n", quote(label), quote(v.is.Name))
		if loaded, err = v.at.load(v.Request, v.block, ""); err != nil {
			return nil, err
		}
	}
	v.layer = loaded.Config.Layers[slices.IndexFunc(loaded.Config.Layers, named)].Name
	for _, at := range loaded.Config.Sensitive(v.layer, v.is.Settings) {
		v.at.texts.Hide(at)
	}
	settings, problems := loaded.Config.Settings(v.layer, v.is.Settings)
	if err := problems.Err(); err != nil {
		if v.File == "" {
			return nil, diag.Errorf("%s", v.at.explain(err)).
				Try("give its settings in a policy that has its block: -c FILE")
		}
		return nil, err
	}
	return settings, nil
}

// quote is a string as HCL has it.
func quote(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}

// tryWithout makes a run without the layer: where not even that works, nothing can be said about
// it. A plan of the same says which tier this host has.
func (v *verifier) tryWithout(ctx context.Context) error {
	if err := v.runs(ctx, scene{inside: "true"}, ""); err != nil {
		return diag.Errorf("without the layer a run fails already: %s", v.at.explain(err))
	}
	loaded, err := v.at.load(v.Request, "", "")
	if err != nil {
		return err
	}
	req := v.request(loaded, "true")
	req.Out = diag.NewPrinter(io.Discard, true, false, false)
	p, err := session.Plan(ctx, req)
	if err := errors.Join(err, session.ShowMemory()); err != nil {
		return err
	}
	v.tier = p.Host.Tier
	return nil
}

// runTrial makes a run with the layer and a policy.
func (v *verifier) runTrial(ctx context.Context, t trial) error {
	s := t.scene
	if v.tier == sdk.TierB && t.inB != nil {
		s = *t.inB
	}
	s.policy = v.block + s.policy + reasons[v.is.Kind]
	return v.runs(ctx, s, v.File)
}

// reasons are what a policy says so that a layer of a kind has something to do, where it would not
// run otherwise.
var reasons = map[policy.Kind]string{
	policy.KindNetwork: `
		network {
			allow = ["verify.invalid"]
		}`,
}

// request is a run of a script in the arena.
func (v *verifier) request(loaded config.Loaded, script string) *session.Request {
	cfg := *loaded.Config
	cfg.BestEffort = false // it would hide what the layer does not hold
	return &session.Request{
		Config: &cfg, Secrets: loaded.Secrets, Args: []string{"sh", "-c", script},
		Dir: v.at.project(), Dirs: v.at.dirs, UID: v.UID, GID: v.GID, Umask: 0o077,
		Lookup: v.at.lookup, Environ: v.at.environ, Deadlines: v.Deadlines, Log: v.Log,
	}
}

// runs makes a run of a script that must succeed, with a policy, and a file of the user's beside
// it.
func (v *verifier) runs(ctx context.Context, s scene, file string) error {
	loaded, err := v.at.load(v.Request, s.policy, file)
	if err != nil {
		return &conformance.Nothing{Why: v.at.explain(err), Untried: true}
	}
	req := v.request(loaded, s.inside)
	runs := func(l config.Layer) bool { return l.Name == v.layer }
	if s.policy != "" && !slices.ContainsFunc(req.Config.Running(), runs) {
		why := fmt.Sprintf("nono runs no %s layer yet", v.is.Kind)
		return &conformance.Nothing{Why: why, Untried: true}
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	const flags = os.O_RDWR | os.O_CREATE | os.O_TRUNC
	said, err := os.OpenFile(filepath.Join(v.at.root, "said"), flags, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	var own strings.Builder
	req.Out = diag.NewPrinter(&own, true, false, false).With(v.at.texts)
	req.Stdin, req.Stdout, req.Stderr = null, null, said
	code, err := session.Run(ctx, req)
	if err := session.ShowMemory(); err != nil {
		return err
	}
	switch {
	case err != nil:
		return err
	case own.Len() > 0:
		return errors.New(strings.TrimSpace(own.String()))
	case code != 0:
		text, _ := hostfile.Read(said.Name(), 1<<20)
		return fmt.Errorf("inside, this does not hold: %s\n%s", s.inside, strings.TrimSpace(string(text)))
	}
	return nil
}
