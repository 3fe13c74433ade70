//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// sandbox is one way to run a program.
type sandbox struct {
	Name string `json:"name"`
	// Shown is the command line for a reader, with DIR for the working directory.
	Shown string `json:"command"`
	// Note is what a reader has to know beside the command line.
	Note      string `json:"note,omitempty"`
	Sandboxed bool   `json:"sandboxed"`

	args []string
	env  []string
	// dir is where it runs, if that is a place of its own.
	dir string
	// before is done before each run, if there is something to do; it is not measured.
	before func() error
	// atTerminal says that the program is started at a terminal.
	atTerminal bool
}

// The names that the report treats in a way of their own.
const (
	bareName     = "no sandbox"
	nonoName     = "nono, remembered run"
	nonoNewName  = "nono, first run"
	nonoBareName = "nono, no layer"
	nonoNetName  = "nono, with hosts"
	nonoKeyName  = "nono, with hosts and a key"
	nonoSnapName = "nono, with a snapshot"
	bwrapName    = "bubblewrap"
	codexName    = "Codex sandbox"
	pluginsName  = "go-plugin alone"

	terminalSuffix = ", at a terminal"
)

// command is the sandbox around a program. It has no input, and what it prints is the caller's to
// catch.
func (s sandbox) command(dir string, program ...string) *exec.Cmd {
	args := slices.Concat(s.args, program)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = cmp.Or(s.dir, dir)
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// find lists the sandboxes that are installed, and says of each other one what is missing. All of
// them do the same: the system can be read, one directory written, and the network is closed.
func find(o options, at place) (found []sandbox, missing []string) {
	found = append(found, sandbox{Name: bareName, Shown: "true", args: []string{}})

	if path, err := filepath.Abs(o.nono); err == nil && exists(path) {
		found = append(found, ofNono(path)...)
		idle, err := withIdle(path, o.idle, at)
		if err != nil {
			missing = append(missing, idleName+": "+err.Error())
		}
		found = append(found, idle...)
		five, err := allFive(path, o.idle, at)
		if err != nil {
			missing = append(missing, fiveName+": "+err.Error())
		}
		found = append(found, five...)
	} else {
		missing = append(missing, "nono: no program at "+o.nono+": make build")
	}

	if program, err := filepath.Abs(o.plugins); err == nil && exists(program) {
		for _, n := range []string{"1", "4"} {
			found = append(found, sandbox{
				Name: pluginsName + ", plugins: " + n, Shown: "goplugin " + n + " true",
				args: []string{program, n},
			})
		}
	} else {
		missing = append(missing, pluginsName+": no program at "+o.plugins+": make bench builds it")
	}

	if path, err := exec.LookPath("bwrap"); err == nil {
		flags := []string{
			"--unshare-all", "--new-session", "--die-with-parent",
			"--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
			"--bind", at.work, at.work, "--",
		}
		found = append(found, sandbox{
			Name: bwrapName, Sandboxed: true, args: append([]string{path}, flags...),
			Shown: "bwrap --unshare-all --new-session --die-with-parent --ro-bind / / --dev /dev " +
				"--proc /proc --tmpfs /tmp --bind DIR DIR -- true",
		})
	} else {
		missing = append(missing, "bubblewrap: apt-get install bubblewrap")
	}

	if path, err := exec.LookPath("firejail"); err == nil {
		found = append(found, sandbox{
			Name: "firejail", Sandboxed: true,
			Shown: "firejail --quiet --noprofile --net=none --private=DIR --private-tmp --seccomp " +
				"--caps.drop=all -- true",
			args: []string{
				path, "--quiet", "--noprofile", "--net=none", "--private=" + at.work, "--private-tmp",
				"--seccomp", "--caps.drop=all", "--",
			},
		})
	} else {
		missing = append(missing, "firejail: apt-get install firejail")
	}

	if path, err := codexBinary(o.codex); err == nil {
		codex := sandbox{
			Name: codexName, Shown: "codex sandbox -P :workspace -- true", Sandboxed: true,
			args: []string{path, "sandbox", "-P", ":workspace", "--"},
			env:  []string{"CODEX_HOME=" + at.codexHome},
		}
		found = append(found, codex, atTerminal(codex))
	} else {
		missing = append(missing, codexName+": "+err.Error())
	}
	return found, missing
}

// ofNono are nono's rows that need nothing but the program.
func ofNono(path string) []sandbox {
	const key = "OPENAI_API_KEY=no key of anybody's"
	plain := nonoRun(path, nonoName, nil, "--allow-cwd")
	return []sandbox{
		plain,
		atTerminal(plain),
		nonoRun(path, nonoNewName, nil, "--fresh", "--allow-cwd"),
		nonoRun(path, nonoNetName, nil, "--allow-cwd", "--network-profile", "minimal"),
		nonoRun(path, nonoKeyName, []string{key},
			"--allow-cwd", "--network-profile", "minimal", "--credential", "openai"),
		nonoRun(path, nonoSnapName, nil, "--allow-cwd", "--snapshot"),
		nonoRun(path, nonoBareName, nil, "--disable", "filesystem"),
	}
}

// nonoRun is nono with flags, and with variables of which the reader is shown the names.
func nonoRun(path, name string, env []string, flags ...string) sandbox {
	shown := ""
	for _, e := range env {
		variable, _, _ := strings.Cut(e, "=")
		shown += variable + "=... "
	}
	return sandbox{
		Name: name, Sandboxed: true, env: env,
		Shown: shown + "nono run -s " + strings.Join(flags, " ") + " -- true",
		args:  slices.Concat([]string{path, "run", "-s"}, flags, []string{"--"}),
	}
}

// atTerminal is the same, started at a terminal.
func atTerminal(s sandbox) sandbox {
	s.Name += terminalSuffix
	s.atTerminal = true
	return s
}

// codexBinary is the program itself; what npm puts in .bin is a script that would add the start of
// node to each run.
func codexBinary(modules string) (string, error) {
	pattern := filepath.Join(modules, "@openai", "codex-linux-*", "vendor", "*", "bin", "codex")
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(matches) == 0 {
		return "", fmt.Errorf("not under %s: npm ci --prefix bench", modules)
	}
	return filepath.Abs(matches[0])
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
