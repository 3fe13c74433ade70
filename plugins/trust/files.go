package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/nono-run/nono/plugins/trust/check"
	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/plugins/trust/scope"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/keyring"
	"github.com/nono-run/nono/sdk/policy"
)

var asJSON = sdk.Flag{Name: "json", Help: "for a program"}

// fileCommands are those about files: they are signed, verified, listed, shown and forgotten.
var fileCommands = []command{
	{
		Subcommand: sdk.Subcommand{
			Path: "trust sign", Arguments: "[FILE...]", Policy: true, Completion: sdk.CompleteFiles,
			Help: "Sign files, so that no run starts where one of them is not what it was",
			Flags: []sdk.Flag{
				{Name: "key", Value: "NAME", Help: `with this key of yours; "default" without`},
				{Name: "all", Help: "all that are looked at here, in one signature"},
				{
					Name: "closed", Value: "PATTERN",
					Help: "with --all: nothing else that matches may lie here, such as '.claude/**'",
				},
				asJSON,
			},
		},
		run: sign,
	},
	{
		Subcommand: sdk.Subcommand{
			Path: "trust verify", Arguments: "[FILE...]", Policy: true, Completion: sdk.CompleteFiles,
			Help:  "Verify files, or all that are looked at here; the exit code is 1 if not all is well",
			Flags: []sdk.Flag{asJSON},
		},
		run: verify,
	},
	{
		Subcommand: sdk.Subcommand{
			Path: "trust list", Policy: true, Completion: sdk.CompleteNothing,
			Help:  "List the files that are looked at here, and those that were ever signed",
			Flags: []sdk.Flag{asJSON},
		},
		run: list,
	},
	{
		Subcommand: sdk.Subcommand{
			Path: "trust show", Arguments: "FILE", Policy: true, Completion: sdk.CompleteFiles,
			Help:  "Show what is known of a file: its signatures, what they say, and who signed it first",
			Flags: []sdk.Flag{asJSON},
		},
		run: show,
	},
	{
		Subcommand: sdk.Subcommand{
			Path: "trust forget", Arguments: "[FILE...]", Completion: sdk.CompleteFiles,
			Help:  "Forget that files were signed: then they may be unsigned, or signed by somebody else",
			Flags: []sdk.Flag{{Name: "all", Help: "all that were ever signed"}, asJSON},
		},
		run: forget,
	},
}

// accountOf is the account of whoever types a command. Its policy is the user's own.
func accountOf(ctx context.Context, req *sdk.SubcommandRequest) (*account, error) {
	if req.Policy == nil {
		return nil, errors.New("there is no policy to go by")
	}
	a, err := open(ctx, &req.Policy.Trust, req.ConfigDir, req.StateDir, ringOptions(req))
	if err != nil {
		return nil, err
	}
	a.dir, a.home = canonical(req.Dir), req.HostVariables["HOME"]
	return a, nil
}

func ringOptions(req *sdk.SubcommandRequest) keys.Options {
	return keys.Options{
		UID: os.Getuid(), Ask: req.AskHidden,
		Keyring: keyring.Ring{
			Address:    req.HostVariables["DBUS_SESSION_BUS_ADDRESS"],
			RuntimeDir: req.HostVariables["XDG_RUNTIME_DIR"],
		},
	}
}

// has reports whether a flag was given.
func has(req *sdk.SubcommandRequest, flag string) bool {
	_, ok := req.Flags[flag]
	return ok
}

// paths are the files that were named, each by its directory without links and its own name.
func paths(req *sdk.SubcommandRequest) ([]string, error) {
	all := make([]string, 0, len(req.Args))
	for _, arg := range req.Args {
		name := arg
		if !filepath.IsAbs(name) {
			name = filepath.Join(req.Dir, name)
		}
		name = filepath.Clean(name)
		dir, err := hostfile.Resolve(filepath.Dir(name))
		if err != nil {
			return nil, fmt.Errorf("%s: its directory cannot be found: %w", policy.Printable(arg), err)
		}
		all = append(all, path.Join(dir, filepath.Base(name)))
	}
	return all, nil
}

// here looks at all that a run here would look at. What it would see elsewhere is up to its grants.
func (a *account) here(ctx context.Context) (*survey, error) {
	return a.look(ctx, request{Request: scope.Request{
		Dir: a.dir, Home: a.home, Patterns: patternsOf(a.policy),
		Remembered: rememberedAt(a.memory.All(), a.dir),
	}})
}

// only looks at files that are named, and at nothing else.
func (a *account) only(ctx context.Context, files []string) (*survey, error) {
	return a.look(ctx, request{Request: scope.Request{
		Dir: a.dir, Home: a.home, Remembered: files,
	}})
}

// told is a verdict as a program reads it.
type told struct {
	Path   string       `json:"path"`
	Status check.Status `json:"status"`
	Reason check.Reason `json:"reason,omitempty"`
	Signer *signer      `json:"signer,omitempty"`
	Bundle string       `json:"bundle,omitempty"`
	SHA256 string       `json:"sha256,omitempty"`
	Link   string       `json:"link,omitempty"`
	Since  *time.Time   `json:"since,omitempty"`
	Says   string       `json:"says,omitempty"`
	Try    string       `json:"try,omitempty"`
	Cause  string       `json:"cause,omitempty"`
}

// signer is one as a program reads it.
type signer struct {
	Key      string `json:"key,omitempty"`
	Name     string `json:"name,omitempty"`
	Identity string `json:"identity,omitempty"`
	Issuer   string `json:"issuer,omitempty"`
}

func (a *account) signer(s memory.Signer) *signer {
	return &signer{
		Key: s.Key, Name: a.ring.NameOf(keys.ID(s.Key)), Identity: s.Identity, Issuer: s.Issuer,
	}
}

func (a *account) told(v *check.Verdict) told {
	t := told{
		Path: v.Path, Status: v.Status, Reason: v.Reason, Link: v.Link, Says: v.Says, Try: v.Try,
		Cause: v.Cause,
	}
	if v.SHA256 != [32]byte{} {
		t.SHA256 = fmt.Sprintf("%x", v.SHA256)
	}
	if v.Status == check.Verified {
		t.Signer, t.Bundle = a.signer(v.Signer), v.Bundle
	}
	if e, ok := a.memory.Get(v.Path); ok {
		t.Since = &e.Since
	}
	return t
}

// line says a verdict to a person.
func (a *account) line(w io.Writer, v *check.Verdict) {
	file := a.show(v.Path)
	switch {
	case v.Status == check.Verified:
		fmt.Fprintf(w, "verified: %s, signed by %s (%s)\n", file, a.who(v.Signer), a.show(v.Bundle))
	case v.Says != "":
		fmt.Fprintf(w, "%s: %s\n  %s\n", v.Status, v.Says, v.Try)
	case v.Cause != "":
		fmt.Fprintf(w, "%s: %s, because of %s\n", v.Status, file, a.show(v.Cause))
	case v.Reason == check.Gone:
		fmt.Fprintf(w, "gone: %s\n", file)
	default:
		fmt.Fprintf(w, "not signed: %s\n", file)
	}
}
