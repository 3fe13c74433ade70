//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// report is everything that one run of the command found.
type report struct {
	Machine     string   `json:"machine"`
	Runs        int      `json:"runs"`
	Warmup      int      `json:"warmup"`
	Results     []result `json:"results"`
	Watched     int      `json:"watched,omitempty"`
	Inside      []inside `json:"inside,omitempty"`
	InProjects  int      `json:"in_projects,omitempty"`
	Projects    []result `json:"projects,omitempty"`
	Signed      int      `json:"signed,omitempty"`
	SignedFiles []result `json:"signed_files,omitempty"`
	Grown       int      `json:"grown,omitempty"`
	Growth      []growth `json:"growth,omitempty"`
	Refusal     string   `json:"refusal,omitempty"`
	Stored      []result `json:"stored,omitempty"`
	Walled      *walled  `json:"walled,omitempty"`
	Calls       []calls  `json:"calls,omitempty"`
	Worked      int      `json:"worked,omitempty"`
	Work        []worked `json:"work,omitempty"`
	RealTime    bool     `json:"real_time,omitempty"`
	Missing     []string `json:"missing,omitempty"`
}

// thisMachine is the class of the machine: enough to know whether two tables may be compared.
func thisMachine() string {
	kernel := "unknown"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	who := "an ordinary user"
	if os.Getuid() == 0 {
		who = "root"
	}
	return fmt.Sprintf("%s/%s, %d cores, kernel %s, as %s",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernel, who)
}

// startHeader is that of a table of starts.
var startHeader = []string{
	"", "median", "p10 to p90", "of Codex's", "CPU", "of Codex's", "own memory", "of files",
}

func ownOf(h holding) float64   { return h.Own }
func filesOf(h holding) float64 { return h.Files }

func (x result) memory(of func(holding) float64) string {
	if x.Held == nil || x.Held.Own+x.Held.Files == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f MiB", of(*x.Held))
}

// rows is the table of results, its header first.
func (r report) rows() [][]string {
	rows := [][]string{startHeader}
	for _, x := range r.Results {
		codex := r.codex(x.atTerminal).rounds
		rows = append(rows, []string{
			x.Name, fmt.Sprintf("%.1f ms", x.Median), fmt.Sprintf("%.1f to %.1f", x.P10, x.P90),
			ratioOf(x.rounds, codex, wallOf).String(),
			fmt.Sprintf("%.1f ms", x.CPU), ratioOf(x.rounds, codex, cpuOf).String(),
			x.memory(ownOf), x.memory(filesOf),
		})
	}
	return rows
}

// codex is the peer's row, at a terminal or not; an empty one where it was left out.
func (r report) codex(atTerminal bool) result {
	for _, x := range r.Results {
		if strings.HasPrefix(x.Name, codexName) && x.atTerminal == atTerminal {
			return x
		}
	}
	return result{}
}

// walledRows is the table of results without user namespaces, its header first. They were no part
// of the peer's rounds, so that there are no bounds.
func (r report) walledRows() [][]string {
	rows := [][]string{startHeader}
	codex := r.codex(false)
	of := func(x, peer float64) string {
		if peer == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", x/peer)
	}
	for _, x := range r.Walled.Results {
		rows = append(rows, []string{
			x.Name, fmt.Sprintf("%.1f ms", x.Median), fmt.Sprintf("%.1f to %.1f", x.P10, x.P90),
			of(x.Median, codex.Median), fmt.Sprintf("%.1f ms", x.CPU), of(x.CPU, codex.CPU),
			x.memory(ownOf), x.memory(filesOf),
		})
	}
	return rows
}

// inside is where the time and the memory of one sandbox go.
type inside struct {
	Name      string    `json:"name"`
	Shown     string    `json:"command"`
	Processes []process `json:"processes"`
	Phases    []phase   `json:"phases"`
	Held      []holding `json:"held"`
}

// lookInto watches so many runs of nono for each.
func lookInto(s sandbox, dir string, runs int) (in inside, err error) {
	in.Name = s.Name
	in.Shown = strings.Replace(s.Shown, "run -s", "run -v", 1)
	if in.Processes, err = watch(s, dir, runs); err != nil {
		return in, err
	}
	if in.Phases, err = phases(s, dir, runs); err != nil {
		return in, err
	}
	in.Held, err = hold(s, dir, runs)
	return in, err
}

// processRows is the table of nono's processes, its header first.
func (in inside) processRows() [][]string {
	rows := [][]string{{"nono's processes", "CPU", "peak memory"}}
	for _, p := range in.Processes {
		rows = append(rows, []string{
			p.Name, fmt.Sprintf("%.1f ms", p.CPU), fmt.Sprintf("%.1f MiB", p.Peak),
		})
	}
	return rows
}

// heldRows is the table of what processes have while the command runs, its header first.
func (in inside) heldRows() [][]string {
	rows := [][]string{{"while the command runs", "own memory", "of files"}}
	row := func(h holding) []string {
		return []string{h.Name, fmt.Sprintf("%.1f MiB", h.Own), fmt.Sprintf("%.1f MiB", h.Files)}
	}
	for _, h := range in.Held {
		rows = append(rows, row(h))
	}
	return append(rows, row(together(in.Held)))
}

// phaseRows is the table of the phases of nono's start, its header first. What is left of the whole
// is before main and after the command's end.
func (r report) phaseRows(in inside) [][]string {
	rows := [][]string{{"phase", "median", "what is done"}}
	var rest float64
	for _, x := range r.Results {
		if x.Name == in.Name {
			rest = x.Median
		}
	}
	for _, p := range in.Phases {
		rest -= p.Time
		rows = append(rows, []string{p.Name, fmt.Sprintf("%.1f ms", p.Time), p.What})
	}
	return append(rows, []string{
		"the rest", fmt.Sprintf("%.1f ms", rest),
		"exec of nono and the initialisation of its packages; the command itself; " +
			"the end of all processes and namespaces",
	})
}

// growthRows is the table of starts against the size of the policy, its header first.
func (r report) growthRows() [][]string {
	header := []string{""}
	for _, n := range numbers {
		header = append(header, strconv.Itoa(n))
	}
	rows := [][]string{append(header, "each more")}
	for _, g := range r.Growth {
		row := []string{g.What}
		last := 0
		for i, ms := range g.Medians {
			if ms == 0 {
				row = append(row, "refused")
				continue
			}
			row, last = append(row, fmt.Sprintf("%.0f ms", ms)), i
		}
		if last == 0 {
			rows = append(rows, append(row, ""))
			continue
		}
		slope := (g.Medians[last] - g.Medians[last-1]) / float64(numbers[last]-numbers[last-1])
		rows = append(rows, append(row, fmt.Sprintf("%.2f ms", slope)))
	}
	return rows
}

// countedRows is a table of starts against the number of something, its header first.
func countedRows(what string, results []result) [][]string {
	rows := [][]string{{what, "median", "p10 to p90", "CPU"}}
	for _, x := range results {
		rows = append(rows, []string{
			x.Name, fmt.Sprintf("%.1f ms", x.Median), fmt.Sprintf("%.1f to %.1f", x.P10, x.P90),
			fmt.Sprintf("%.1f ms", x.CPU),
		})
	}
	return rows
}

func (r report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "start-up of `true`: %d runs each, interleaved, after %d to warm up; %s\n\n",
		r.Runs, r.Warmup, r.Machine)
	table(&b, r.rows())
	for _, in := range r.Inside {
		fmt.Fprintf(&b, "\n%s: CPU time by process, medians of %d watched runs\n\n", in.Name, r.Watched)
		table(&b, in.processRows())
		fmt.Fprintf(&b, "\n%s: memory while the command runs, medians of %d runs\n\n", in.Name, r.Watched)
		table(&b, in.heldRows())
		fmt.Fprintf(&b, "\n%s: phases of the start, medians of %d runs\n\n", in.Name, r.Watched)
		table(&b, r.phaseRows(in))
	}
	if r.Walled != nil {
		b.WriteString("\nwithout user namespaces: tier B\n\n")
		table(&b, r.walledRows())
		for _, in := range r.Walled.Inside {
			fmt.Fprintf(&b, "\n%s: memory while the command runs\n\n", in.Name)
			table(&b, in.heldRows())
		}
	}
	if len(r.Calls) > 0 {
		fmt.Fprintf(&b, "\nsystem calls, medians of %d runs\n\n", r.Watched)
		table(&b, r.callRows())
	}
	if len(r.Work) > 0 {
		fmt.Fprintf(&b, "\nwork, medians of %d rounds\n\n", r.Worked)
		table(&b, r.workRows())
	}
	return b.String()
}

func (r report) rulesText() string {
	var b strings.Builder
	if len(r.Growth) > 0 {
		fmt.Fprintf(&b, "\nstart-up against the size of the policy, medians of %d runs\n\n", r.Grown)
		table(&b, r.growthRows())
		fmt.Fprintf(&b, "\n9000 grants: %s\n", r.Refusal)
	}
	if len(r.Projects) > 0 {
		fmt.Fprintf(&b, "\nstart-up against the size of the project, %d runs each\n\n", r.InProjects)
		table(&b, countedRows(projectHeader, r.Projects))
	}
	if len(r.Stored) > 0 {
		fmt.Fprintf(&b, "\nstart-up against the number of stored sessions, %d runs each\n\n", r.Runs)
		table(&b, countedRows(storedHeader, r.Stored))
	}
	if len(r.SignedFiles) > 0 {
		fmt.Fprintf(&b, "\nstart-up against the number of signed files, %d runs each\n\n", r.Signed)
		table(&b, countedRows(signedHeader, r.SignedFiles))
	}
	return b.String()
}

func table(b *strings.Builder, rows [][]string) {
	w := tabwriter.NewWriter(b, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	_ = w.Flush() // a strings.Builder takes everything
}

// markdown is the page bench/RESULTS.md.
func (r report) markdown() string {
	var b strings.Builder
	b.WriteString("# Start-up\n\n" +
		"Written by `make bench`; every figure is from one run of it. Compare the ratios: the times\n" +
		"belong to the machine. A ratio is the median of those of each round, and in brackets is\n" +
		"between which bounds it lies, with 95 in 100.\n\n")
	if r.RealTime {
		b.WriteString(besideOtherWork + "\n")
	}
	fmt.Fprintf(&b, "`true`, %d runs of each sandbox in turn after %d to warm up, on %s.\n"+
		"Each reads the system, may write one directory, and has a closed network. \"nono, no layer\"\n"+
		"is no peer: it sees the host's files as they are, and shows what the filesystem layer and\n"+
		"its process cost. Those with hosts, and with hosts and a key, are none either: they reach\n"+
		"language models, and show what the network layer and the credential layer, processes that\n"+
		"stay, cost. The one with a snapshot records that directory before and after, of few files.\n"+
		"A layer that answered the very same request before need not be started: every row of nono's\n"+
		"is such a remembered run, but those that are called a first run, in which nono asks anew\n"+
		"(`--fresh`).\n"+
		"With all five layers `CLAUDE.md` is signed, by a key in a file of age's that opens unasked,\n"+
		"and so is the log of each session, but where that is said; the project was recorded before,\n"+
		"but in the first run. The idle layer is another vendor's, and does nothing.\n"+
		"\"go-plugin alone\" is no sandbox: a small program with plugins of that library's that do\n"+
		"nothing, which is the least that processes for layers cost with it.\n\n",
		r.Runs, r.Warmup, r.Machine)
	markdownTable(&b, r.rows())
	b.WriteString("\n" +
		"CPU is user and system time of every process that the run waited for. Memory is that of all\n" +
		"processes together while a command runs: their own, which is mapped of no file, and what is\n" +
		"mapped of files, above all the programs, counted for each process, though there is one copy\n" +
		"of each on the machine.\n\n")
	for _, x := range r.Results {
		fmt.Fprintf(&b, "- %s: `%s`", x.Name, x.Shown)
		if x.Note != "" {
			b.WriteString("; " + x.Note)
		}
		b.WriteString("\n")
	}
	for _, m := range r.Missing {
		fmt.Fprintf(&b, "- left out: %s\n", m)
	}
	if r.Walled != nil {
		b.WriteString("\n## Without user namespaces\n\n" +
			"The same commands in tier B, in the same run, on a host that gives no user namespaces: this\n" +
			"program runs itself there once. The ratio is to Codex's sandbox as above, which needs\n" +
			"them.\n\n")
		markdownTable(&b, r.walledRows())
		for _, in := range r.Walled.Inside {
			fmt.Fprintf(&b, "\nMemory of %s while the command runs:\n\n", in.Name)
			markdownTable(&b, in.heldRows())
		}
	}
	for _, in := range r.Inside {
		fmt.Fprintf(&b, "\n## Where the CPU time goes: %s\n\n"+
			"Medians of %d runs of their own, in which each process's CPU clock was read without\n"+
			"pause.\n\n", in.Name, r.Watched)
		markdownTable(&b, in.processRows())
		fmt.Fprintf(&b, "\n## Where the memory goes: %s\n\n"+
			"Medians of %d runs of `cat`, while it waits for input. A process's own memory is what is\n"+
			"mapped of no file; what is mapped of files is the programs, above all, of which all\n"+
			"processes on the machine have one copy.\n\n", in.Name, r.Watched)
		markdownTable(&b, in.heldRows())
		fmt.Fprintf(&b, "\n## Where the milliseconds go: %s\n\n"+
			"Medians of %d runs of `%s`,\n"+
			"which tells them. Processes run beside each other, on all cores.\n\n",
			in.Name, r.Watched, in.Shown)
		markdownTable(&b, r.phaseRows(in))
	}
	if rows := r.budgetRows(); len(rows) > 1 {
		b.WriteString("\n## The budgets\n\n" +
			"What nono set out to take at most, in remembered runs. Kept is what is under it with both\n" +
			"bounds, missed what is over it with both.\n\n")
		markdownTable(&b, rows)
		b.WriteString(costs)
	}
	if len(r.Calls) > 0 {
		fmt.Fprintf(&b, "\n## What a system call costs\n\n"+
			"Medians of %d runs, and what that is of the time without a sandbox. getppid and statfs are\n"+
			"always allowed, which the kernel knows without running the filter; of fcntl and ioctl the\n"+
			"filter looks at an argument; to open is also a matter of Landlock's, and so of the layer.\n"+
			"bubblewrap has no filter.\n\n", r.Watched)
		markdownTable(&b, r.callRows())
		b.WriteString(r.openCost())
	}
	if len(r.Work) > 0 {
		fmt.Fprintf(&b, "\n## What work costs\n\n"+
			"A piece of work, done in one run of each sandbox after its start: medians of %d rounds, and\n"+
			"what that is of the time without a sandbox. Where much of it is to open files, as in find\n"+
			"and grep, Landlock's part shows. All have the same variables and caches.\n\n", r.Worked)
		markdownTable(&b, r.workRows())
		b.WriteString("\n")
		for _, w := range pieces {
			fmt.Fprintf(&b, "- %s: `%s`\n", w.name, w.script)
		}
	}
	return b.String()
}

// rulesMarkdown is the page bench/RULES.md.
func (r report) rulesMarkdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Start-up against the size of what nono is given\n\n"+
		"Written by `make bench-rules`; every figure is from one run of it, on %s.\n"+
		"Compare figures of one table: the times belong to the machine, and to that hour. Each is of\n"+
		"a whole run of `true`, to the end of all that belongs to it.\n", r.Machine)
	if r.RealTime {
		b.WriteString("\n" + besideOtherWork)
	}
	if len(r.Growth) > 0 {
		fmt.Fprintf(&b, "\n## Against the size of the policy\n\n"+
			"Medians of %d runs each of `nono run -s -c agent.hcl -- true`, with `--allow-cwd` but\n"+
			"for the grants. What there is many of lies in one directory: read rules beneath a grant,\n"+
			"which change nothing; directories that are granted for writing, each a mount, and a\n"+
			"project to look into; and files denied in a directory that is granted. Where it says\n"+
			"refused, nono would have to look at more names than it does for any policy. The last\n"+
			"column is what each more costs, between the two largest that are taken.\n\n", r.Grown)
		markdownTable(&b, r.growthRows())
		fmt.Fprintf(&b, "\n9,000 grants, which only flags can be: `%s`\n", r.Refusal)
	}
	if len(r.Projects) > 0 {
		fmt.Fprintf(&b, "\n## Against the size of the project\n\n"+
			"%d runs each, in turn, of `%s`. Where git\n"+
			"could enter a repository, what it would run there is protected: so nono looks for\n"+
			"repositories in up to 1,000 directories, three levels deep, while its processes start. After\n"+
			"the command it looks again for what was added, in up to 10,000, sixteen levels deep.\n\n",
			r.InProjects, r.Projects[0].Shown)
		markdownTable(&b, countedRows(projectHeader, r.Projects))
	}
	if len(r.Stored) > 0 {
		fmt.Fprintf(&b, "\n## Against the number of stored sessions\n\n"+
			"%d runs each, in turn, of `%s`. A start\n"+
			"looks at the sessions that are not finished, and at no other.\n\n",
			r.Runs, r.Stored[0].Shown)
		markdownTable(&b, countedRows(storedHeader, r.Stored))
	}
	if len(r.SignedFiles) > 0 {
		fmt.Fprintf(&b, "\n## Against the number of signed files\n\n"+
			"%d runs each, in turn, of `%s`, with the\n"+
			"filesystem layer and the trust layer. Each file is signed by itself, but where that is said;\n"+
			"all of them are verified, and the agent has them as they were verified. Where nothing was\n"+
			"ever signed the trust layer is not started.\n\n", r.Signed, r.SignedFiles[0].Shown)
		markdownTable(&b, countedRows(signedHeader, r.SignedFiles))
	}
	return b.String()
}

// The first columns of tables.
const (
	projectHeader = "in the project"
	storedHeader  = "stored"
	signedHeader  = "signed files"
)

// besideOtherWork is said where -rt was.
const besideOtherWork = "Everything ran in a real-time class: the machine had other work. That " +
	"class knows\nno late timers, which spare nono processor time elsewhere.\n"

// costs says what the figures above come from. It has no figures of its own.
const costs = `
Where one is missed, this is where the rest goes:

- **A program that can speak to layers.** nono links go-plugin, gRPC and protobuf, because that is
  what layers of other vendors know; their packages are initialised in each run, also in one in
  which no layer has to be asked.
- **A second program.** Who enforces, nono-init, is not who decides: it has its own exec, runtime
  and threads, and is killed with all that runs inside.
- **A process for each layer that stays**, with the same libraries on its end: an exec, the
  initialisation of its packages, a connection and four or five calls. The rows of go-plugin
  alone say what of that is the library's, which no layer of its saves. Another vendor's program
  is run from the copy that its first run kept; that run copies it and takes its digest, and has a
  row of its own.
- **The kernel.** More than half of the CPU time is the kernel's: page faults above all, then clone
  into six namespaces, mounts, Landlock, and the end of all that.
- **Landlock, in work inside.** The kernel asks it at each open of a file or directory, and no
  sandbox that uses it is spared that. It shows most in work that does little else.
- Not in it: digests of our own programs, a layer that has nothing to do, and anything synced to
  disk but a snapshot.
`

func markdownTable(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(b, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
}
