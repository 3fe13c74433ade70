package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nono-run/nono/core/diag"
)

// spelling is one thing that people write in words of their own: those of another tool, of the Rust
// nono, or of a later one. The tables of them are all there is to know of it: what is accepted,
// what is answered, what `nono help spellings` shows, and what the shell completes.
type spelling struct {
	words []string // of flags without the dashes
	// is is nono's own word, for which they are accepted; empty: they are only answered.
	is string
	// value is what that flag is given; empty: what was typed.
	value string
	// pair says that two words follow, a value and its name, which nono's own has as NAME=VALUE.
	pair bool
	// later says that nono is going to have it.
	later bool
	// answer is nono's own for the same, or what there is until nono has it.
	answer string
}

const (
	networkNone = "the network is closed without any flag"
	planShows   = "`nono plan` shows every rule and the line it comes from"
	always      = "every run has it without any flag"
)

// commandSpellings are words in the place of a command.
var commandSpellings = []spelling{
	{words: []string{"profile"}, is: "profiles"},
	{words: []string{"rollback list"}, is: "session list"},
	{words: []string{"rollback show"}, is: "session diff"},
	{words: []string{"rollback verify"}, is: "session verify"},
	{words: []string{"rollback cleanup"}, is: "session prune"},
	{words: []string{"rollback restore", "rollback", "undo"}, is: "session rollback"},

	{words: []string{"wrap"}, later: true, answer: "`nono run` does it"},
	{words: []string{"setup"}, is: "doctor"},
	{words: []string{"learn"}, later: true, answer: "`nono logs` shows what a run did"},
}

// flagSpellings are flags of `nono run` and its like.
var flagSpellings = []spelling{
	{words: []string{"allow-file"}, is: "allow"},
	{words: []string{"read-file"}, is: "read"},
	{words: []string{"write-file"}, is: "write"},
	{words: []string{"bypass-protection", "override-deny"}, is: "lift"},
	{words: []string{"extends"}, is: "profile"},
	{words: []string{"net-block", "no-network", "no-net", "block-network"}, is: "block-net"},
	{words: []string{"allow-net", "net-allow"}, is: "disable", value: "network"},
	{words: []string{"allow-domain", "allow-proxy", "proxy-allow"}, is: "allow-host"},
	{words: []string{"allow-port"}, is: "open-port"},
	{words: []string{"allow-bind"}, is: "listen-port"},
	{words: []string{"external-proxy"}, is: "upstream-proxy"},
	{words: []string{"external-proxy-bypass"}, is: "upstream-bypass"},

	{words: []string{"rollback"}, is: "snapshot"},
	{words: []string{"rollback-exclude"}, is: "snapshot-exclude"},
	{words: []string{"no-rollback", "no-snapshot"}, is: "disable", value: "snapshot"},
	{words: []string{"proxy-credential"}, is: "credential"},
	{
		words: []string{"env-credential-map"}, is: "env-credential", pair: true,
		answer: "two words follow it, where the key is and the variable: " +
			"--env-credential-map keyring://NAME VARIABLE",
	},
	{
		words: []string{"memory"}, later: true,
		answer: "where systemd gives you a control group, " +
			"`systemd-run --user --scope -p MemoryMax=4G -p MemorySwapMax=0 -- nono run ...`",
	},
	{words: []string{"trace"}, later: true, answer: planShows},

	{
		words: []string{
			"ro", "ro-bind", "ro-bind-try", "read-only", "readonly", "allow-read", "read-path",
		},
		answer: "here it is --read PATH",
	},
	{
		words: []string{
			"rw", "bind", "bind-try", "dev-bind", "read-write", "readwrite", "whitelist", "volume",
			"mount", "add-dir", "allow-path", "allow-dir",
		},
		answer: "here it is --allow PATH",
	},
	{words: []string{"allow-write", "write-path"}, answer: "here it is --write PATH"},
	{words: []string{"cwd", "allow-dot", "project"}, answer: "here it is --allow-cwd"},
	{
		words:  []string{"blacklist", "deny-path", "deny-read", "mask", "hide"},
		answer: "here it is --deny PATH",
	},
	{
		words:  []string{"setenv", "allow-env", "pass-env", "env-file", "e"},
		answer: "here it is --env NAME, or --env NAME=VALUE",
	},
	{words: []string{"policy", "file", "config-file"}, answer: "here it is -c FILE"},
	{words: []string{"share-net"}, answer: "here it is --disable network"},
	{
		words: []string{
			"net", "network", "unshare-net", "unshare-all", "offline", "no-internet",
			"isolate-network",
		},
		answer: networkNone,
	},
	{
		words:  []string{"private", "private-tmp", "private-home", "tmpfs"},
		answer: "the home and /tmp are private without any flag",
	},
	{
		words: []string{
			"unshare-pid", "unshare-user", "unshare-ipc", "unshare-uts", "die-with-parent",
			"new-session", "proc", "dev", "seccomp", "noroot", "clearenv", "rm",
		},
		answer: always,
	},
	{words: []string{"chdir", "directory"}, answer: "here it is --workdir DIR"},
	{
		words: []string{
			"dangerously-skip-permissions", "permission-mode", "yolo", "full-auto", "print",
			"model", "dangerously-bypass-approvals-and-sandbox", "sandbox", "prompt", "resume",
			"continue",
		},
		answer: "it is the agent's own, and stands after its name: " +
			"nono run --allow-cwd -- AGENT --FLAG",
	},
}

// spelled is what a table says of a word.
func spelled(table []spelling, word string) (spelling, bool) {
	i := slices.IndexFunc(table, func(s spelling) bool { return slices.Contains(s.words, word) })
	if i < 0 {
		return spelling{}, false
	}
	return table[i], true
}

// respelled is a command line with nono's own words in the place of those of another tool that are
// more than one, or stand for more than one.
func respelled(args []string) []string {
	var at []int // where the words stand that name a command
	for i, arg := range args {
		if arg == "--" || len(at) == 2 {
			break
		}
		if words := typedWords([]string{arg}); len(words) > 0 {
			at = append(at, i)
		}
	}
	for n := len(at); n > 0; n-- {
		var words []string
		for _, i := range at[:n] {
			words = append(words, args[i])
		}
		s, ok := spelled(commandSpellings, strings.Join(words, " "))
		if !ok || !strings.Contains(s.is, " ") {
			continue
		}
		out := slices.Concat(args[:at[0]], strings.Fields(s.is))
		for i := at[0] + 1; i < len(args); i++ {
			if !slices.Contains(at[:n], i) {
				out = append(out, args[i])
			}
		}
		return out
	}
	return args
}

// paired is a command line with nono's own flags in the place of those that two words follow. What
// stands after the name of the command that is run belongs to that.
func paired(root *cobra.Command, args []string) []string {
	cmd, _, err := root.Find(args)
	if err != nil {
		return args
	}
	out := []string{}
	commands := strings.Count(cmd.CommandPath(), " ")
	for i := 0; i < len(args); i++ {
		word, isFlag := strings.CutPrefix(args[i], "--")
		s, ok := spelled(flagSpellings, word)
		switch {
		case isFlag && ok && s.pair && i+2 < len(args) && cmd.Flags().Lookup(s.is) != nil:
			out = append(out, "--"+s.is, args[i+2]+"="+keyringFirst(args[i+1]))
			i += 2
			continue
		case args[i] == "--" || !strings.HasPrefix(args[i], "-") && commands == 0:
			return append(out, args[i:]...)
		case !strings.HasPrefix(args[i], "-"):
			commands--
		case takesNext(cmd, args[i]) && i+1 < len(args):
			out = append(out, args[i])
			i++
		}
		out = append(out, args[i])
	}
	return out
}

// takesNext reports whether the value of a flag is the word after it.
func takesNext(cmd *cobra.Command, word string) bool {
	var f *pflag.Flag
	if long, isLong := strings.CutPrefix(word, "--"); isLong {
		f = cmd.Flag(long)
	} else if len(word) == 2 {
		if f = cmd.Flags().ShorthandLookup(word[1:]); f == nil {
			f = cmd.InheritedFlags().ShorthandLookup(word[1:])
		}
	}
	return f != nil && f.NoOptDefVal == ""
}

// keyringFirst is where a key is: a name without a scheme is one in the keyring.
func keyringFirst(from string) string {
	if strings.Contains(from, "://") {
		return from
	}
	return "keyring://" + from
}

// accepted are the words that are accepted for one of nono's own.
func accepted(table []spelling, is string) []string {
	var words []string
	for _, s := range table {
		if s.is == is {
			words = append(words, s.words...)
		}
	}
	return words
}

// notBuilt is what is said of a word that nono is going to have.
func notBuilt(word, meanwhile string) error {
	return diag.Errorf("%s is not built yet", word).Try("%s", meanwhile)
}

// asSpelling marks a flag that is another spelling, and names nono's own.
const asSpelling = "spelling"

// addSpellings makes a command take the other spellings of its flags. Help leaves them out.
func addSpellings(flags *pflag.FlagSet) {
	for _, s := range flagSpellings {
		own := flags.Lookup(s.is)
		if own == nil || s.pair {
			continue
		}
		for _, word := range s.words {
			as, value, alone := "as --"+s.is, own.Value, own.NoOptDefVal
			if s.value != "" {
				as, value, alone = as+" "+s.value, &fixedValue{own.Value, s.value}, noValue
			}
			other := flags.VarPF(value, word, "", as)
			other.NoOptDefVal, other.Hidden = alone, true
			other.Annotations = map[string][]string{asSpelling: {s.is}}
		}
	}
}

// fixedValue is a flag without a value that stands for one with a value.
type fixedValue struct {
	pflag.Value

	value string
}

// Type implements pflag.Value.
func (*fixedValue) Type() string { return "bool" }

// Set implements pflag.Value.
func (f *fixedValue) Set(s string) error {
	if s != noValue {
		return errNoValue
	}
	return f.Value.Set(f.value)
}

// offerSpellings lets the shell complete the other spellings of flags once one has been begun: at
// the bare dashes nono's own are enough.
func offerSpellings(root *cobra.Command, args []string) {
	asks := []string{cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}
	if len(args) < 2 || !slices.Contains(asks, args[0]) {
		return
	}
	begun, isFlag := strings.CutPrefix(args[len(args)-1], "--")
	if !isFlag || begun == "" {
		return
	}
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Annotations[asSpelling] != nil {
				f.Hidden = !strings.HasPrefix(f.Name, begun)
			}
		})
	}
}

// spellingsPage is what follows `nono help` for the tables.
const spellingsPage = "spellings"

// printSpellings prints the tables.
func printSpellings(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, part := range []struct {
		title string
		is    func(spelling) bool
	}{
		{"Taken for nono's own:", func(s spelling) bool { return s.is != "" }},
		{"Not built yet:", func(s spelling) bool { return s.later }},
		{"Not taken:", func(s spelling) bool { return s.is == "" && !s.later }},
	} {
		fmt.Fprintln(w, part.title)
		for _, s := range commandSpellings {
			if part.is(s) {
				printSpelling(w, "nono ", s)
			}
		}
		for _, s := range flagSpellings {
			if part.is(s) {
				printSpelling(w, "--", s)
			}
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func printSpelling(w io.Writer, before string, s spelling) {
	says := s.answer
	switch {
	case s.pair:
		says = before + s.is + " VARIABLE=SOURCE"
	case s.is != "":
		says = strings.TrimSpace(before + s.is + " " + s.value)
	}
	for _, word := range s.words {
		fmt.Fprintf(w, "  %s%s\t%s\n", before, word, says)
	}
}
