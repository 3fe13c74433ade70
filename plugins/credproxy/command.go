package credproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nono-run/nono/plugins/credproxy/keyring"
	"github.com/nono-run/nono/plugins/credproxy/source"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// The commands.
const (
	commandSet    = "credential set"
	commandList   = "credential list"
	commandRemove = "credential remove"
)

const (
	// patience is how long the keyring has for a command. It may ask the user for its password.
	patience = time.Minute
	// longest is how much is read where a key should be.
	longest = 64<<10 + 2
)

// subcommands are what the layer does for the user outside of a run.
func subcommands() []sdk.Subcommand {
	return []sdk.Subcommand{
		{
			Path: commandSet, Arguments: "NAME",
			Help: "Store a key in your keyring: asked for at the terminal, or read from standard input",
		},
		{
			Path: commandList, Help: "List the names of the keys that nono has in your keyring",
			Flags: []sdk.Flag{{Name: "json", Help: "as JSON"}},
		},
		{
			Path: commandRemove, Arguments: "NAME...", Help: "Remove keys from your keyring",
		},
	}
}

// Run implements sdk.Commander.
func (*layer) Run(ctx context.Context, req *sdk.SubcommandRequest) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ring := ringOf(req.HostVariables)
	switch req.Path {
	case commandSet:
		return set(ctx, req, ring)
	case commandList:
		return list(ctx, req, ring)
	case commandRemove:
		return remove(ctx, req, ring)
	}
	return fmt.Errorf("there is no command %q", req.Path)
}

// set stores a key. It never stands in the arguments, which every user of the machine can see.
func set(ctx context.Context, req *sdk.SubcommandRequest, ring keyring.Ring) error {
	if len(req.Args) != 1 {
		return errors.New("the name of one key is wanted, and no key: nono credential set openai")
	}
	name := req.Args[0]
	given, err := req.AskHidden(ctx, "The key of "+policy.Printable(name)+":")
	raw := given.Reveal()
	if errors.Is(err, sdk.ErrNobody) {
		raw, err = io.ReadAll(io.LimitReader(os.Stdin, longest))
	}
	if err != nil {
		return err
	}
	key, err := source.Clean(raw)
	if err != nil {
		return fmt.Errorf("that cannot be a key: %w", err)
	}
	if err := ring.Set(ctx, name, key.Reveal()); err != nil {
		return unkept(err, name)
	}
	fmt.Fprintf(os.Stderr, "the key of %s is in your keyring\n", policy.Printable(name))
	return nil
}

// unkept is why a key could not be stored, and what else there is.
func unkept(err error, name string) error {
	var unavailable *keyring.Unavailable
	if !errors.As(err, &unavailable) {
		return err
	}
	return fmt.Errorf("%w\n  without a keyring, a file that only you can read can have the key:\n"+
		"  credential %q { source = \"file://~/.config/nono/keys/%s\" }", err, name,
		policy.Printable(name))
}

func list(ctx context.Context, req *sdk.SubcommandRequest, ring keyring.Ring) error {
	names, err := ring.List(ctx)
	if err != nil {
		return err
	}
	if _, ok := req.Flags["json"]; ok {
		if names == nil {
			names = []string{}
		}
		return json.NewEncoder(os.Stdout).Encode(map[string][]string{"keys": names})
	}
	if len(names) == 0 {
		fmt.Fprintln(os.Stderr, "nono has no key in your keyring; nono credential set NAME stores one")
	}
	for _, name := range names {
		if _, err := fmt.Fprintln(os.Stdout, policy.Printable(name)); err != nil {
			return err
		}
	}
	return nil
}

func remove(ctx context.Context, req *sdk.SubcommandRequest, ring keyring.Ring) error {
	if len(req.Args) == 0 {
		return errors.New("the names of keys are wanted: nono credential remove openai")
	}
	for _, name := range req.Args {
		if err := ring.Remove(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", policy.Printable(name), err)
		}
		fmt.Fprintf(os.Stderr, "%s is removed from your keyring\n", policy.Printable(name))
	}
	return nil
}

// Interface guard.
var _ sdk.Commander = (*layer)(nil)
