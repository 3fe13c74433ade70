package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nono-run/nono/core/config"
	"github.com/nono-run/nono/core/config/jsonprofile"
	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/profile"
	"github.com/nono-run/nono/sdk/policy"
)

func newProfiles(do actions, names cobra.CompletionFunc) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "profiles",
		Aliases: accepted(commandSpellings, "profiles"),
		Short:   "Show the profiles there are, and write one",
		Long: `Show the profiles there are, and write one. A profile is a policy that goes by a name:
built in, or your own in ~/.config/nono/profiles. Nothing is run by any of these commands.`,
		Example: "  nono profiles list\n  nono profiles show claude-code",
	})
	cmd.AddCommand(
		newProfilesList(do.listProfiles),
		newProfilesShow(do.showProfile, names),
		newProfilesInit(do.initProfile, names),
		newProfilesValidate(do.validateProfile, names),
		newProfilesDiff(do.diffProfiles, names),
		newProfilesConvert(do.convertProfile),
	)
	return cmd
}

func newProfilesList(list func(asJSON bool) error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the profiles that have a name",
		Long: `List the profiles that are built in, and your own: those in ~/.config/nono/profiles, each
NAME.hcl, or NAME.json or NAME.jsonc of the Rust tool of the same name. One of your own takes the
place of a built-in one.`,
		Example: "  nono profiles list\n  nono profiles list --json",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return list(asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// profileOptions are what the commands about one profile are told.
type profileOptions struct {
	Name string // or the path of a file
	JSON bool
}

func newProfilesShow(show func(profileOptions) error, names cobra.CompletionFunc) *cobra.Command {
	var o profileOptions
	cmd := &cobra.Command{
		Use:                   "show [flags] PROFILE",
		ValidArgsFunction:     names,
		DisableFlagsInUseLine: true,
		Short:                 "Print a profile as it is written",
		Long: `Print a profile as it is written, with the reasons in it: a built-in one, one of your own,
or that of a file, which is named with its .hcl, .json or .jsonc.

What it means together with all else, nono plan --profile shows.`,
		Example: "  nono profiles show claude-code\n  nono profiles show ./my-agent.json",
		Args:    oneProfile,
		RunE: func(_ *cobra.Command, args []string) error {
			o.Name = args[0]
			return show(o)
		},
	}
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print as JSON")
	return cmd
}

// initOptions are what `nono profiles init` is told.
type initOptions struct {
	Name    string
	Extends []string
}

func newProfilesInit(write func(initOptions) error, names cobra.CompletionFunc) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:                   "init [flags] NAME",
		DisableFlagsInUseLine: true,
		Short:                 "Write the beginning of a profile of your own",
		Long: `Write ~/.config/nono/profiles/NAME.hcl, a profile that grants nothing yet and says in
comments what it could. A file that is there already is left alone.`,
		Example: "  nono profiles init work\n  nono profiles init work --extends claude-code",
		Args:    oneProfile,
		RunE: func(_ *cobra.Command, args []string) error {
			o.Name = args[0]
			return write(o)
		},
	}
	cmd.Flags().StringArrayVar(&o.Extends, "extends", nil, "a profile that it begins from")
	if err := cmd.RegisterFlagCompletionFunc("extends", names); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

func newProfilesConvert(convert func(profileOptions) error) *cobra.Command {
	return &cobra.Command{
		Use:                   "convert FILE",
		DisableFlagsInUseLine: true,
		Short:                 "Print a profile in JSON as HCL",
		Long: `Print a profile in JSON, or in JSONC, as the same policy in HCL. What has no meaning here
is named, each with its line, and then nothing is printed.`,
		Example: "  nono profiles convert my-agent.json > ~/.config/nono/profiles/my-agent.hcl",
		Args:    oneProfile,
		ValidArgsFunction: cobra.FixedCompletions([]string{"json", "jsonc"},
			cobra.ShellCompDirectiveFilterFileExt),
		RunE: func(_ *cobra.Command, args []string) error {
			return convert(profileOptions{Name: args[0]})
		},
	}
}

// oneProfile is for a command about one profile.
func oneProfile(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return diag.Errorf("`%s` takes one profile, and was given %d", cmd.CommandPath(), len(args)).
		Try("usage: %s", cmd.UseLine())
}

// completeProfiles offers the names of profiles, and files that may hold one.
func (a *App) completeProfiles(
	_ *cobra.Command, _ []string, typed string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	all, _, err := a.profileDirs()
	if err != nil || strings.Contains(typed, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	listed, err := all.List()
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []cobra.Completion
	for _, l := range listed {
		if l.Name != profile.Default {
			names = append(names, l.Name)
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}

// completeNetworks offers the names of network profiles.
func (a *App) completeNetworks(
	_ *cobra.Command, _ []string, _ string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	listed, err := profile.Hosts{Own: own.Networks()}.Networks()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]cobra.Completion, len(listed))
	for i, l := range listed {
		names[i] = l.Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *App) completeServices(
	_ *cobra.Command, _ []string, _ string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	own, err := dirs.Find(a.Lookup, a.UID)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := profile.Services{Own: own.Services()}.Names() // where they cannot be listed, none
	return names, cobra.ShellCompDirectiveNoFileComp
}

// here is where nono's own files are, and the current directory.
func (a *App) here() (own dirs.Dirs, dir string, err error) {
	if own, err = dirs.Find(a.Lookup, a.UID); err != nil {
		return dirs.Dirs{}, "", err
	}
	dir, _, err = a.currentDir()
	return own, dir, err
}

// profileDirs is where profiles are looked for, and the user's home.
func (a *App) profileDirs() (from profile.Dirs, home string, err error) {
	own, dir, err := a.here()
	return profile.Dirs{Own: own.Profiles(), Base: dir}, own.Home, err
}

// findProfile is a profile, whose lines the printer knows from here on.
func (a *App) findProfile(nameOrFile string) (profile.Profile, error) {
	all, _, err := a.profileDirs()
	if err != nil {
		return profile.Profile{}, err
	}
	p, err := all.Find(nameOrFile)
	if err != nil {
		return profile.Profile{}, err
	}
	a.texts = diag.Texts{profileText(p)}
	return p, nil
}

func profileText(p profile.Profile) diag.Text {
	return diag.Text{Origin: policy.OriginProfile, File: p.File, Content: p.Text}
}

// shownProfile is a profile as it is shown.
type shownProfile struct {
	Name string `json:"name"`
	From string `json:"from"`
	// Replaces says that one of the user's own has the name of a built-in one.
	Replaces bool   `json:"replaces,omitempty"`
	File     string `json:"file,omitempty"`
	About    string `json:"about,omitempty"`
	Text     string `json:"text,omitempty"`
	Error    string `json:"error,omitempty"`
}

func (a *App) listProfiles(asJSON bool) error {
	all, home, err := a.profileDirs()
	if err != nil {
		return err
	}
	listed, err := all.List()
	if err != nil {
		return err
	}
	shown := make([]shownProfile, len(listed))
	for i, l := range listed {
		shown[i] = shownProfile{Name: l.Name, From: string(l.Origin), Replaces: l.Replaces}
		p, err := all.Find(l.Name)
		if err != nil {
			shown[i].Error = err.Error()
			continue
		}
		shown[i].About = about(p)
		if p.Origin != profile.BuiltIn {
			shown[i].File = p.File
		}
	}
	if asJSON {
		return a.printJSON(shown)
	}
	return a.printProfiles(shown, home)
}

func (a *App) printProfiles(shown []shownProfile, home string) error {
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tFROM\tABOUT")
	for _, s := range shown {
		from := s.From
		if s.Replaces {
			from += ", for the built-in one"
		}
		says := cmp.Or(s.About, diag.Homely(s.File, home), "-")
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, from, policy.Printable(says))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range shown {
		if s.Error != "" {
			a.printer().Line("%s cannot be used: %s", s.Name, s.Error)
		}
	}
	return nil
}

func (a *App) showProfile(o profileOptions) error {
	p, err := a.findProfile(o.Name)
	if err != nil {
		return err
	}
	if o.JSON {
		shown := shownProfile{
			Name: p.Name, From: string(p.Origin), About: about(p), Text: string(p.Text),
		}
		if p.Origin != profile.BuiltIn {
			shown.File = p.File
		}
		return a.printJSON(shown)
	}
	return a.printText(p.Text)
}

// printText writes a text of somebody's with nothing in it for a terminal to act on.
func (a *App) printText(text []byte) error {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _ = strings.CutSuffix(line, "\n")
		cells := strings.Split(line, "\t")
		for i := range cells {
			cells[i] = policy.Printable(cells[i])
		}
		b.WriteString(strings.Join(cells, "\t") + "\n")
	}
	_, err := a.Stdout.WriteString(b.String())
	return err
}

// about is what a profile says of itself, in a sentence.
func about(p profile.Profile) string {
	if isJSON(p.File) {
		return jsonprofile.Description(p.Text)
	}
	return profile.About(p.Text)
}

func isJSON(file string) bool {
	ext := filepath.Ext(file)
	return ext == ".json" || ext == ".jsonc"
}

// convertProfile prints a profile in JSON as HCL.
func (a *App) convertProfile(o profileOptions) error {
	p, err := a.findProfile(o.Name)
	if err != nil {
		return err
	}
	if !isJSON(p.File) {
		return diag.Errorf("%s is no profile in JSON", p.File).
			Try("only a file whose name ends in .json or .jsonc is converted")
	}
	hcl, problems := config.Convert(profileText(p))
	if problems.Failed() {
		return problems
	}
	for _, told := range problems {
		a.printer().Problem(told)
	}
	if says := about(p); says != "" {
		hcl = append([]byte("# "+strings.Join(strings.Fields(says), " ")+"\n\n"), hcl...)
	}
	return a.printText(hcl)
}

func (a *App) initProfile(o initOptions) error {
	all, home, err := a.profileDirs()
	if err != nil {
		return err
	}
	if err := profile.CanBeOwn(o.Name); err != nil {
		return err
	}
	for _, base := range o.Extends {
		if profile.IsFile(base) {
			return diag.Errorf("--extends %s: a profile begins from one that has a name", base).
				Try("`nono profiles list` shows those there are")
		}
		if _, err := all.Find(base); err != nil {
			return err
		}
	}
	path := filepath.Join(all.Own, o.Name+".hcl")
	shown := diag.Homely(path, home)
	if err := os.MkdirAll(all.Own, 0o700); err != nil {
		return fmt.Errorf("making the directory of your profiles: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return diag.Errorf("%s is there already", shown).Try("edit it, or choose another name")
	}
	if err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	_, err = file.Write(beginning(o))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	a.printer().Line("wrote %s", shown)
	return nil
}

// beginning is the text of a new profile.
func beginning(o initOptions) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What %s is for, in a sentence: `nono profiles list` shows it.\n\n", o.Name)
	extends := `# extends = ["claude-code"]`
	if len(o.Extends) > 0 {
		quoted := make([]string, len(o.Extends))
		for i, base := range o.Extends {
			quoted[i] = strconv.Quote(base)
		}
		extends = "extends = [" + strings.Join(quoted, ", ") + "]"
	}
	b.WriteString(extends + `

filesystem {
  # It belongs to no project: $WORKDIR is the directory that nono is started in.
  # read  = ["~/data"]
  # allow = ["$WORKDIR"]
  # deny  = ["$WORKDIR/.env"]
}

environment {
  # pass = ["MY_SETTING"]
  # set  = { CI = "1" }
}
`)
	return b.Bytes()
}
