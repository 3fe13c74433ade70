package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/kinds"
)

// policyOptions are what run and plan are told: the command, and what it may do. A flag that is a
// rule is the same policy from another source, so they are kept in the order in which they were
// typed and handed to core/config.
type policyOptions struct {
	Profiles []string
	File     string
	Approve  bool
	Rules    []config.Flag
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

// flagRule is one flag that is a rule, with the other spellings it is accepted under.
type flagRule struct {
	name, short string
	value       string // what stands in help for the value; empty: the flag takes none
	help        string
	aliases     []string
	// hidden is a spelling of another tool's: it is taken, and not in help.
	hidden bool
	// means is the rule and its value that such a spelling stands for; empty: a rule of its own.
	means config.Flag
}

var flagRules = []flagRule{
	{name: "allow-cwd", help: "grant the current directory: read, write, execute"},
	{
		name: "allow", short: "a", value: "PATH",
		help:    "grant a path: read, write, create, delete, execute",
		aliases: []string{"allow-file"},
	},
	{
		name: "read", short: "r", value: "PATH", help: "grant a path: read, list, execute",
		aliases: []string{"read-file"},
	},
	{
		name: "write", short: "w", value: "PATH",
		help:    "grant a path: as --allow, without execute (it can be read too)",
		aliases: []string{"write-file"},
	},
	{name: "deny", value: "PATH", help: "deny a path, whatever grants it"},
	{
		name: "lift", value: "PATH",
		help:    "take back what is denied by default at a path; it still needs a grant",
		aliases: []string{"bypass-protection", "override-deny"},
	},
	{name: "env", value: "NAME[=VALUE]", help: "pass a variable, or set it"},
	{
		name: "disable", value: "KIND",
		help: "run without a layer: " + strings.Join(kinds.Names(), ", "),
	},
	{
		name: "block-net", hidden: true, help: "close the network, which it is anyway",
		aliases: []string{"net-block", "no-network", "no-net", "block-network"},
	},
	{
		name: "allow-net", hidden: true, help: "as --disable network",
		aliases: []string{"net-allow"}, means: config.Flag{Name: "disable", Value: "network"},
	},
}

func (o *policyOptions) add(cmd *cobra.Command, profiles cobra.CompletionFunc) {
	flags := cmd.Flags()
	flags.SortFlags = false
	// What follows the command's name is the command's own, with -- before it or not: `nono run python
	// -c ...` runs no file of policy, and no agent's argument grants anything.
	flags.SetInterspersed(false)
	flags.VarP((*fileName)(&o.File), "config", "c", "read the policy from this file")
	named := &profileNames{&o.Profiles}
	flags.VarP(named, "profile", "p", "begin from a profile, by its name or its file; may be repeated")
	flags.VarPF(named, "extends", "", "as --profile").Hidden = true
	for _, r := range flagRules {
		o.addRule(flags, r.name, r.short, r).Hidden = r.hidden
		for _, alias := range r.aliases {
			o.addRule(flags, alias, "", r).Hidden = true
		}
	}
	completeFlags(cmd, profiles)
	flags.BoolVar(&o.Approve, "approve", false,
		"grant what the file of -c asks for beyond its own directory")
}

func (o *policyOptions) addRule(
	flags *pflag.FlagSet, name, short string, r flagRule,
) *pflag.Flag {
	means := r.means
	if means.Name == "" {
		means.Name = r.name
	}
	flag := flags.VarPF(&ruleValue{to: &o.Rules, means: means, hint: r.value}, name, short, r.help)
	if r.value == "" {
		flag.NoOptDefVal = alone
	}
	return flag
}

// completeFlags tells the shell what may follow a flag. A path is what it offers by itself.
func completeFlags(cmd *cobra.Command, profiles cobra.CompletionFunc) {
	own := cobra.FixedCompletions(kinds.Names(), cobra.ShellCompDirectiveNoFileComp)
	for _, err := range []error{
		cmd.MarkFlagFilename("config", "hcl"),
		cmd.RegisterFlagCompletionFunc("profile", profiles),
		cmd.RegisterFlagCompletionFunc("disable", own),
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

// alone is what a flag without a value is set to.
const alone = "true"

// ruleValue appends what was typed to the list of rules.
type ruleValue struct {
	to    *[]config.Flag
	means config.Flag
	hint  string
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
		// --allow-cwd=false must not grant what it seems to take back.
		if s != alone {
			return errors.New("it takes no value")
		}
		s = v.means.Value
	}
	*v.to = append(*v.to, config.Flag{Name: v.means.Name, Value: s})
	return nil
}
