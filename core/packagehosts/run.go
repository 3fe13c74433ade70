package packagehosts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nono-run/nono/core/toolchain"
	"github.com/nono-run/nono/sdk/policy"
)

// errMissing says that a manager is not installed.
var errMissing = errors.New("it is not installed")

func isMissing(err error) bool { return errors.Is(err, errMissing) }

// find is a manager's program, if it may be run on the host: it is the system's, or lies where
// tools are installed, and the agent may not write it.
func (l *Learner) find(name string) (*toolchain.Toolchain, error) {
	// Only what the default profile grants counts here, for what the user grants is what agents write.
	system := policy.Policy{Filesystem: slices.DeleteFunc(slices.Clone(l.Policy.Filesystem),
		func(r policy.PathRule) bool { return r.Source.Asked() })}
	tool, err := toolchain.Resolve(toolchain.Request{
		Name: name, Dir: "/", Home: l.Home, Lookup: l.Lookup, Policy: &system,
	})
	var refused *toolchain.Error
	if errors.As(err, &refused) && refused.Code == notFound {
		return nil, errMissing
	}
	if err != nil {
		return nil, fmt.Errorf("it is not run: %w", err)
	}
	with := system.With(tool.Rules(), nil)
	if err := tool.Check(&with); err != nil {
		return nil, fmt.Errorf("%s does not lie where tools are installed", tool.Executable)
	}
	decide := policy.NewDecider(l.Policy)
	for _, program := range tool.Programs {
		if decide.Path(program, policy.OpWrite).Allowed {
			return nil, fmt.Errorf("the agent may write %s", program)
		}
	}
	return tool, nil
}

// notFound is the exit code of a shell for a command that is not there.
const notFound = 127

// mostSaid is how much of a manager's output is read.
const mostSaid = 1 << 20

// run asks a manager, in an empty directory and with an environment of its own.
func (l *Learner) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	tool, err := l.find(name)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.Cache, 0o700); err != nil {
		return nil, fmt.Errorf("making an empty directory to ask it in: %w", err)
	}
	dir, err := os.MkdirTemp(l.Cache, "ask-")
	if err != nil {
		return nil, fmt.Errorf("making an empty directory to ask it in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.CommandContext(ctx, tool.Executable, args...)
	cmd.Dir, cmd.Env = dir, l.environment(tool, dir)
	var out, complaints limited
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.WaitDelay = time.Second // whoever it started and left does not hold us
	if err := cmd.Run(); err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(complaints.String()), "\n")
		return nil, fmt.Errorf("it failed: %w: %s", err, policy.Printable(said))
	}
	return out.Bytes(), nil
}

// environment is what a manager needs to find itself and its settings, and to look nothing up.
func (l *Learner) environment(tool *toolchain.Toolchain, dir string) []string {
	path := slices.Clone(tool.PathPrepend)
	for _, program := range tool.Programs {
		path = append(path, filepath.Dir(program))
	}
	path = append(path, "/usr/local/bin", "/usr/bin", "/bin")
	home := l.Home
	if l.bare {
		home = dir
	}
	env := []string{
		"HOME=" + home, "PATH=" + strings.Join(slices.Compact(path), ":"), "LANG=C", "LC_ALL=C",
		"TMPDIR=" + dir,
		"npm_config_update_notifier=false", "npm_config_offline=true", "npm_config_logs_max=0",
		"npm_config_cache=" + dir, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1",
		"GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=", "GOCACHE=" + dir, "GOTELEMETRY=off",
	}
	if l.bare {
		// The files for the whole host are not there inside either. npm wants two names.
		return append(env, "npm_config_userconfig="+dir+"/user", "npm_config_globalconfig="+dir+"/global",
			"GOENV=off", "PIP_CONFIG_FILE="+os.DevNull)
	}
	for _, name := range settings {
		if v, ok := l.Lookup(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// limited keeps the first of what is written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := mostSaid - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
