package doctor

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/fatih/color"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// Print prints the report for people.
func Print(to io.Writer, r *Report, home string, colour bool) error {
	var out strings.Builder
	p := &printer{
		out: &out, home: home,
		good: paint(color.FgGreen, colour), bad: paint(color.FgYellow, colour),
	}
	p.host(r)
	p.restrictions(r.Sandbox)
	p.landlock(r)
	p.tools(r.Tools)
	p.directories(r.Directories)
	p.remedies(r)
	if r.Wrong != "" {
		p.section("your configuration is refused", func(w io.Writer) {
			for line := range strings.SplitSeq(strings.TrimRight(r.Wrong, "\n"), "\n") {
				fmt.Fprintf(w, "  %s\n", line)
			}
		})
	}
	fmt.Fprintf(&out, "next: %s\n", r.Next)
	_, err := io.WriteString(to, out.String())
	return err
}

func paint(as color.Attribute, on bool) func(a ...any) string {
	c := color.New(as)
	if on {
		c.EnableColor()
	} else {
		c.DisableColor()
	}
	return c.Sprint
}

type printer struct {
	out       io.Writer
	home      string
	good, bad func(a ...any) string
}

// section prints lines beneath a title; cells of a line are apart by tabs.
func (p *printer) section(title string, write func(w io.Writer)) {
	fmt.Fprintln(p.out, title)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	write(w)
	_ = w.Flush() // into memory
	fmt.Fprintln(p.out)
}

// cell is the last one of a line, which may be missing.
func cell(what string) string {
	if what == "" {
		return ""
	}
	return "\t" + what
}

// shown is a text of the host's or a file's.
func shown(s string) string { return policy.Printable(s) }

func (p *printer) host(r *Report) {
	h := r.Host
	p.section("host", func(w io.Writer) {
		row := func(name, what string) { fmt.Fprintf(w, "  %s\t%s\n", name, what) }
		row("kernel", shown(strings.TrimSuffix(h.Kernel+", "+h.Distribution, ", ")))
		if kind := h.kind(); kind != "" {
			row("this is", kind)
		}
		row("Landlock", r.Landlock.String())
		row("sandbox", p.tier(r.Sandbox))
		row("keyring", r.Keyring.text())
		if h.Group != "" {
			row("control group", shown(h.Group))
		}
		if h.Profile != "" {
			row("AppArmor", shown(h.Profile))
		}
		for _, name := range []string{
			SettingLimit, SettingDebian, SettingAppArmor, SettingYama, SettingCore,
		} {
			if value, ok := h.Settings[name]; ok {
				row(name, shown(value))
			}
		}
		for i, note := range r.Notes {
			name := ""
			if i == 0 {
				name = "note"
			}
			row(name, shown(note))
		}
	})
}

// kind is what sets a host apart, in words.
func (h Host) kind() string {
	var is []string
	if h.Inside {
		is = append(is, "a sandbox of nono's")
	}
	switch h.Container {
	case "":
	case "container":
		is = append(is, "a container")
	default:
		is = append(is, "a container ("+shown(h.Container)+"), by its marks")
	}
	if h.WSL > 0 {
		is = append(is, fmt.Sprintf("WSL %d", h.WSL))
	}
	switch h.Runner {
	case "github":
		is = append(is, "a job of GitHub's")
	case "gitlab":
		is = append(is, "a job of GitLab's")
	}
	if h.Service != "" {
		is = append(is, "the unit "+shown(h.Service))
	}
	if h.NoCapabilities && h.UID == 0 {
		is = append(is, "root without capabilities")
	}
	if h.Filtered {
		is = append(is, "beneath a filter of system calls")
	}
	if len(h.Covered) > 0 {
		is = append(is, "with parts of /proc covered")
	}
	return strings.Join(is, ", ")
}

func (p *printer) tier(s Sandbox) string {
	switch {
	case s.Tier == sdk.TierA:
		return p.good("tier A") + ": namespaces, Landlock and a filter of system calls"
	case s.Tier != "":
		return p.bad("tier "+string(s.Tier)) + ", without namespaces: " + shown(s.Why)
	}
	return p.bad("none") + ", so no run starts: " + shown(s.Why)
}

func (k Keyring) text() string {
	switch {
	case !k.Reachable:
		return "not to be had: " + shown(k.Why) + "; keys can be in a file that age encrypts"
	case k.Keys == 1:
		return "there, with 1 key of nono's"
	}
	return fmt.Sprintf("there, with %d keys of nono's", k.Keys)
}

// words say how far something is held.
var words = map[sdk.Held]string{
	sdk.Enforced: "held", sdk.Partial: "in part", sdk.Unavailable: "not held",
}

func (p *printer) restrictions(s Sandbox) {
	if len(s.Restrictions) == 0 {
		return
	}
	widest := 0
	for _, r := range s.Restrictions {
		widest = max(widest, utf8.RuneCountInString(shown(r.Says)))
	}
	p.section("what holds an agent here, and by what", func(w io.Writer) {
		for _, r := range s.Restrictions {
			held := p.good
			if r.Held != sdk.Enforced {
				held = p.bad
			}
			line := fmt.Sprintf("%s  %-*s  %s", held(fmt.Sprintf("%-8s", words[r.Held])),
				widest, shown(r.Says), shown(r.By))
			fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, " "))
			if r.Held != sdk.Enforced {
				fmt.Fprintf(w, "            %s\n", shown(r.Why))
			}
		}
	})
}

// landlock prints what later kernels could hold.
func (p *printer) landlock(r *Report) {
	if len(r.Landlock.Lacks) == 0 || r.Sandbox.Tier == "" {
		return
	}
	p.section("what Landlock of later kernels has, and is done without here", func(w io.Writer) {
		for _, f := range r.Landlock.Lacks {
			without := f.WithoutA
			if r.Sandbox.Tier != sdk.TierA {
				without = f.WithoutB
			}
			fmt.Fprintf(w, "  Linux %s\t%s\t%s\n", f.Kernel, f.Can, without)
		}
	})
}

func (p *printer) tools(tools []Tool) {
	if len(tools) == 0 {
		return
	}
	p.section("programs in your PATH", func(w io.Writer) {
		for _, t := range tools {
			works := "works inside"
			if !t.Inside {
				works = "does not, by itself: " + shown(t.Why)
				if try, _, _ := strings.Cut(t.Try, "\n"); try != "" {
					works += "; " + shown(try)
				}
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", t.Name, shown(diag.Homely(t.Path, p.home)), works)
		}
	})
}

func (p *printer) directories(dirs []Directory) {
	p.section("nono's own directories", func(w io.Writer) {
		for _, d := range dirs {
			more := ""
			if d.From != "" {
				more = "by " + d.From
			}
			if d.Why != "" {
				more = strings.TrimPrefix(more+"; "+shown(d.Why), "; ")
			}
			fmt.Fprintf(w, "  %s\t%s%s\n", shown(diag.Homely(d.Path, p.home)), d.For, cell(more))
		}
	})
}

func (p *printer) remedies(r *Report) {
	if len(r.Remedies) == 0 && r.Sandbox.Try == "" {
		return
	}
	p.section("what to do about it", func(w io.Writer) {
		for line := range strings.SplitSeq(r.Sandbox.Try, "\n") {
			if len(r.Remedies) == 0 || !r.Sandbox.Refused {
				fmt.Fprintf(w, "  %s\n", shown(line))
			}
		}
		for _, m := range r.Remedies {
			fmt.Fprintf(w, "  %s\n", shown(m.What))
			for _, line := range m.Do {
				fmt.Fprintf(w, "    %s\n", shown(line))
			}
		}
	})
}
