package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/core/dirs"
	"github.com/nono-run/nono/core/events"
	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/core/remembered"
	"github.com/nono-run/nono/core/store"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
	"github.com/nono-run/nono/sdk/policy"
)

// Commands are the layers' own commands: which there are, and how one is run. What a layer says of
// itself is remembered beside what its program was then, so that help, completion and the way to a
// word's owner need no process of the layer's.
type Commands struct {
	Dirs    dirs.Dirs
	UID     int
	Lookup  func(string) (string, bool)
	Environ []string
	// Dir is the user's current directory.
	Dir                   string
	Stdin, Stdout, Stderr *os.File
	Log                   hclog.Logger
}

// OfLayer are one layer's commands.
type OfLayer struct {
	Layer    string
	Commands []sdk.Subcommand
}

// BuiltIn are the commands of nono's own layers.
func (c *Commands) BuiltIn(ctx context.Context) ([]OfLayer, error) {
	return c.list(ctx, func(name string) bool { return !strings.Contains(name, "/") })
}

// Installed are the commands of the layers of other vendors that are installed for the user.
func (c *Commands) Installed(ctx context.Context) ([]OfLayer, error) {
	return c.list(ctx, func(name string) bool { return strings.Contains(name, "/") })
}

func (c *Commands) list(ctx context.Context, wanted func(name string) bool) ([]OfLayer, error) {
	places, err := c.places()
	if err != nil {
		return nil, err
	}
	names, err := layerNames(places)
	if err != nil {
		return nil, err
	}
	var all []OfLayer
	for _, name := range names {
		if !wanted(name) {
			continue
		}
		d, err := c.describe(ctx, name, places)
		if err != nil {
			// One broken layer is no reason to lose help for the others; using it says what is wrong.
			c.Log.Debug("asking for its commands", "layer", name, "error", err)
			continue
		}
		if len(d.Subcommands) > 0 {
			all = append(all, OfLayer{name, d.Subcommands})
		}
	}
	return all, nil
}

// Of are the commands of one layer, by its name.
func (c *Commands) Of(ctx context.Context, name string) (OfLayer, error) {
	places, err := c.places()
	if err != nil {
		return OfLayer{}, err
	}
	d, err := c.describe(ctx, name, places)
	return OfLayer{name, d.Subcommands}, err
}

func (c *Commands) places() (layerhost.Places, error) {
	bin, err := layerhost.Locate()
	return placesOf(bin, c.Dirs), err
}

// About is what a command of a layer's is about.
type About struct {
	// Session is nil where it is about none.
	Session *store.Entry
	// Policy is nil where the command is told none; UpstreamAuth is for its upstream proxy.
	Policy       *policy.Policy
	UpstreamAuth sdk.Secret
}

// Run runs a layer's command on the user's terminal, and returns its exit code.
func (c *Commands) Run(
	ctx context.Context, layer string, command sdk.Subcommand,
	flags map[string][]string, args []string, about About,
) (int, error) {
	stored, err := c.storedFor(about.Session, layer)
	if err != nil {
		return 0, err
	}
	binary, req, err := c.prepare(ctx, layer, command, about)
	if err != nil {
		return 0, err
	}
	defer func() { _ = binary.Close() }()
	req.Args, req.Flags = args, flags
	ctx, sig := commandSignals(ctx)
	defer sig.Stop()
	return (&layerhost.Command{
		Binary: binary, Request: req, Session: stored,
		Environ: terminalVariables(c.Environ), Foreground: true,
		Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
	}).Run(ctx)
}

// Said is what a layer's command wrote, as far as anybody wants it, and its exit code.
type Said struct {
	Out, Err string
	Code     int
}

// mostSaid is how much a command may write that is asked for an answer.
const mostSaid = 1 << 20

// Ask runs a layer's command that asks nobody anything, and returns what it wrote.
func (c *Commands) Ask(
	ctx context.Context, layer string, command sdk.Subcommand, flags map[string][]string,
) (Said, error) {
	binary, req, err := c.prepare(ctx, layer, command, About{})
	if err != nil {
		return Said{}, err
	}
	defer func() { _ = binary.Close() }()
	req.Flags = flags
	var out, wrong bounded
	code, err := (&layerhost.Command{
		Binary: binary, Request: req, Stdout: &out, Stderr: &wrong,
	}).Run(ctx)
	return Said{Out: out.String(), Err: wrong.String(), Code: code}, err
}

// bounded keeps the beginning of what is written.
type bounded struct{ strings.Builder }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	_, _ = b.Builder.Write(p[:min(len(p), mostSaid-b.Len())])
	return len(p), nil
}

// prepare finds a layer's program, and is what its command is told. The caller closes the program.
func (c *Commands) prepare(
	ctx context.Context, layer string, command sdk.Subcommand, about About,
) (*layerhost.Binary, *sdk.SubcommandRequest, error) {
	places, err := c.places()
	if err != nil {
		return nil, nil, err
	}
	d, err := c.describe(ctx, layer, places)
	if err != nil {
		return nil, nil, err
	}
	req := &sdk.SubcommandRequest{
		Path: command.Path, Dir: c.Dir, HostVariables: map[string]string{},
		Policy: about.Policy, UpstreamAuth: about.UpstreamAuth,
	}
	names := slices.Clone(d.HostVariables)
	if about.Policy != nil {
		names = append(names, about.Policy.KeySources()...)
	}
	for _, name := range names {
		if value, ok := c.Lookup(name); ok {
			req.HostVariables[name] = value
		}
	}
	if d.ConfigDir {
		req.ConfigDir = c.Dirs.LayerConfig(layer)
	}
	if d.StateDir {
		req.StateDir = c.Dirs.Layer(layer)
		if err := c.Dirs.MakeLayer(layer); err != nil {
			return nil, nil, err
		}
	}
	binary, err := layerhost.Find(layer, places)
	return binary, req, err
}

// storedFor is what a layer is told of a session that is over.
func (c *Commands) storedFor(about *store.Entry, layer string) (*host.StoredSession, error) {
	if about == nil {
		return nil, nil
	}
	kept, err := about.Kept(layer)
	if err != nil {
		return nil, diag.Errorf("what layer %s left of session %s cannot be read: %v",
			layer, about.ID, err)
	}
	told, err := toldBy(about, layer)
	if err != nil {
		return nil, diag.Errorf("the log of session %s cannot be read: %v", about.ID, err).
			Try("`nono audit verify %s` says more", about.ID)
	}
	running, err := store.In(c.Dirs).Unfinished()
	if err != nil {
		return nil, err
	}
	stored := &host.StoredSession{
		Run: kept.Run, Dir: about.LayerDir(layer), End: endOf(about.Record), State: kept.State,
		Events: told,
	}
	trees := slices.Concat(about.Record.Trees, about.Record.Recorded)
	for _, e := range store.Sharing(running, trees, about.ID) {
		stored.Sharing = append(stored.Sharing, e.ID)
	}
	return stored, nil
}

// mostTold is how many events of a session a command of a layer is told: the first ones.
const mostTold = 10_000

// toldBy are the events of a session's log that one layer reported. A log that was tampered with is
// an error.
func toldBy(about *store.Entry, layer string) ([]sdk.StoredEvent, error) {
	log, err := about.OpenEvents()
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	read, err := events.NewReader(log, about.ID)
	if err != nil {
		return nil, err
	}
	var told []sdk.StoredEvent
	for len(told) < mostTold {
		record, err := read.Next()
		if errors.Is(err, io.EOF) {
			return told, nil
		}
		if err != nil {
			return nil, err
		}
		if record.Layer == layer {
			told = append(told, sdk.StoredEvent{Time: record.Time, Event: sdk.Event{
				Name: record.Name, Rule: record.Rule, Count: record.Count, Fields: record.Fields,
			}})
		}
	}
	return told, nil
}

// terminalVariables are those of the user's that say how to write to the terminal, in what
// language, and with which pager.
func terminalVariables(environ []string) []string {
	exact := map[string]bool{
		"TERM": true, "COLORTERM": true, "NO_COLOR": true, "COLUMNS": true, "LINES": true,
		"LANG": true, "LANGUAGE": true, "TZ": true,
		"PAGER": true, "LESS": true, "PATH": true,
	}
	var own []string
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if exact[name] || strings.HasPrefix(name, "LC_") {
			own = append(own, v)
		}
	}
	return own
}

// describe is what a layer says of itself: as it is remembered, else from a process of its.
func (c *Commands) describe(
	ctx context.Context, name string, places layerhost.Places,
) (sdk.Description, error) {
	path, err := layerhost.PathOf(name, places)
	if err != nil {
		return sdk.Description{}, err
	}
	now, err := remembered.ProgramAt(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sdk.Description{}, diag.Errorf("there is no layer %s: %s does not exist", name, path).
			Try("`nono plugin list` shows those that are installed")
	}
	if err != nil {
		return sdk.Description{}, fmt.Errorf("looking for layer %s: %w", name, err)
	}
	memory := remembered.In(c.Dirs)
	known, err := memory.Description(name, now)
	if err == nil {
		return known, nil
	}
	c.Log.Debug("not known from before", "layer", name, "reason", err)
	d, said, err := c.ask(ctx, name, places)
	if err != nil {
		return sdk.Description{}, err
	}
	// Looked at before it was asked: a program that was replaced meanwhile is asked again.
	if err := memory.Describe(name, now, said); err != nil {
		c.Log.Debug("remembering what a layer said", "layer", name, "error", err)
	}
	return d, nil
}

// ask asks a process of the layer, and also returns its answer as it came.
func (c *Commands) ask(
	ctx context.Context, name string, places layerhost.Places,
) (sdk.Description, []byte, error) {
	binary, err := layerhost.Find(name, places)
	if err != nil {
		return sdk.Description{}, nil, err
	}
	defer func() { _ = binary.Close() }()
	dir, err := newRunDir(c.Dirs, c.UID)
	if err != nil {
		return sdk.Description{}, nil, err
	}
	defer func() { _ = dir.Remove() }()
	layer, err := layerhost.Start(ctx, layerhost.Spec{
		Name: name, Binary: binary, Dir: dir.Path, Build: sdk.Build, Logger: c.Log,
	})
	if err != nil {
		return sdk.Description{}, nil, err
	}
	defer layer.Close()
	d, err := layer.Describe(ctx)
	if err != nil {
		return sdk.Description{}, nil, err
	}
	said, err := layer.Said()
	return d, said, err
}
