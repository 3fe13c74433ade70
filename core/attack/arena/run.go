//go:build linux

package arena

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// An Attempt is an attack made ready in one arena: what the attacker tries, and what else shows that
// it worked.
type Attempt struct {
	Try string
	// Happened looks at the machine afterwards; nil if the outcome says it all.
	Happened func() bool
}

// Command is a program that the user of this arena starts in the project.
func (a *Arena) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = a.Project
	cmd.Env = append([]string{
		"HOME=" + a.Home,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"TERM=dumb",
		"XDG_RUNTIME_DIR=" + a.Runtime,
	}, a.Env...)
	// What a descendant that outlived the command does with its streams is not waited for.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Bare is the attacker with no sandbox.
func (a *Arena) Bare(ctx context.Context, tries []string) *exec.Cmd {
	return a.Command(ctx, a.Path(Program), tries...)
}

// Sandbox is the attacker in a session of nono's with these flags, and with more of the policy.
func (a *Arena) Sandbox(ctx context.Context, flags []string, policy string, tries []string) *exec.Cmd {
	a.Write("~/agent.hcl", a.Policy()+policy)
	args := slices.Concat([]string{"run", "-s", "-c", a.Path("~/agent.hcl"), "--approve"}, flags,
		[]string{"--", "./" + Program}, tries)
	return a.Command(ctx, a.Nono, args...)
}

// Policy is what the user of the arena grants an agent: the project and the repositories; one
// directory to read, and one to write; and, as careless users do, the whole runtime directory.
func (a *Arena) Policy() string {
	return fmt.Sprintf("filesystem {\n  allow = %s\n  read = %s\n  write = [%q]\n}\n",
		list(append([]string{a.Project}, a.Allow...)),
		list([]string{a.Path("~/ref"), a.Runtime, filepath.Dir(a.Nono), filepath.Dir(a.Installed)}), a.Path("~/out"))
}

func list(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// Outcomes runs the attacker, and returns a line for each try.
func (a *Arena) Outcomes(attacker *exec.Cmd, tries int) ([]string, error) {
	attacker.ExtraFiles = a.Open
	var out, said bytes.Buffer
	attacker.Stdout, attacker.Stderr = &out, &said
	err := attacker.Run()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, last(said.String()+out.String()))
	}
	if len(lines) != tries {
		return nil, fmt.Errorf("%d outcomes of %d tries: %s", len(lines), tries, last(out.String()+said.String()))
	}
	return lines, nil
}

// last is what was said last, or what nono refused with.
func last(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	for _, line := range lines {
		if why, ok := strings.CutPrefix(line, "nono: error: "); ok {
			return why
		}
	}
	return lines[len(lines)-1]
}
