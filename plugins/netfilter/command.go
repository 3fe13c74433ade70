package netfilter

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/nono-run/nono/plugins/netfilter/report"
	"github.com/nono-run/nono/sdk"
)

// sessionNet is the command that tells what a session asked of the network.
const sessionNet = "session net"

// subcommands are the layer's own.
var subcommands = []sdk.Subcommand{{
	Path: sessionNet, Help: "Show which hosts a session asked for, and which line decided",
	Session: true, Completion: sdk.CompleteNothing,
	Flags: []sdk.Flag{
		{Name: "denied", Help: "what was denied alone"},
		{Name: "json", Help: "for a program"},
	},
}}

// Run implements sdk.Commander.
func (*layer) Run(_ context.Context, req *sdk.SubcommandRequest) error {
	if req.Path != sessionNet || req.Session == nil {
		return fmt.Errorf("there is no command %q", req.Path)
	}
	entries := report.Of(req.Session.Events, &req.Session.Run.Policy)
	if _, ok := req.Flags["denied"]; ok {
		entries = slices.DeleteFunc(entries, func(e report.Entry) bool { return e.Decision != "denied" })
	}
	if _, ok := req.Flags["json"]; ok {
		return report.JSON(os.Stdout, entries)
	}
	return report.Table(os.Stdout, entries)
}

// Interface guard.
var _ sdk.Commander = (*layer)(nil)
