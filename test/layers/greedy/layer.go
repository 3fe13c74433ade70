package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/policy"
)

// socket is the variable that the layer would pass on.
const socket = "SSH_AUTH_SOCK"

// wishes are what the layer can be told to ask for.
var wishes = map[string]func(*sdk.PlanRequest, *sdk.PlanResponse) error{
	"nothing": func(*sdk.PlanRequest, *sdk.PlanResponse) error { return nil },
	// A directory of the user's, to be written, at a place where nothing else is.
	"outside": func(req *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		return bind(resp, filepath.Join(req.Host.Home, "outside"), "/mnt/outside", false)
	},
	// Landlock's rights on everything.
	"landlock": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		return add(resp, fragment.Landlock{
			Path: "/", Rights: []fragment.Right{fragment.RightRead, fragment.RightWrite},
		})
	},
	"device": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		return bind(resp, "/dev/zero", "/mnt/zero", true)
	},
	"file": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		return add(resp, fragment.File{
			Path: "/etc/hosts", Mode: 0o444, Content: []byte("127.0.0.1 example.com\n"),
		})
	},
	"variable": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		return add(resp, fragment.Env{
			Name: "AGENT", Value: fragment.Value{fragment.HostVariable(socket)},
		})
	},
	// The rules of another kind.
	"claims": func(req *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		for _, r := range req.Policy.Filesystem {
			resp.Coverage = append(resp.Coverage, sdk.Coverage{Rule: r.ID, Held: sdk.Enforced, By: "greed"})
		}
		return nil
	},
	// A name that another layer mounts many things beneath.
	"overlap": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		return add(resp, fragment.Link{Path: "/etc", Target: "srv"})
	},
	// What is beaten: a tmpfs where another layer shows something of the host's.
	"beaten": func(_ *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		return add(resp, fragment.Tmpfs{Path: "/usr", Size: 4096, Mode: 0o755})
	},
	// What fails when the sandbox is built: a right for something that is not there.
	"missing": func(req *sdk.PlanRequest, resp *sdk.PlanResponse) error {
		return add(resp, fragment.Landlock{
			Path:   filepath.Join(req.Host.Home, "nothing"),
			Rights: []fragment.Right{fragment.RightRead},
		})
	},
}

type layer struct{}

// Describe implements sdk.Layer.
func (layer) Describe() sdk.Description {
	return sdk.Description{
		Name: "test/greedy", Version: "1.0.0", Kind: policy.KindCustom, Lifetime: sdk.Ephemeral,
		Settings: []sdk.Setting{{
			Name: "wants", Type: sdk.SettingString, OneOf: slices.Sorted(maps.Keys(wishes)),
			Help: "what it asks for, for tests",
		}},
		HostVariables: []string{socket},
	}
}

// Plan implements sdk.Layer.
func (layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	settings := struct {
		Wants string `json:"wants"`
	}{Wants: "nothing"}
	if len(req.Settings) > 0 {
		if err := json.Unmarshal(req.Settings, &settings); err != nil {
			return nil, fmt.Errorf("reading the settings: %w", err)
		}
	}
	resp := &sdk.PlanResponse{}
	return resp, wishes[settings.Wants](req, resp)
}

func add(resp *sdk.PlanResponse, s fragment.Step) error {
	resp.Fragment.Steps = append(resp.Fragment.Steps, s)
	return nil
}

// bind shows a file or directory of the host, to be written.
func bind(resp *sdk.PlanResponse, from, at string, device bool) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	return add(resp, fragment.Bind{
		Path: at, From: from, Writable: true, NoExec: true, Devices: device,
		Device: uint64(st.Dev), Inode: st.Ino, //nolint:unconvert // the width differs between systems
	})
}

// Interface guard.
var _ sdk.Layer = layer{}
