package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/policy"
	"github.com/nono-run/nono/test/layers/misbehave"
)

// misbehaviours are what the setting of that name can ask for.
var misbehaviours = append(misbehave.All("plan", "start", "finish"),
	"refuse-plan", "refuse-start", "refuse-finish", "once", "needs-state")

type settings struct {
	Slowly    bool   `json:"slowly"`
	Misbehave string `json:"misbehave"`
}

type layer struct{}

// Describe implements sdk.Layer.
func (layer) Describe() sdk.Description {
	misbehave.At("describe", misbehave.Early())
	lifetime := sdk.Bracket
	if misbehave.Early() == "ephemeral" { // and yet it has Start and Finish
		lifetime = sdk.Ephemeral
	}
	return sdk.Description{
		Name: "test/keeper", Version: "1.0.0", Kind: policy.KindCustom, Lifetime: lifetime,
		StateDir: true,
		Settings: []sdk.Setting{
			{Name: "slowly", Type: sdk.SettingBool, Help: "let Start take its time over each file"},
			{
				Name: "misbehave", Type: sdk.SettingString, OneOf: misbehaviours,
				Help: "how it fails, for tests",
			},
		},
	}
}

// Plan implements sdk.Layer. The agent has nothing of the layer.
func (layer) Plan(_ context.Context, req *sdk.PlanRequest) (*sdk.PlanResponse, error) {
	if _, err := begin("plan", req.Settings); err != nil {
		return nil, err
	}
	return &sdk.PlanResponse{}, nil
}

// Start implements sdk.Starter: it looks at the current directory.
func (layer) Start(_ context.Context, req *sdk.StartRequest) (*sdk.StartResponse, error) {
	s, err := begin("start", req.Settings)
	if err != nil {
		return nil, err
	}
	if err := note(req.StateDir, "start", req.SessionID); err != nil {
		return nil, err
	}
	baseline, err := look(req.Command.Dir, func(n int) error {
		if err := take(req.Run, n); err != nil {
			return err
		}
		if s.Slowly {
			time.Sleep(slow)
		}
		return req.Session.Progress("looking at files", uint64(n), 0)
	})
	if err != nil {
		return nil, fmt.Errorf("looking at the current directory: %w", err)
	}
	state, err := json.Marshal(baseline)
	if err != nil {
		return nil, err
	}
	if len(state) > maxState {
		return nil, fmt.Errorf("the current directory has %d files, and that is too much to keep",
			len(baseline))
	}
	err = req.Session.Event(sdk.Event{Name: "keeper.started", Fields: map[string]string{
		"files": fmt.Sprint(len(baseline)), "pid": fmt.Sprint(os.Getpid()),
	}})
	return &sdk.StartResponse{State: state}, err
}

const (
	// slow is how long Start takes over a file when it is told to take its time.
	slow = 300 * time.Millisecond
	// maxState is as much as core takes, less what the message needs besides.
	maxState = 1 << 20
)

// Finish implements sdk.Starter: it releases what the journal says, and tells what has changed
// since Start. It can be called again at any time.
func (layer) Finish(_ context.Context, req *sdk.FinishRequest) (*sdk.FinishResponse, error) {
	s, err := begin("finish", req.Settings)
	if err != nil {
		return nil, err
	}
	switch finished, err := noted(req.StateDir, "finish", req.SessionID); {
	case err != nil:
		return nil, err
	case s.Misbehave == "once" && finished:
		return nil, errors.New("the keeper was told to finish once only")
	case s.Misbehave == "needs-state" && req.State == nil:
		return nil, errors.New("the keeper was told to need its state")
	}
	if err := release(req.Run); err != nil {
		return nil, err
	}
	if err := note(req.StateDir, "finish", req.SessionID); err != nil {
		return nil, err
	}
	told := map[string]string{"pid": fmt.Sprint(os.Getpid()), "reason": string(req.End.Reason)}
	if err := req.Session.Event(sdk.Event{Name: "keeper.finished", Fields: told}); err != nil {
		return nil, err
	}
	if req.State == nil {
		return &sdk.FinishResponse{Lines: []string{"keeper: nothing was remembered"}}, nil
	}
	var before files
	if err := json.Unmarshal(req.State, &before); err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	after, err := look(req.Command.Dir, func(n int) error {
		return req.Session.Progress("comparing files", uint64(n), uint64(len(before)))
	})
	if err != nil {
		return nil, fmt.Errorf("looking at the current directory: %w", err)
	}
	return &sdk.FinishResponse{Lines: []string{"keeper: " + before.compare(after)}}, nil
}

// begin reads the settings, and misbehaves if this is the moment to.
func begin(moment string, raw sdk.Settings) (settings, error) {
	var s settings
	if err := raw.Decode(&s); err != nil {
		return s, err
	}
	misbehave.At(moment, s.Misbehave)
	if s.Misbehave == "refuse-"+moment {
		return s, errors.New("the keeper was told to refuse in " + moment)
	}
	return s, nil
}

// note remembers in the state directory that a call was made for a session.
func note(stateDir, call, session string) error {
	return os.WriteFile(filepath.Join(stateDir, call+"-"+session), nil, 0o600)
}

// noted reports whether it was.
func noted(stateDir, call, session string) (bool, error) {
	_, err := os.Lstat(filepath.Join(stateDir, call+"-"+session))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Interface guard.
var _ sdk.Starter = layer{}
