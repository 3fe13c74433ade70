package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
)

// ofLayers are the commands of layers that other words stand for, or that another tool has as well.
var ofLayers = []sdk.Subcommand{
	{Path: "session diff", Help: "h", Arguments: "[PATH...]", Session: true},
	{Path: "session rollback", Help: "h", Arguments: "[PATH...]", Session: true},
	{Path: "session verify", Help: "h", Session: true},
	{Path: "trust init", Help: "h"},
	{Path: "trust sign", Help: "h", Arguments: "[FILE...]"},
	{Path: "trust verify", Help: "h", Arguments: "[FILE...]"},
	{Path: "trust list", Help: "h"},
	{Path: "trust keygen", Help: "h"},
	{Path: "trust export-key", Help: "h"},
}

// Words that are two, or stand for two, are put in nono's own; what follows stays.
func TestRespelled(t *testing.T) {
	for line, want := range map[string]string{
		"undo":                     "session rollback",
		"undo k3v9 a --yes":        "session rollback k3v9 a --yes",
		"-s rollback restore x":    "-s session rollback x",
		"rollback -v show x":       "session diff -v x",
		"rollback":                 "session rollback",
		"help undo":                "help session rollback",
		"rollback list --json":     "session list --json",
		"run -- undo":              "run -- undo",
		"run undo":                 "run undo",
		"session rollback restore": "session rollback restore",
		"profile list":             "profile list",
		"":                         "",
	} {
		if got := strings.Join(respelled(strings.Fields(line)), " "); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// Every word of the tables is what the tables say: taken for a flag of nono's own, or answered. So
// no word stands in two places, and none is also one that works.
func TestSpellings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range flagSpellings {
		for _, word := range s.words {
			if seen[word] {
				t.Errorf("--%s stands there twice", word)
			}
			seen[word] = true
			if s.pair { // it is one with two words after it, and is answered without them
				got, _, err := understood("run", "--"+word, "a", "b", "x")
				want, _, wantErr := understood("run", "--"+s.is, "b=keyring://a", "x")
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(runOptions{})); diff != "" || err != nil || wantErr != nil {
					t.Errorf("--%s: %v, %v\n%s", word, err, wantErr, diff)
				}
				_, _, err = understood("run", "--"+word, "x")
				var p diag.Problem
				if !errors.As(err, &p) || !strings.Contains(p.Detail, s.answer) {
					t.Errorf("--%s: %v, want %q", word, err, s.answer)
				}
				continue
			}
			got, _, err := understood("run", "--"+word+"=true", "x")
			switch {
			case s.is == "":
				var p diag.Problem
				if !errors.As(err, &p) || !strings.Contains(p.Detail, s.answer) {
					t.Errorf("--%s: %v, want %q", word, err, s.answer)
				}
				continue
			case s.value != "":
				word = s.is + "=" + s.value
			default:
				word = s.is + "=true"
			}
			want, _, wantErr := understood("run", "--"+word, "x")
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(runOptions{})); diff != "" ||
				err != nil || wantErr != nil {
				t.Errorf("--%s: %v, %v\n%s", word, err, wantErr, diff)
			}
		}
	}
	for _, s := range commandSpellings {
		for _, word := range s.words {
			_, _, err := understoodWith(ofLayers, strings.Fields(word)...)
			if s.is == "" && (err == nil || !strings.Contains(err.Error(), "is not built yet")) {
				t.Errorf("nono %s: %v", word, err)
			}
			if s.is != "" && err != nil {
				t.Errorf("nono %s: %v", word, err)
			}
		}
	}
}

// What people type who come from the Rust tool of the same name works, or is answered by name.
func TestTheRustToolsSpellings(t *testing.T) {
	for _, line := range []string{
		"run -a x c", "run --allow x c", "run -r x c", "run --read x c", "run -w x c", "run --write x c",
		"run --allow-file x c", "run --read-file x c", "run --write-file x c", "run --allow-cwd c",
		"run --block-net c", "run --net-block c", "run --allow-net c", "run --net-allow c",
		"run --allow-domain x c", "run --allow-proxy x c", "run --proxy-allow x c",
		"run --network-profile minimal c", "run --credential x c", "run --proxy-credential x c",
		"run --listen-port 1 c", "run --allow-bind 1 c", "run --open-port 1 c", "run --allow-port 1 c",
		"run --upstream-proxy x c", "run --external-proxy x c", "run --upstream-bypass x c",
		"run --external-proxy-bypass x c", "run --env-credential x c", "run --env-credential-map x Y c",
		"run --bypass-protection x c", "run --override-deny x c", "run --snapshot c", "run --rollback c",
		"run --rollback-exclude x c", "run --no-rollback c", "run --workdir x c", "run --profile x c",
		"run -p x c", "run --extends x c", "run --dry-run c", "run -s c", "run --silent c", "run -v c",
		"run --name x c", "run --memory 1G c",
		"session diff", "session rollback", "session list", "rollback list", "rollback show x",
		"rollback restore x", "rollback verify", "rollback cleanup", "undo", "profiles list",
		"profile list", "why --path p --op read", "shell", "wrap c", "setup --check-only", "trust init",
		"trust sign x", "trust verify x", "trust list", "trust keygen", "trust export-key",
		"audit list", "audit show x", "audit verify x", "ps", "logs", "stop x", "inspect x", "prune",
	} {
		_, _, err := understoodWith(ofLayers, strings.Fields(line)...)
		if err != nil && !strings.Contains(err.Error(), "is not built yet") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// The page has every word.
func TestSpellingsPage(t *testing.T) {
	var page bytes.Buffer
	if err := printSpellings(&page); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"  nono profile ", "  --net-allow ", " --disable network\n", "  --allow-domain ",
		" --allow-host\n", "  --env-credential-map ", " --env-credential VARIABLE=SOURCE\n", "  --ro-bind ", " here it is --read PATH\n",
	} {
		if !strings.Contains(page.String(), line) {
			t.Errorf("%q is missing in\n%s", line, page.String())
		}
	}
}

// The shell completes another spelling once it has been begun, and help never shows it.
func TestSpellingsAreCompleted(t *testing.T) {
	for args, want := range map[string]bool{
		"__complete run --net-": true, "__completeNoDesc run --net-": true, "__complete run --": false,
		"__complete run --allow-": false, "run --net-": false,
	} {
		a := ada(t, nil)
		root := a.newRoot(actions{})
		offerSpellings(root, strings.Fields(args))
		run, _, err := root.Find([]string{"run"})
		if err != nil {
			t.Fatal(err)
		}
		if f := run.Flags().Lookup("net-block"); f.Hidden == want {
			t.Errorf("%s: hidden is %v", args, f.Hidden)
		}
	}
	root := ada(t, nil).newRoot(actions{})
	run, _, _ := root.Find([]string{"run"})
	run.Flags().VisitAll(func(f *pflag.Flag) {
		if s, ok := spelled(flagSpellings, f.Name); ok && !f.Hidden {
			t.Errorf("help shows --%s, which is --%s", f.Name, s.is)
		}
	})
}
