package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/sdk"
)

// TestLayerCommandsAreUnderstood has no layer: what is typed arrives as the request that one would
// get.
func TestLayerCommandsAreUnderstood(t *testing.T) {
	type got struct {
		Path  string
		Flags map[string][]string
		Args  []string
	}
	of := session.OfLayer{Layer: "acme/x", Commands: []sdk.Subcommand{
		{Path: "session diff", Help: "h", Arguments: "FILE...", Flags: []sdk.Flag{
			{Name: "loud", Help: "l"}, {Name: "with", Value: "WORD", Help: "w"},
		}},
		{Path: "session list", Help: "h"},
		{Path: "run", Help: "a word of nono's own"},
	}}
	for _, test := range []struct {
		args []string
		want *got // none: an error
	}{
		{[]string{"session", "diff"}, &got{Path: "session diff", Flags: map[string][]string{}}},
		{
			[]string{"session", "diff", "a", "--loud", "--with", "x", "--with=y", "b"},
			&got{"session diff", map[string][]string{"loud": {""}, "with": {"x", "y"}}, []string{"a", "b"}},
		},
		{
			[]string{"session", "diff", "--loud=false", "--", "--with"},
			&got{"session diff", map[string][]string{}, []string{"--with"}},
		},
		{[]string{"session", "list"}, &got{Path: "session list", Flags: map[string][]string{}}},
		{[]string{"session", "list", "all"}, nil},
		{[]string{"session", "diff", "--none"}, nil},
		{[]string{"session", "dif"}, nil},
	} {
		root := &cobra.Command{Use: "nono", SilenceErrors: true, SilenceUsage: true}
		ran := false
		root.AddCommand(&cobra.Command{Use: "run", RunE: func(*cobra.Command, []string) error { return nil }})
		var g *got
		attach(root, of, func(_ context.Context, c sdk.Subcommand, flags map[string][]string, args []string) error {
			ran = true
			if len(args) == 0 {
				args = nil
			}
			g = &got{c.Path, flags, args}
			return nil
		}, offers{})
		root.SetArgs(test.args)
		err := root.ExecuteContext(t.Context())
		if (err == nil) != (test.want != nil) || ran != (test.want != nil) {
			t.Errorf("%q: %v, and ran: %v", test.args, err, ran)
		}
		if diff := cmp.Diff(test.want, g); diff != "" {
			t.Errorf("%q: %s", test.args, diff)
		}
		// No layer replaces a command of nono's.
		ran = false
		root.SetArgs([]string{"run"})
		if err := root.ExecuteContext(t.Context()); err != nil || ran {
			t.Errorf("nono's own word went to the layer: %v", err)
		}
	}
}

func TestTypedWords(t *testing.T) {
	for _, test := range []struct {
		args, want []string
	}{
		{nil, []string{}},
		{[]string{"-v", "x", "a/b", "--loud"}, []string{"x", "a/b"}},
		{[]string{"help", "x"}, []string{"x"}},
		{[]string{"__complete", "x", "a/b", ""}, []string{"x", "a/b"}},
		{[]string{"__completeNoDesc", "help", "x"}, []string{"x"}},
		{[]string{"run", "help"}, []string{"run", "help"}},
	} {
		if diff := cmp.Diff(test.want, typedWords(test.args)); diff != "" && len(test.want) > 0 {
			t.Errorf("%q: %s", test.args, diff)
		}
	}
}

// What is nono's own needs no layer's process; what only holds commands may hold a layer's.
func TestIsOwn(t *testing.T) {
	root := (&App{}).newRoot(actions{})
	for words, want := range map[string]bool{
		"run": true, "run x": true, "session list": true, "session list x": true, "profile list": true,
		"": false, "session": false, "session diff": false, "rollback": false, "plugin": false,
	} {
		if got := isOwnCommand(root, strings.Fields(words)); got != want {
			t.Errorf("%q: %t", words, got)
		}
	}
}

// TestLayerExamples: an argument that may be left out is, beside the flag that stands in its place.
func TestLayerExamples(t *testing.T) {
	flags := []sdk.Flag{{Name: "all", Help: "a"}, {Name: "key", Value: "NAME", Help: "k"}}
	for arguments, want := range map[string]string{
		"":             "  nono trust sign\n  nono trust sign --all",
		"FILE":         "  nono trust sign FILE\n  nono trust sign FILE --all",
		"[FILE...]":    "  nono trust sign FILE...\n  nono trust sign --all",
		"FILE [OTHER]": "  nono trust sign FILE [OTHER]\n  nono trust sign FILE [OTHER] --all",
	} {
		c := sdk.Subcommand{Path: "trust sign", Arguments: arguments, Flags: flags}
		if got := layerExample("trust", c); got != want {
			t.Errorf("%q:\n%s", arguments, got)
		}
	}
}
