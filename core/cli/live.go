package cli

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/session"
	"github.com/nono-run/nono/core/store"
)

// liveOptions are what a command that runs something is told about the session.
type liveOptions struct {
	Name string
	// Events is the descriptor that gets the events; 0 where nobody wants them.
	Events eventsTo
}

func (o *liveOptions) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.Name, "name", "", "what the session is called in nono ps, logs and stop")
	flags.Var(&o.Events, "json-events",
		"write each event as a line of JSON, to stderr or, with =N, to descriptor N")
	flags.Lookup("json-events").NoOptDefVal = strconv.Itoa(stderrNumber)
	if err := cmd.RegisterFlagCompletionFunc("name", cobra.NoFileCompletions); err != nil {
		panic(err) // the flag was added above
	}
}

const stderrNumber = 2

// eventsTo is the number of a descriptor, as a flag.
type eventsTo int

// String implements pflag.Value.
func (e *eventsTo) String() string { return strconv.Itoa(int(*e)) }

// Type implements pflag.Value: what help shows for the value.
func (*eventsTo) Type() string { return "N" }

// Set implements pflag.Value. Standard input and output are the agent's.
func (e *eventsTo) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < stderrNumber {
		return errors.New("it takes the number of a descriptor, 2 or more: " +
			"--json-events=3 3>events.jsonl")
	}
	*e = eventsTo(n)
	return nil
}

// apply puts the options into a request. What is returned is to be called when the run is over.
func (o *liveOptions) apply(a *App, req *session.Request) (over func(), err error) {
	if o.Name != "" {
		if err := store.CheckName(o.Name); err != nil {
			return nil, diag.Errorf("the session cannot be called %q: %v", o.Name, err)
		}
	}
	req.Name = o.Name
	to, err := o.Events.open(a)
	if err != nil || to == nil {
		return func() {}, err
	}
	beside := events.NewBeside(to)
	req.Events = beside
	return func() {
		// Whoever reads has had all the time that the run took.
		const patience = time.Second
		if left, err := beside.Close(patience); left > 0 {
			p := diag.Warningf("%d events were not read from --json-events", left)
			if err != nil {
				p.Summary += ": " + err.Error()
			}
			a.printer().Problem(p.Try("`nono logs --json` has them all"))
		}
	}, nil
}

// open is the writer that is meant; nil where there is none.
func (e *eventsTo) open(a *App) (io.Writer, error) {
	switch *e {
	case 0:
		return nil, nil
	case stderrNumber:
		return a.held(), nil // which waits while the agent has the terminal
	}
	fd := int(*e)
	// Go's own descriptors, which have numbers too, are none of these.
	var st unix.Stat_t
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	kind := st.Mode & unix.S_IFMT
	stream := kind == unix.S_IFREG || kind == unix.S_IFIFO || kind == unix.S_IFSOCK ||
		kind == unix.S_IFCHR
	if err != nil || !stream || flags&unix.O_ACCMODE == unix.O_RDONLY {
		return nil, diag.Errorf(
			"--json-events=%d: nono was started without a descriptor %[1]d to write to", fd).
			Try("open it in the shell: nono run --json-events=%d ... %[1]d>events.jsonl", fd)
	}
	return os.NewFile(uintptr(fd), "--json-events"), nil
}
