//go:build !linux

package launch

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/sdk/fragment"
)

var errLinux = errors.New("starting nono-init: it exists on Linux only")

// SealDescriptors does nothing here.
func SealDescriptors() error { return nil }

// Init is a running nono-init. There is none on this system.
type Init struct{}

// Start fails.
func Start(context.Context, Options) (*Init, error) { return nil, errLinux }

// Tier fails.
func (*Init) Tier(context.Context) (recipe.Host, error) { return recipe.Host{}, errLinux }

// Begin does nothing.
func (*Init) Begin(fragment.List) {}

// Prepare fails.
func (*Init) Prepare(context.Context, *recipe.Recipe) (*Ready, error) { return nil, errLinux }

// Go fails.
func (*Init) Go(context.Context, bool) error { return errLinux }

// Job fails.
func (*Init) Job(recipe.Job) error { return errLinux }

// Stopped tells nothing.
func (*Init) Stopped() <-chan recipe.Stopped { return nil }

// Signal fails.
func (*Init) Signal(syscall.Signal) error { return errLinux }

// Dial fails.
func (*Init) Dial(context.Context, uint16) (*os.File, error) { return nil, errLinux }

// Wait fails.
func (*Init) Wait() (Exit, error) { return Exit{}, errLinux }

// PID is nobody's.
func (*Init) PID() int { return 0 }

// Process fails.
func (*Init) Process() (*os.File, error) { return nil, errLinux }

// End does nothing.
func (*Init) End() {}

// Kill does nothing.
func (*Init) Kill() {}

// Close does nothing.
func (*Init) Close() error { return nil }
