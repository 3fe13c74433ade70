package credproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nono-run/nono/plugins/credproxy/source"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/agefile"
	"github.com/nono-run/nono/sdk/keyring"
	"github.com/nono-run/nono/sdk/ownfile"
	"github.com/nono-run/nono/sdk/policy"
)

// The commands.
const (
	commandSet    = "credential set"
	commandList   = "credential list"
	commandRemove = "credential remove"
	commandTest   = "credential test"
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
			Help: "Store a key in your keyring, or encrypted in a file: " +
				"asked for at the terminal, or read from standard input",
			Flags: []sdk.Flag{
				{Name: "age", Value: "FILE", Help: "in a file that age encrypts, with a passphrase"},
				{Name: "identity", Value: "FILE", Help: "to an identity of age-keygen's, in its place"},
			},
		},
		{
			Path: commandList, Help: "List the names of the keys that nono has in your keyring",
			Flags: []sdk.Flag{{Name: "json", Help: "as JSON"}},
		},
		{
			Path: commandRemove, Arguments: "NAME...", Help: "Remove keys from your keyring",
		},
		{
			Path: commandTest, Arguments: "[SERVICE...]", Services: true,
			Help:  "Ask services whether they take your keys",
			Flags: []sdk.Flag{{Name: "json", Help: "as JSON"}},
		},
	}
}

// Run implements sdk.Commander.
func (l *layer) Run(ctx context.Context, req *sdk.SubcommandRequest) error {
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
	case commandTest:
		return l.test(ctx, req)
	}
	return fmt.Errorf("there is no command %q", req.Path)
}

// set stores a key. It never stands in the arguments, which every user of the machine can see.
func set(ctx context.Context, req *sdk.SubcommandRequest, ring keyring.Ring) error {
	if len(req.Args) != 1 {
		return errors.New("the name of one key is wanted, and no key: nono credential set openai")
	}
	name := req.Args[0]
	file, identity, err := chosen(req)
	if err != nil {
		return err
	}
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
	if file != "" {
		return seal(ctx, req, name, key, file, identity)
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
	return fmt.Errorf("%w\n  without a keyring, an encrypted file can have the key: "+
		"nono credential set %s --age ~/.config/nono/keys/%[2]s.age", err, policy.Printable(name))
}

// chosen are the file that a key is to be in, and that of the identity which opens it; "" for the
// keyring and for a passphrase.
func chosen(req *sdk.SubcommandRequest) (file, identity string, err error) {
	one := func(name string) (string, error) {
		values := req.Flags[name]
		switch {
		case len(values) == 0:
			return "", nil
		case len(values) > 1 || values[0] == "":
			return "", fmt.Errorf("--%s is the name of one file", name)
		case filepath.IsAbs(values[0]):
			return filepath.Clean(values[0]), nil
		}
		return filepath.Join(req.Dir, values[0]), nil
	}
	file, fileErr := one("age")
	identity, err = one("identity")
	if err = errors.Join(fileErr, err); err == nil && identity != "" && file == "" {
		err = errors.New("--identity is for a file: --age FILE")
	}
	return file, identity, err
}

// seal stores a key in an encrypted file, in the place of one that is there.
func seal(
	ctx context.Context, req *sdk.SubcommandRequest,
	name string, key sdk.Secret, file, identity string,
) error {
	var sealed []byte
	more := ""
	if identity != "" {
		var err error
		if sealed, err = agefile.Seal(key, identity, os.Getuid()); err != nil {
			return err
		}
		more = fmt.Sprintf(", identity = %q", identity)
	} else {
		phrase, err := agefile.NewPassphrase(ctx, req.AskHidden, file)
		if err != nil {
			return err
		}
		if sealed, err = agefile.SealBy(key, phrase); err != nil {
			return err
		}
	}
	if err := writeFile(file, sealed); err != nil {
		return fmt.Errorf("storing the key: %w", err)
	}
	fmt.Fprintf(os.Stderr, "the key of %s is in %s; a policy names it so:\n"+
		"  credential %q { source = %q%s }\n",
		policy.Printable(name), policy.Printable(file), name, "age://"+file, more)
	return nil
}

// writeFile writes a file that its owner alone can read, whole or not at all.
func writeFile(path string, content []byte) error {
	dir, name := filepath.Split(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return ownfile.ReplaceSynced(root, name, content)
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
