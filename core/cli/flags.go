package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/kinds"
	"github.com/nono-run/nono/sdk/policy"
)

// policyOptions are what run and plan are told: the command, and what it may do. A flag that is a
// rule is the same policy from another source, so they are kept in the order in which they were
// typed and handed to core/config.
type policyOptions struct {
	Profiles []string
	File     string
	Approve  bool
	// Fresh asks layers whose answer is remembered.
	Fresh bool
	// Workdir is where to begin, in the place of the current directory; empty: there.
	Workdir string
	Rules   []config.Flag
	// Command is what stands after the flags.
	Command []string
	// Own are the flags of the command, where no -- says that they are meant to be its own.
	Own []string
	// Otherwise is the command where none was given, by the file either.
	Otherwise []string
}

// take reads what stands after nono's own flags.
func (o *policyOptions) take(cmd *cobra.Command, args []string) {
	o.Command = args
	if cmd.ArgsLenAtDash() < 0 && len(args) > 0 {
		for _, arg := range args[1:] {
			if arg == "--" {
				return
			}
			if strings.HasPrefix(arg, "--") {
				o.Own = append(o.Own, arg)
			}
		}
	}
}

// disables reports whether a flag says to run without the layer of a kind.
func (o *policyOptions) disables(kind policy.Kind) bool {
	return slices.ContainsFunc(o.Rules, func(f config.Flag) bool {
		return f.Name == "disable" && f.Value == string(kind)
	})
}

// flagRule is one flag that is a rule. Its other spellings are in spellings.go.
type flagRule struct {
	name, short string
	value       string // what stands in help for the value; empty: the flag takes none
	help        string
	// hidden is what is so without it: it is taken, and not in help.
	hidden bool
}

var flagRules = []flagRule{
	{name: "allow-cwd", help: "grant the current directory: read, write, execute"},
	{
		name: "allow", short: "a", value: "PATH",
		help: "grant a path: read, write, create, delete, execute",
	},
	{
		name: "read", short: "r", value: "PATH", help: "grant a path: read, list, execute",
	},
	{
		name: "write", short: "w", value: "PATH",
		help: "grant a path: as --allow, without execute (it can be read too)",
	},
	{name: "deny", value: "PATH", help: "deny a path, whatever grants it"},
	{
		name: "lift", value: "PATH",
		help: "take back what is denied by default at a path; it still needs a grant",
	},
	{name: "env", value: "NAME[=VALUE]", help: "pass a variable, or set it"},
	{
		name: "env-credential", value: "VARIABLE=SOURCE",
		help: "give it a real key in a variable: a credential's SOURCE, or a NAME in your keyring",
	},
	{
		name: "network-profile", value: "NAME",
		help: "let it reach a list of hosts: minimal, developer, or one of yours",
	},
	{
		name: "allow-host", value: "HOST[:PORT]",
		help: "let it reach a host, or *.suffix, at 443 and 80 or at this port",
	},
	{
		name: "deny-host", value: "HOST[:PORT]", help: "keep it from a host, whatever allows that",
	},
	{
		name: "opaque-host", value: "HOST[:PORT]",
		help: "an allowed host may speak something else than TLS or HTTP",
	},
	{
		name: "open-port", value: "PORT", help: "let it reach a service of this machine's loopback",
	},
	{
		name: "listen-port", value: "PORT", help: "let it serve at a port of this machine's loopback",
	},
	{
		name: "upstream-proxy", value: "URL",
		help: "a proxy that hosts are reached through; system: what your environment names",
	},
	{
		name: "upstream-bypass", value: "HOST", help: "reached without that proxy",
	},
	{
		name: "credential", value: "SERVICE",
		help: "let it use your key of a service (openai, anthropic, github) without having it",
	},
	{
		name: "snapshot",
		help: "record the current directory first, so that what changed can be shown and undone",
	},
	{
		name: "snapshot-exclude", value: "GLOB",
		help: "store nothing of this in the snapshot, as in a .gitignore",
	},
	{
		name: "trust-file", value: "GLOB",
		help: "look at the signatures of these files too; a name alone is looked for from here up",
	},
	{
		name: "trust-unsigned", value: "allow|warn|refuse",
		help: "what becomes of the run where one that is looked at was never signed",
	},
	{
		name: "trust-signer", value: "KEY",
		help: "whose signatures count: a key's id or name, or \"IDENTITY by ISSUER\"",
	},
	{
		name: "disable", value: "KIND",
		help: "run without a layer: " + strings.Join(kinds.Names(), ", "),
	},
	{
		name: "block-net", hidden: true, help: "close the network, which it is anyway",
	},
}

func (o *policyOptions) add(cmd *cobra.Command, names completers) {
	flags := cmd.Flags()
	flags.SortFlags = false
	// What follows the command's name is the command's own, with -- before it or not: `nono run python
	// -c ...` runs no file of policy, and no agent's argument grants anything.
	flags.SetInterspersed(false)
	flags.VarP((*fileName)(&o.File), "config", "c", "read the policy from this file")
	flags.VarP(&profileNames{&o.Profiles}, "profile", "p",
		"begin from a profile, by its name or its file; may be repeated")
	for _, r := range flagRules {
		rule := &ruleValue{to: &o.Rules, name: r.name, hint: r.value}
		flag := flags.VarPF(rule, r.name, r.short, r.help)
		flag.Hidden = r.hidden
		if r.value == "" {
			flag.NoOptDefVal = noValue
		}
	}
	flags.Var((*dirName)(&o.Workdir), "workdir", "as if nono were started in this directory")
	flags.BoolVar(&o.Approve, "approve", false,
		"grant what files ask for beyond their own directory, for this run alone")
	flags.BoolVar(&o.Fresh, "fresh", false,
		"ask every layer anew, whatever is remembered, and copy vendors' programs anew")
	completeFlags(cmd, names)
	addSpellings(flags)
}

// completers offer the names that flags take.
type completers struct{ profiles, networks, services cobra.CompletionFunc }

// completeFlags tells the shell what may follow a flag. A path is what it offers by itself.
func completeFlags(cmd *cobra.Command, names completers) {
	own := cobra.FixedCompletions(kinds.Names(), cobra.ShellCompDirectiveNoFileComp)
	for _, err := range []error{
		cmd.MarkFlagFilename("config", "hcl", "json", "jsonc"),
		cmd.RegisterFlagCompletionFunc("profile", names.profiles),
		cmd.RegisterFlagCompletionFunc("disable", own),
		cmd.RegisterFlagCompletionFunc("network-profile", names.networks),
		cmd.RegisterFlagCompletionFunc("credential", names.services),
		cmd.MarkFlagDirname("workdir"),
	} {
		if err != nil {
			panic(err) // the flags were added by our caller
		}
	}
}

// fileName is a string flag that help shows as FILE.
type fileName string

// String implements pflag.Value.
func (f *fileName) String() string { return string(*f) }

// Type implements pflag.Value: what help shows for the value.
func (f *fileName) Type() string { return "FILE" }

// Set implements pflag.Value.
func (f *fileName) Set(s string) error {
	*f = fileName(s)
	return nil
}

// dirName is a string flag that help shows as DIR.
type dirName string

// String implements pflag.Value.
func (d *dirName) String() string { return string(*d) }

// Type implements pflag.Value: what help shows for the value.
func (d *dirName) Type() string { return "DIR" }

// Set implements pflag.Value.
func (d *dirName) Set(s string) error {
	if s == "" {
		return errors.New("it names no directory")
	}
	*d = dirName(s)
	return nil
}

// profileNames appends what was typed to the names of profiles.
type profileNames struct{ to *[]string }

// String implements pflag.Value.
func (p *profileNames) String() string { return "" }

// Type implements pflag.Value: what help shows for the value.
func (p *profileNames) Type() string { return "PROFILE" }

// Set implements pflag.Value.
func (p *profileNames) Set(s string) error {
	*p.to = append(*p.to, s)
	return nil
}

// noValue is what a flag without a value is set to.
const noValue = "true"

// errNoValue is said of --allow-cwd=false: it must not grant what it seems to take back.
var errNoValue = errors.New("it takes no value")

// ruleValue appends what was typed to the list of rules.
type ruleValue struct {
	to   *[]config.Flag
	name string
	hint string // empty: the flag takes no value
}

// String implements pflag.Value.
func (v *ruleValue) String() string { return "" }

// Type implements pflag.Value: what help shows for the value.
func (v *ruleValue) Type() string {
	if v.hint == "" {
		return "bool"
	}
	return v.hint
}

// Set implements pflag.Value.
func (v *ruleValue) Set(s string) error {
	if v.hint == "" {
		if s != noValue {
			return errNoValue
		}
		s = ""
	}
	*v.to = append(*v.to, config.Flag{Name: v.name, Value: s})
	return nil
}
