package session

import (
	"context"
	"errors"
	"math"
	"os"

	"github.com/nono-run/nono/core/layerhost"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/host"
)

// Forget has a layer drop what it keeps for sessions that are about to be removed, and says how
// many bytes that frees. A layer that keeps nothing is not started.
func (c *Commands) Forget(ctx context.Context, name string, sessions []string) (int64, error) {
	places, err := c.places()
	if err != nil {
		return 0, err
	}
	d, err := c.describe(ctx, name, places)
	if err != nil || !d.Forgets {
		return 0, err
	}
	binary, err := layerhost.Find(name, places)
	if err != nil {
		return 0, err
	}
	defer func() { _ = binary.Close() }()
	dir, err := newRunDir(c.Dirs, c.UID)
	if err != nil {
		return 0, err
	}
	defer func() { _ = dir.Remove() }()
	ctx, sig := interruptible(ctx)
	defer sig.Stop()
	layer, err := layerhost.Start(ctx, layerhost.Spec{
		Name: name, Binary: binary, Dir: dir.Path, Build: sdk.Build, Logger: c.Log,
	})
	if err != nil {
		return 0, err
	}
	defer layer.Close()
	if d, err = layer.Describe(ctx); err != nil {
		return 0, err
	}
	if d.Lifetime != sdk.Ephemeral {
		if err := layer.OpenSession(ctx, quiet{}); err != nil {
			return 0, err
		}
	}
	req := &sdk.ForgetRequest{Sessions: sessions}
	if d.StateDir {
		req.StateDir = c.Dirs.Layer(name)
		if err := c.Dirs.MakeLayer(name); err != nil {
			return 0, err
		}
	}
	answer, err := layer.Forget(ctx, req)
	if err != nil {
		return 0, err
	}
	return int64(min(answer.Freed, math.MaxInt64)), nil
}

// quiet is core's end of the session of a layer of which only something beside a run is wanted.
type quiet struct{}

var errBeside = errors.New("there is no run")

// Event implements host.Handler.
func (quiet) Event(sdk.Event) {}

// Progress implements host.Handler. The deadline is extended by whoever calls it.
func (quiet) Progress(string, uint64, uint64) {}

// Stop implements host.Handler.
func (quiet) Stop(string) {}

// Ask implements host.Handler.
func (quiet) Ask(context.Context, string, bool) (string, error) { return "", sdk.ErrNobody }

// Dial implements host.Handler.
func (quiet) Dial(context.Context, uint16) (*os.File, error) { return nil, errBeside }

// Interface guard.
var _ host.Handler = quiet{}
