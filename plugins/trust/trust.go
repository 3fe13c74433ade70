package trust

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nono-run/nono/plugins/trust/memory"
	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
)

// New returns the layer.
func New() sdk.Layer { return &layer{} }

type layer struct{}

// command is one of the layer's commands, and what carries it out.
type command struct {
	sdk.Subcommand

	run func(ctx context.Context, req *sdk.SubcommandRequest) error
}

// commands are all of them.
var commands = slices.Concat(fileCommands, keyCommands)

// Describe implements sdk.Layer.
func (*layer) Describe() sdk.Description {
	d := sdk.Description{
		Name:      "trust",
		Version:   "1.0.0",
		Kind:      policy.KindTrust,
		Lifetime:  sdk.Ephemeral,
		StateDir:  true,
		ConfigDir: true,

		HostVariables: variables,
	}
	for _, c := range commands {
		d.Subcommands = append(d.Subcommands, c.Subcommand)
	}
	return d
}

// Plan implements sdk.Layer.
func (*layer) Plan(ctx context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	return plan(ctx, req)
}

// Run implements sdk.Commander.
func (*layer) Run(ctx context.Context, req *sdk.SubcommandRequest) error {
	for _, c := range slices.Concat(commands, logCommands) {
		if c.Path == req.Path {
			return hinted(c.run(ctx, req))
		}
	}
	return fmt.Errorf("there is no command %q", req.Path)
}

// hinted is an error of a command's with what to do about it, where that is the same whatever the
// command was.
func hinted(err error) error {
	var damaged *memory.DamagedError
	if errors.As(err, &damaged) {
		return fmt.Errorf("%w\n  %s", err, damaged.Try())
	}
	return err
}

// Interface guards.
var _ sdk.Commander = (*layer)(nil)
