package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/nono-run/nono/core/launch/filter"
	"github.com/nono-run/nono/core/launch/recipe"
	"github.com/nono-run/nono/core/plan/merge"
	"github.com/nono-run/nono/sdk/fragment"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// Secrets are the values of secret parts: by layer, then by name. Core's own (--env NAME=VALUE) are
// under [Core].
type Secrets map[string]map[string][]byte

// MakeOwn makes the directories of nono's own that a grant would otherwise let the agent make
// first, and fill with what the next run believes. They are the only thing that nono ever makes on
// the host. Call it before [Plan.Recipe].
func (p *Plan) MakeOwn() error {
	for _, dir := range p.Make {
		err := os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrExist) {
			var info fs.FileInfo
			if info, err = os.Lstat(dir); err == nil && !info.IsDir() {
				err = fmt.Errorf("%s is there and is no directory", dir)
			}
		}
		if err != nil {
			return fmt.Errorf("making nono's own directory, so that the agent cannot: %w", err)
		}
	}
	return nil
}

// Recipe makes the plan ready for nono-init: with every value filled in, and with nothing left to
// decide. It holds secrets; it is never stored or printed. host looks up the user's variables. look
// is needed for the directories that MakeOwn has just made.
func (p *Plan) Recipe(
	secrets Secrets, host func(string) (string, bool), look hostfile.Look,
) (*recipe.Recipe, error) {
	mounts, err := p.identified(look)
	if err != nil {
		return nil, err
	}
	env, err := p.resolveEnv(secrets, host)
	if err != nil {
		return nil, err
	}
	program, err := filter.Assemble(p.Calls, p.filters())
	if err != nil {
		return nil, err
	}
	r := &recipe.Recipe{
		Mounts:     mounts,
		Landlock:   p.rights(),
		Seccomp:    program,
		Executable: p.Command.Executable,
		Args:       p.Command.Args,
		Env:        env,
		Dir:        p.Command.Dir,
	}
	if len(p.Landlock) > 0 {
		r.LandlockABI = p.Host.LandlockABI
	}
	if p.walled() {
		return r, p.supervise(r)
	}
	for _, l := range p.Listeners {
		step := l.Listener
		step.Name = l.ID() // two layers may use one name
		r.Listeners = append(r.Listeners, step)
	}
	r.Dial = p.Served()
	return r, nil
}

// mountsOf are the plan's mounts without their layers.
func mountsOf(p *Plan) fragment.List {
	mounts := make(fragment.List, len(p.Mounts))
	for i, s := range p.Mounts {
		mounts[i] = s.Mount
	}
	return mounts
}

// Served are the ports that the agent may serve: those that a layer dials.
func (p *Plan) Served() []uint16 {
	var ports []uint16
	for _, d := range p.Dialers {
		ports = append(ports, d.Ports...)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// rights are the Landlock rules without their layers.
func (p *Plan) rights() []fragment.Landlock {
	var all []fragment.Landlock
	for _, g := range p.Landlock {
		all = append(all, g.Landlock)
	}
	return all
}

// filters are the rules of the system-call filter without their layers.
func (p *Plan) filters() []fragment.Seccomp {
	all := make([]fragment.Seccomp, len(p.Seccomp))
	for i, f := range p.Seccomp {
		all[i] = f.Seccomp
	}
	return all
}

// identified fills in the device and inode of directories that did not exist when the plan was
// made. They must be directories: in the meantime the agent of another session may have put a link
// there.
func (p *Plan) identified(look hostfile.Look) (fragment.List, error) {
	mounts := mountsOf(p)
	for i, s := range p.Mounts {
		b, ok := s.Mount.(fragment.Bind)
		if !ok || b.Inode != 0 {
			continue
		}
		if !slices.Contains(p.Make, b.Source()) {
			return nil, fmt.Errorf("preparing the mount of %s: nobody looked at it", b.Source())
		}
		e, err := look(b.Source())
		if err != nil {
			return nil, err
		}
		if e.Type != policy.Directory {
			return nil, fmt.Errorf("preparing the mount of %s: "+
				"it was to be made as a directory, and is none", b.Source())
		}
		b.Device, b.Inode = e.Device, e.Inode
		mounts[i] = b
	}
	return mounts, nil
}

func (p *Plan) resolveEnv(secrets Secrets, host func(string) (string, bool)) ([]string, error) {
	env := make([]string, 0, len(p.Env))
	for _, v := range p.Env {
		var b strings.Builder
		b.WriteString(v.Name + "=")
		for _, part := range v.Value {
			s, err := p.resolvePart(part, v.Layer, secrets[v.Layer], host)
			if err != nil {
				return nil, fmt.Errorf("preparing the variable %s: %w", v.Name, err)
			}
			b.WriteString(s)
		}
		env = append(env, b.String())
	}
	slices.Sort(env)
	return env, nil
}

// resolvePart fills in one part. No error here may hold the value.
func (p *Plan) resolvePart(
	part fragment.Part, layer string, secrets map[string][]byte, host func(string) (string, bool),
) (string, error) {
	switch {
	case part.Secret != "":
		value, ok := secrets[part.Secret]
		if !ok {
			return "", fmt.Errorf("the secret %q is not there", part.Secret)
		}
		if bytes.IndexByte(value, 0) >= 0 {
			return "", fmt.Errorf("the secret %q holds a zero byte, which no variable can", part.Secret)
		}
		return string(value), nil
	case part.Host != "":
		value, ok := host(part.Host)
		if !ok {
			return "", fmt.Errorf("your own variable %s is not set", part.Host)
		}
		return value, nil
	case part.Listener != "":
		l, ok := merge.Find(p.Listeners, layer, part.Listener)
		if !ok {
			return "", fmt.Errorf("layer %s has no listener %q", layer, part.Listener)
		}
		return l.Dialled(), nil
	}
	return part.Literal, nil
}
