package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nono-run/nono/sdk"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/places"
	"github.com/nono-run/nono/sdk/policy"
)

// files are what stands in the home directory of whoever runs the agent.
var files = []string{
	"notes", ".netrc", "data/file", "out/file",
	"project/file", "project/locked", "project/secret/file", "project/secret/open/file",
	"project/deploy/file",
}

// rules are a policy with rules of every sort, about those files.
var rules = []struct {
	by     policy.Origin
	access policy.Access
	path   string
}{
	{policy.OriginFile, policy.Allow, "project"},
	{policy.OriginFile, policy.Write, "out"},
	{policy.OriginFile, policy.Read, "link"},
	{policy.OriginFile, policy.Read, "notes"},
	{policy.OriginFile, policy.Read, "absent"},
	{policy.OriginFile, policy.Read, "project/secret/open"},
	{policy.OriginFile, policy.Deny, "project/secret"},
	{policy.OriginFile, policy.Deny, "project/locked"},
	{policy.OriginFile, policy.Protect, "project/deploy"},
	{policy.OriginDefault, policy.Deny, ".netrc"},
	{policy.OriginDefault, policy.Deny, ".ssh"},
	{policy.OriginDefault, policy.Read, "/usr"},
}

// Furnish puts those files into a home directory.
func Furnish(home string) error {
	for _, name := range files {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			return err
		}
	}
	err := os.Symlink("data", filepath.Join(home, "link"))
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// empty is a request with an empty policy, in a home directory that has some files.
func (s Subject) empty(is sdk.Description) (*sdk.PlanRequest, error) {
	home := filepath.Join(s.Dir, "home")
	if err := Furnish(home); err != nil {
		return nil, err
	}
	req := Request(home)
	if len(s.Settings) > 0 {
		req.Settings = s.Settings
	}
	for _, name := range is.HostVariables {
		if s.Lookup == nil {
			break
		}
		if value, ok := s.Lookup(name); ok {
			req.HostVariables[name] = value
		}
	}
	req.Dir = filepath.Join(s.Dir, "own") // it exists from Start on
	if is.StateDir {
		req.StateDir = filepath.Join(s.Dir, "state")
		if err := os.MkdirAll(req.StateDir, 0o700); err != nil {
			return nil, err
		}
	}
	if is.ConfigDir {
		req.ConfigDir = filepath.Join(s.Dir, "config")
	}
	return placed(req, is), nil
}

// Sample is a request with rules of every sort, about files that it makes in the subject's
// directory.
func (s Subject) Sample(is sdk.Description) (*sdk.PlanRequest, error) {
	req, err := s.empty(is)
	if err != nil {
		return nil, err
	}
	inFile := func(by policy.Origin, line int) policy.Source {
		return policy.Source{Origin: by, File: "agent.hcl", Line: line, Column: 1}
	}
	for i, r := range rules {
		name := r.path
		if !filepath.IsAbs(name) {
			name = filepath.Join(req.Host.Home, name)
		}
		way, err := hostfile.Follow(hostfile.Host, name)
		if err != nil {
			return nil, err
		}
		req.Policy.Filesystem = append(req.Policy.Filesystem, policy.PathRule{
			ID: policy.RuleID(fmt.Sprintf("filesystem.%s.%d", r.access, i)), Source: inFile(r.by, i+1),
			Access: r.access, Path: way.Path, Name: name, Type: way.Entry.Type,
		})
	}
	source := inFile(policy.OriginFile, len(rules)+1)
	req.Policy.Environment = []policy.EnvRule{
		{ID: "environment.set.0", Source: source, Action: policy.EnvSet, Name: "CI", Value: "1"},
		{ID: "environment.pass.1", Source: source, Action: policy.EnvPass, Name: "LC_*"},
		{ID: "environment.deny.2", Source: source, Action: policy.EnvDeny, Name: "LC_ALL"},
	}
	if is.Kind == policy.KindSnapshot {
		project := filepath.Join(req.Host.Home, "project")
		way, err := hostfile.Follow(hostfile.Host, project)
		if err != nil {
			return nil, err
		}
		keep := int64(1)
		req.Policy.Snapshot = policy.Snapshot{
			Paths: []policy.SnapshotPath{{ID: "snapshot.path.0", Source: source, Path: way.Path}},
			Exclude: []policy.SnapshotExclude{
				{ID: "snapshot.exclude.0", Source: source, Pattern: "deploy/"},
			},
			Keep: &policy.SnapshotKeep{ID: "snapshot.keep.0", Source: source, Sessions: &keep},
		}
	}
	if is.Kind == policy.KindTrust {
		req.Policy.Trust = policy.Trust{
			Files: []policy.TrustFile{{ID: "trust.files.0", Source: source, Pattern: "AGENTS.md"}},
			Unsigned: &policy.TrustUnsigned{
				ID: "trust.unsigned.0", Source: source, Is: policy.UnsignedWarn,
			},
		}
	}
	return placed(req, is), nil
}

func placed(req *sdk.PlanRequest, is sdk.Description) *sdk.PlanRequest {
	if is.Kind == policy.KindFilesystem {
		req.Places = Places(req)
	}
	return req
}

// Request is a request with an empty policy and no settings, for a host of tier A.
func Request(home string) *sdk.PlanRequest {
	return &sdk.PlanRequest{Run: sdk.Run{
		SessionID: "test",
		Host: sdk.Host{
			Tier: sdk.TierA, LandlockABI: 7, Kernel: "6.18.0", UID: os.Getuid(), GID: os.Getgid(),
			Home: home,
		},
		Command: sdk.Command{
			Args: []string{"true"}, Executable: "/bin/true", Dir: filepath.Join(home, "project"),
		},
		Settings:      sdk.Settings("{}"),
		HostVariables: map[string]string{},
	}}
}

// Places is what core would have worked out from a request's policy and this machine's files.
func Places(req *sdk.PlanRequest) places.View {
	in := places.Input{
		Policy: &req.Policy, Home: req.Host.Home, Dir: req.Command.Dir, Look: hostfile.Host,
		Lookup: func(name string) (string, bool) {
			value, ok := req.HostVariables[name]
			return value, ok
		},
	}
	if req.Host.Tier == sdk.TierB {
		in.Additive = &places.Additive{List: hostfile.Names}
	}
	view, _ := places.Compute(in)
	return view
}
