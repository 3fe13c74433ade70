package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nono-run/nono/plugins/trust/keys"
	"github.com/nono-run/nono/plugins/trust/scope"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/lazyregexp"
	"github.com/nono-run/nono/sdk/policy"
)

// variables are those of the user's by which his home and his keyring are found.
var variables = []string{"HOME", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"}

// keyCommands are those about keys: they are made, listed, given away, trusted and revoked.
var keyCommands = []command{
	{
		Subcommand: sdk.Subcommand{
			Path: "trust init", Policy: true,
			Help: "Make the key that you sign with, if there is none, and say what to sign here",
		},
		run: begin,
	},
	{
		Subcommand: sdk.Subcommand{
			Path: "trust keygen", Arguments: "[NAME]",
			Help: "Make a key to sign with, which is called " + keys.Default + " without a name",
			Flags: []sdk.Flag{
				{Name: "keyring", Help: "in your keyring; else in a file if there is no keyring"},
				{Name: "age", Help: "in a file that age encrypts, with a passphrase"},
				{
					Name: "identity", Value: "FILE",
					Help: "in a file that age encrypts, to an identity of age-keygen's; it opens unasked",
				},
			},
		},
		run: keygen,
	},
	{
		Subcommand: sdk.Subcommand{
			Path:  "trust keys",
			Help:  "List your keys, those of others that you trust, and what is revoked",
			Flags: []sdk.Flag{asJSON},
		},
		run: listKeys,
	},
	{
		Subcommand: sdk.Subcommand{
			Path: "trust export-key", Arguments: "[NAME]",
			Help: "Print the public half of a key, for others; without a name of " + keys.Default,
		},
		run: exportKey,
	},
	{
		Subcommand: sdk.Subcommand{
			Path: "trust add", Arguments: "FILE --name NAME", Completion: sdk.CompleteFiles,
			Help:  "Trust another's public key, from a file or, for -, from standard input",
			Flags: []sdk.Flag{{Name: "name", Value: "NAME", Help: "what to call it"}},
		},
		run: addKey,
	},
	{
		Subcommand: sdk.Subcommand{
			Path: "trust revoke", Arguments: "NAME|key:ID|sha256:DIGEST...",
			Help:  "Trust a key, or a file of this content, no more, whoever signed it",
			Flags: []sdk.Flag{{Name: "yes", Help: "do not ask"}},
		},
		run: revoke,
	},
}

// ringOf are the user's keys, as a command has them.
func ringOf(req *sdk.SubcommandRequest) (*keys.Ring, error) {
	return keys.Open(req.ConfigDir, ringOptions(req))
}

// hide keeps the process's memory from others, before there is a private key in it.
func hide() {
	if err := sdk.HideMemory(); err != nil {
		sdk.Logger().Info("the memory with the keys is not hidden from everything", "missing", err)
	}
}

// tell tells the person something that is not the command's output.
func tell(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// one is the value of a flag that may be given once; "" where it was not.
func one(req *sdk.SubcommandRequest, flag string) (string, error) {
	switch values := req.Flags[flag]; {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || values[0] == "":
		return "", fmt.Errorf("--%s has one value", flag)
	default:
		return values[0], nil
	}
}

// nameOf is the key that a command names; without a name it is the default one.
func nameOf(req *sdk.SubcommandRequest) (string, error) {
	switch len(req.Args) {
	case 0:
		return keys.Default, nil
	case 1:
		return req.Args[0], nil
	}
	return "", errors.New("the name of one key is wanted")
}

// keygen makes a key.
func keygen(ctx context.Context, req *sdk.SubcommandRequest) error {
	name, err := nameOf(req)
	if err != nil {
		return err
	}
	identity, err := one(req, "identity")
	if err != nil {
		return err
	}
	if identity != "" && !filepath.IsAbs(identity) {
		identity = filepath.Join(req.Dir, identity)
	}
	ring, err := ringOf(req)
	if err != nil {
		return err
	}
	hide()
	var own keys.Own
	switch byKeyring, byPhrase := has(req, "keyring"), has(req, "age"); {
	case byKeyring && (byPhrase || identity != ""):
		return errors.New("a key is in your keyring (--keyring) or in a file (--age, --identity FILE), " +
			"and not in both")
	case byKeyring:
		own, err = ring.Generate(ctx, name, keys.Place{Where: keys.Keyring})
	case byPhrase || identity != "":
		own, err = ring.Generate(ctx, name, keys.Place{Where: keys.Age, Identity: identity})
	default:
		own, err = ring.GenerateAnywhere(ctx, name)
	}
	if err != nil {
		return err
	}
	tellMade(own)
	return nil
}

// tellMade says what it means that a key was made.
func tellMade(own keys.Own) {
	tell("the key %s was made, and what it signs is trusted from now on; its private half is %s",
		own.Name, own.Place)
	if own.Name == keys.Default && own.OpensUnasked() {
		tell("the logs of your sessions are signed with it too")
	}
}

// listedKeys is what `nono trust keys --json` prints.
type listedKeys struct {
	Directory string      `json:"directory"`
	Keys      []listedKey `json:"keys"`
	Revoked   struct {
		Keys  []revokedKey  `json:"keys"`
		Files []revokedFile `json:"files"`
	} `json:"revoked"`
}

type listedKey struct {
	Name string  `json:"name"`
	ID   keys.ID `json:"id"`
	// Where is where the private half of one of the user's own is, and Identity the file with what
	// opens it.
	Where    keys.Where `json:"where,omitempty"`
	Identity string     `json:"identity,omitempty"`
}

type revokedKey struct {
	ID    keys.ID   `json:"id"`
	Name  string    `json:"name,omitempty"`
	Since time.Time `json:"since"`
}

type revokedFile struct {
	SHA256 string    `json:"sha256"`
	Since  time.Time `json:"since"`
}

func listKeys(_ context.Context, req *sdk.SubcommandRequest) error {
	ring, err := ringOf(req)
	if err != nil {
		return err
	}
	own := map[string]keys.Place{}
	for _, k := range ring.Own() {
		own[k.Name] = k.Place
	}
	listed := listedKeys{Directory: ring.Dir(), Keys: []listedKey{}}
	for _, k := range ring.Trusted() {
		listed.Keys = append(listed.Keys, listedKey{
			Name: k.Name, ID: k.ID, Where: own[k.Name].Where, Identity: own[k.Name].Identity,
		})
	}
	listed.Revoked.Keys, listed.Revoked.Files = revokedOf(ring.Revoked())
	if has(req, "json") {
		return json.NewEncoder(os.Stdout).Encode(listed)
	}
	return printKeys(&listed, own)
}

func revokedOf(r keys.Revoked) ([]revokedKey, []revokedFile) {
	ids, files := []revokedKey{}, []revokedFile{}
	for _, id := range r.SortedKeys() {
		ids = append(ids, revokedKey{id, r.Keys[id].Name, r.Keys[id].Since})
	}
	for _, digest := range r.SortedDigests() {
		files = append(files, revokedFile{digest.String(), r.Digests[digest].Since})
	}
	return ids, files
}

func printKeys(listed *listedKeys, own map[string]keys.Place) error {
	if len(listed.Keys) == 0 {
		tell("no key is trusted; `nono trust init` makes one, and `nono trust add` trusts another's")
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	line := func(name, id, is string) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", policy.Printable(name), id, is)
	}
	const day = "2006-01-02"
	for _, k := range listed.Keys {
		is := "trusted"
		if place, ok := own[k.Name]; ok {
			is = "yours, " + place.String()
		}
		line(k.Name, string(k.ID), is)
	}
	for _, k := range listed.Revoked.Keys {
		line("("+k.Name+")", string(k.ID), "revoked on "+k.Since.Local().Format(day))
	}
	for _, f := range listed.Revoked.Files {
		line("(a file)", f.SHA256, "revoked on "+f.Since.Local().Format(day))
	}
	return w.Flush()
}

// exportKey prints a public key. No command prints a private one.
func exportKey(_ context.Context, req *sdk.SubcommandRequest) error {
	name, err := nameOf(req)
	if err != nil {
		return err
	}
	ring, err := ringOf(req)
	if err != nil {
		return err
	}
	public, ok := ring.Find(name)
	if !ok {
		return unknownKey(name)
	}
	text, err := public.PEM()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func unknownKey(name string) error {
	return fmt.Errorf("no key is called %s\n  `nono trust keys` lists those that there are",
		policy.Printable(name))
}

// addKey trusts another's public key.
func addKey(ctx context.Context, req *sdk.SubcommandRequest) error {
	name, err := one(req, "name")
	if err != nil {
		return err
	}
	if name == "" || len(req.Args) != 1 {
		return errors.New("the file of one public key is wanted, and a name for it: " +
			"nono trust add ada.pem --name ada")
	}
	text, err := readKey(req)
	if err != nil {
		return fmt.Errorf("the key in %s: %s", policy.Printable(req.Args[0]), plainly(err))
	}
	key, err := keys.ParsePublic(text)
	if err != nil {
		return fmt.Errorf("the key in %s: %w", policy.Printable(req.Args[0]), err)
	}
	ring, err := ringOf(req)
	if err != nil {
		return err
	}
	public, err := ring.Add(ctx, name, key)
	if err != nil {
		return err
	}
	tell("what the key %s signs is trusted from now on; compare its ID with the one that its owner "+
		"has:\n  %s", public.Name, public.ID)
	return nil
}

// readKey reads what was named as a public key, as far as one can reach.
func readKey(req *sdk.SubcommandRequest) ([]byte, error) {
	const most = 64 << 10
	name := req.Args[0]
	if name == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, most))
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(req.Dir, name)
	}
	return hostfile.Read(name, most)
}

// target is something that is to be revoked.
type target struct {
	says   string // to the user
	key    keys.ID
	digest keys.Digest
}

// revoke makes keys and files ones that are not trusted.
func revoke(ctx context.Context, req *sdk.SubcommandRequest) error {
	if len(req.Args) == 0 {
		return errors.New("what is to be revoked is wanted: the name of a key, key:ID, or " +
			"sha256:DIGEST of a file")
	}
	ring, err := ringOf(req)
	if err != nil {
		return err
	}
	targets := make([]target, 0, len(req.Args))
	for _, arg := range req.Args {
		t, err := targetOf(ring, arg)
		if err != nil {
			return err
		}
		targets = append(targets, t)
	}
	if !has(req, "yes") {
		if err := confirm(ctx, req, targets); err != nil {
			return err
		}
	}
	for _, t := range targets {
		if t.key == "" {
			err = ring.RevokeDigest(ctx, t.digest)
		} else {
			err = ring.RevokeKey(ctx, t.key)
		}
		if err != nil {
			return err
		}
		tell("revoked: %s", t.says)
	}
	return nil
}

// targetOf is what a word means. Keys and files have IDs of one form, so one that is not known here
// says itself what it is: to revoke the wrong one would revoke nothing.
func targetOf(ring *keys.Ring, word string) (target, error) {
	if id, ok := strings.CutPrefix(word, "key:"); ok {
		if id, ok := keys.ParseID(id); ok {
			return keyTarget(ring, id), nil
		}
		return target{}, fmt.Errorf("%s is no ID of a key: 64 hexadecimal digits, "+
			"as `nono trust keys` lists them", policy.Printable(word))
	}
	if digest, ok := strings.CutPrefix(word, "sha256:"); ok {
		if digest, ok := keys.ParseDigest(digest); ok {
			return target{says: "the file with the digest " + digest.String(), digest: digest}, nil
		}
		return target{}, fmt.Errorf("%s is no digest of a file: 64 hexadecimal digits, "+
			"as sha256sum prints them", policy.Printable(word))
	}
	if public, ok := ring.Find(word); ok {
		return keyTarget(ring, public.ID), nil
	}
	if id, ok := keys.ParseID(word); ok {
		if ring.NameOf(id) != "" {
			return keyTarget(ring, id), nil
		}
		return target{}, fmt.Errorf("no key is known that has this ID: is it a key or a file? "+
			"Say key:%s or sha256:%[1]s", word)
	}
	return target{}, unknownKey(word)
}

func keyTarget(ring *keys.Ring, id keys.ID) target {
	says := "the key " + string(id)
	if name := ring.NameOf(id); name != "" {
		says = fmt.Sprintf("the key %s (%s)", policy.Printable(name), id)
	}
	return target{says: says, key: id}
}

// confirm asks whether all that is meant.
func confirm(ctx context.Context, req *sdk.SubcommandRequest, targets []target) error {
	question := "Revoke, which nothing takes back:\n"
	for _, t := range targets {
		question += "  " + t.says + "\n"
	}
	answer, err := req.Ask(ctx, question+"What it signed is refused from then on. Go on? [y/N]")
	switch {
	case errors.Is(err, sdk.ErrNobody):
		return fmt.Errorf("%w\n  where nobody can be asked: nono trust revoke --yes", err)
	case err != nil:
		return err
	case answer != "y" && answer != "Y" && answer != "yes":
		return errors.New("nothing was revoked")
	}
	return nil
}

// begin makes the key that the user signs with, and says what there is to sign.
func begin(ctx context.Context, req *sdk.SubcommandRequest) error {
	ring, err := ringOf(req)
	if err != nil {
		return err
	}
	if public, ok := ring.Find(keys.Default); ok {
		tell("you have the key %s (%s) already", public.Name, public.ID)
	} else {
		hide()
		own, err := ring.GenerateAnywhere(ctx, keys.Default)
		if err != nil {
			return err
		}
		tellMade(own)
	}
	names, err := instructions(ctx, req)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		tell("there are no instructions of agents here; once there are, for instance:\n" +
			"  nono trust sign --key default CLAUDE.md")
		return nil
	}
	tell("agents are told what to do by what is here; to have it verified before each run:\n"+
		"  nono trust sign --key default %s", strings.Join(names, " "))
	return nil
}

// mostShown is how many files are named to the user.
const mostShown = 10

// plain is a word that a shell takes as it is.
var plain = lazyregexp.New(`^[A-Za-z0-9_./@%+=:,-]+$`)

// instructions are the files here that the user's policy takes for instructions, as they are typed.
func instructions(ctx context.Context, req *sdk.SubcommandRequest) ([]string, error) {
	if req.Policy == nil {
		return nil, nil
	}
	dir, err := hostfile.Resolve(req.Dir)
	if err != nil {
		return nil, err
	}
	look := scope.Request{Dir: dir, Home: req.HostVariables["HOME"]}
	for _, f := range req.Policy.Trust.Files {
		look.Patterns = append(look.Patterns, scope.Pattern{Rule: f.ID, Text: f.Pattern})
	}
	found, err := scope.Find(ctx, look)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range found.Files {
		name, err := filepath.Rel(dir, f.Path)
		if err != nil {
			name = f.Path
		}
		switch {
		case len(names) == mostShown:
			return append(names, "..."), nil
		case plain.MatchString(name):
			names = append(names, name)
		case policy.Printable(name) == name && !strings.Contains(name, "'"):
			names = append(names, "'"+name+"'")
		}
	}
	return names, nil
}
