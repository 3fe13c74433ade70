package toolchain

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/core/diag"
	"github.com/nono-run/nono/sdk/hostfile"
	"github.com/nono-run/nono/sdk/policy"
)

// tree makes a file system from lines: "/bin/sh" is a program, "/etc/hosts: TEXT" a file that
// cannot be executed ("\n" is a new line), "/bin -> usr/bin" a link, "/usr/bin/tool! TEXT" a
// program with text in it, "/dir/" a directory, "/pipe|" a pipe.
func tree(lines ...string) *host {
	files := fstest.MapFS{}
	for _, line := range lines {
		text := func(s string) []byte { return []byte(strings.ReplaceAll(s, `\n`, "\n")) }
		if name, target, ok := strings.Cut(line, " -> "); ok {
			files[unrooted(name)] = &fstest.MapFile{Mode: fs.ModeSymlink | 0o777, Data: []byte(target)}
		} else if name, content, ok := strings.Cut(line, ": "); ok {
			files[unrooted(name)] = &fstest.MapFile{Mode: 0o644, Data: text(content)}
		} else if name, content, ok := strings.Cut(line, "! "); ok {
			files[unrooted(name)] = &fstest.MapFile{Mode: 0o755, Data: text(content)}
		} else if name, ok := strings.CutSuffix(line, "|"); ok {
			files[unrooted(name)] = &fstest.MapFile{Mode: fs.ModeNamedPipe | 0o755}
		} else if strings.HasSuffix(line, "/") {
			files[unrooted(line)] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		} else {
			files[unrooted(line)] = &fstest.MapFile{Mode: 0o755, Data: []byte("\x7fELF")}
		}
	}
	return &host{look: look(files), content: content(files), names: listing(files)}
}

// unrooted is a path as package fs wants it.
func unrooted(p string) string {
	if p = strings.TrimPrefix(path.Clean(p), "/"); p != "" {
		return p
	}
	return "."
}

// look is the file system's Look.
func look(files fstest.MapFS) hostfile.Look {
	return func(name string) (hostfile.Entry, error) {
		info, err := files.Lstat(unrooted(name))
		if errors.Is(err, fs.ErrNotExist) {
			return hostfile.Entry{Type: policy.Missing}, nil
		} else if err != nil {
			return hostfile.Entry{}, err
		}
		switch {
		case info.IsDir():
			return hostfile.Entry{Type: policy.Directory}, nil
		case info.Mode().IsRegular():
			return hostfile.Entry{Type: policy.Regular, Executable: info.Mode()&0o111 != 0}, nil
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := files.ReadLink(unrooted(name))
			return hostfile.Entry{Type: policy.Special, Target: target}, err
		}
		return hostfile.Entry{Type: policy.Special}, nil
	}
}

// content reads as hostfile.Read does.
func content(files fstest.MapFS) func(string, int64) ([]byte, error) {
	return func(name string, limit int64) ([]byte, error) {
		route, err := hostfile.FollowLinks(look(files), name)
		if err != nil {
			return nil, err
		}
		if route.Entry.Type != policy.Regular {
			return nil, &fs.PathError{Op: "read", Path: name, Err: hostfile.ErrNotRegular}
		}
		all, err := files.ReadFile(unrooted(route.Path))
		return all[:min(int64(len(all)), limit)], err
	}
}

func listing(files fstest.MapFS) func(string) ([]string, error) {
	return func(dir string) ([]string, error) {
		entries, err := files.ReadDir(unrooted(dir))
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names, err
	}
}

// granted is the policy of a session in /home/ada/proj: the system, and the project to change.
func granted(more ...policy.PathRule) *policy.Policy {
	return &policy.Policy{Filesystem: append([]policy.PathRule{
		{ID: "filesystem.read.0", Source: policy.Source{Origin: policy.OriginDefault}, Access: policy.Read, Path: "/usr", Type: policy.Directory},
		{ID: "filesystem.read.1", Source: policy.Source{Origin: policy.OriginDefault}, Access: policy.Read, Path: "/usr/bin", Name: "/bin", Type: policy.Directory},
		{ID: "filesystem.allow.0", Source: policy.Source{Origin: policy.OriginFlag, Flag: "--allow-cwd"}, Access: policy.Allow, Path: "/home/ada/proj", Type: policy.Directory},
	}, more...)}
}

func read(path string) policy.PathRule {
	return policy.PathRule{ID: "filesystem.read.9", Source: policy.Source{Origin: policy.OriginFlag, Flag: "--read"}, Access: policy.Read, Path: path, Type: policy.Directory}
}

// resolve is Resolve for ada. The environment is written NAME=VALUE.
func resolve(machine *host, p *policy.Policy, name string, environ ...string) (*Toolchain, error) {
	env := map[string]string{"PATH": "/home/ada/.pyenv/shims:/usr/local/bin:/usr/bin:/bin"}
	for _, e := range environ {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	return Resolve(Request{
		Name: name, Dir: "/home/ada/proj", Home: "/home/ada", Policy: p, host: machine,
		Lookup: func(k string) (string, bool) { v, ok := env[k]; return v, ok },
	})
}

// ada's machine: a system with links as Debian has them, and pyenv.
var machine = []string{
	"/bin -> usr/bin", "/usr/bin/python3 -> python3.11", "/usr/bin/python3.11", "/usr/bin/env", "/usr/bin/dash", "/usr/bin/sh -> dash", "/usr/bin/node",
	"/usr/bin/awk -> /etc/alternatives/awk", "/etc/alternatives/awk -> /usr/bin/mawk", "/usr/bin/mawk",
	"/home/ada/.pyenv/shims/python! #!/usr/bin/env bash", "/home/ada/.pyenv/shims/pip! #!/usr/bin/env bash", "/home/ada/.pyenv/shims/python3! #!/usr/bin/env bash",
	"/home/ada/.pyenv/shims/node! #!/usr/bin/env bash",
	"/home/ada/.pyenv/versions/3.9.18/bin/python -> python3.9", "/home/ada/.pyenv/versions/3.9.18/bin/python3.9",
	"/home/ada/.pyenv/versions/3.11.7/bin/python -> python3.11", "/home/ada/.pyenv/versions/3.11.7/bin/python3.11",
	"/home/ada/.pyenv/versions/3.11.10/bin/python -> python3.11", "/home/ada/.pyenv/versions/3.11.10/bin/python3.11",
	`/home/ada/.pyenv/versions/3.11.7/bin/pip! #!/home/ada/.pyenv/versions/3.11.7/bin/python3.11\nimport pip`,
	`/home/ada/.pyenv/version: 3.11.7\n`,
	"/home/ada/proj/",
}

const pyenv = "/home/ada/.pyenv/versions/"

// summary is a toolchain in lines.
func summary(tc *Toolchain) []string {
	lines := []string{"execute " + tc.Executable}
	for _, p := range tc.Programs {
		lines = append(lines, "program "+p)
	}
	for _, r := range tc.Reads {
		line := "read " + r.Path
		if r.Name != r.Path {
			line += " as " + r.Name
		}
		lines = append(lines, line+": "+r.Why)
	}
	for _, p := range tc.PathPrepend {
		lines = append(lines, "path "+p)
	}
	return lines
}

func TestResolve(t *testing.T) {
	global := ", chosen by /home/ada/.pyenv/version"
	tests := []struct {
		name    string
		command string
		files   []string
		environ []string
		policy  *policy.Policy
		want    []string
		notices []string
	}{
		{
			name: "a program of the system", command: "node", environ: []string{"PATH=/usr/bin"},
			want: []string{"execute /usr/bin/node", "program /usr/bin/node"},
		},
		{
			name: "links of the system's are followed, and not resolved away", command: "awk",
			want:   []string{"execute /usr/bin/awk", "program /usr/bin/mawk"},
			policy: granted(read("/etc/alternatives")),
		},
		{name: "a system path behind a link that the policy knows", command: "/bin/sh", want: []string{"execute /bin/sh", "program /usr/bin/dash"}},
		{name: "no PATH", command: "sh", environ: []string{"PATH="}, files: []string{"/home/ada/proj/sh"}, want: nil},
		{
			name: "a typed path, relative to the current directory", command: "./tool", files: []string{"/home/ada/proj/tool"},
			want: []string{"execute /home/ada/proj/tool", "program /home/ada/proj/tool"},
		},
		{
			name: "a script and its interpreter", command: "./tool", files: []string{`/home/ada/proj/tool! #!/bin/sh -e\n`},
			want: []string{"execute /home/ada/proj/tool", "program /home/ada/proj/tool", "program /usr/bin/dash"},
		},

		{
			name: "pyenv's global version", command: "python",
			want: []string{"execute " + pyenv + "3.11.7/bin/python", "program " + pyenv + "3.11.7/bin/python3.11", "read " + pyenv + "3.11.7: pyenv" + global, "path " + pyenv + "3.11.7/bin"},
		},
		{
			name: "a script of pyenv's brings its interpreter", command: "pip",
			want: []string{
				"execute " + pyenv + "3.11.7/bin/pip", "program " + pyenv + "3.11.7/bin/pip", "program " + pyenv + "3.11.7/bin/python3.11",
				"read " + pyenv + "3.11.7: pyenv" + global, "path " + pyenv + "3.11.7/bin",
			},
		},
		{
			name: "the project's version", command: "python", files: []string{`/home/ada/proj/.python-version: # ours\n\n 3.9.18\n`},
			want: []string{
				"execute " + pyenv + "3.9.18/bin/python", "program " + pyenv + "3.9.18/bin/python3.9",
				"read " + pyenv + "3.9.18: pyenv, chosen by /home/ada/proj/.python-version", "path " + pyenv + "3.9.18/bin",
			},
		},
		{
			name: "a version file above the project, and a version that is the beginning of several", command: "python", files: []string{`/home/ada/.python-version: python-3.11\n`},
			want: []string{
				"execute " + pyenv + "3.11.10/bin/python", "program " + pyenv + "3.11.10/bin/python3.11",
				"read " + pyenv + "3.11.10: pyenv, chosen by /home/ada/.python-version", "path " + pyenv + "3.11.10/bin",
			},
		},
		{
			name: "the variable beats the files", command: "python", files: []string{`/home/ada/proj/.python-version: 3.11.7\n`}, environ: []string{"PYENV_VERSION=3.9.18:3.11.7"},
			want: []string{
				"execute " + pyenv + "3.9.18/bin/python", "program " + pyenv + "3.9.18/bin/python3.9",
				"read " + pyenv + "3.9.18: pyenv, chosen by PYENV_VERSION", "path " + pyenv + "3.9.18/bin",
			},
		},
		{
			name: "the first version that has the command", command: "pip", environ: []string{"PYENV_VERSION=2.7:3.9.18:3.11.7"},
			want: []string{
				"execute " + pyenv + "3.11.7/bin/pip", "program " + pyenv + "3.11.7/bin/pip", "program " + pyenv + "3.11.7/bin/python3.11",
				"read " + pyenv + "3.11.7: pyenv, chosen by PYENV_VERSION", "path " + pyenv + "3.11.7/bin",
			},
			notices: []string{"of the versions that PYENV_VERSION asks for, pyenv has not installed 2.7"},
		},
		{
			name: "a shim that is set to the system", command: "python3", environ: []string{"PYENV_VERSION=system"},
			want: []string{"execute /usr/bin/python3", "program /usr/bin/python3.11"},
		},
		{
			name: "a shim whose version has no such command falls to the system's", command: "node",
			want: []string{"execute /usr/bin/node", "program /usr/bin/node"},
		},
		{
			name: "pyenv elsewhere", command: "python", files: []string{"/opt/py/shims/python! x", "/opt/py/versions/3.12.1/bin/python", `/opt/py/version: 3.12\n`},
			environ: []string{"PYENV_ROOT=/opt/py", "PATH=/opt/py/shims"},
			want: []string{
				"execute /opt/py/versions/3.12.1/bin/python", "program /opt/py/versions/3.12.1/bin/python",
				"read /opt/py/versions/3.12.1: pyenv, chosen by /opt/py/version", "path /opt/py/versions/3.12.1/bin",
			},
		},
		{
			name: "an installation that is granted already is not granted again", command: "python", policy: granted(read("/home/ada/.pyenv")),
			want: []string{"execute " + pyenv + "3.11.7/bin/python", "program " + pyenv + "3.11.7/bin/python3.11", "path " + pyenv + "3.11.7/bin"},
		},
		{
			name: "a path into an installation", command: pyenv + "3.9.18/bin/python",
			want: []string{"execute " + pyenv + "3.9.18/bin/python", "program " + pyenv + "3.9.18/bin/python3.9", "read " + pyenv + "3.9.18: pyenv"},
		},
		{
			name: "a link into an installation, from where nothing is granted", command: "py", environ: []string{"PATH=/home/ada/bin"},
			files: []string{"/home/ada/bin/py -> ../.pyenv/versions/3.9.18/bin/python"},
			want: []string{
				"execute /home/ada/bin/py", "program " + pyenv + "3.9.18/bin/python3.9", "read " + pyenv + "3.9.18: pyenv",
				"read " + pyenv + "3.9.18/bin/python3.9 as /home/ada/bin/py: the name by which it is run",
			},
		},
		{
			name: "an environment of pyenv's own", command: "python", environ: []string{"PYENV_VERSION=web"},
			files: []string{
				"/home/ada/.pyenv/versions/web -> 3.9.18/envs/web", pyenv + "3.9.18/envs/web/bin/python -> " + pyenv + "3.9.18/bin/python",
				pyenv + `3.9.18/envs/web/pyvenv.cfg: home = ` + pyenv + `3.9.18/bin\n`,
			},
			want: []string{
				"execute " + pyenv + "web/bin/python", "program " + pyenv + "3.9.18/bin/python3.9", "read " + pyenv + "3.9.18: pyenv, chosen by PYENV_VERSION",
				"read " + pyenv + "3.9.18/bin/python3.9 as " + pyenv + "web/bin/python: the name by which it is run", "path " + pyenv + "web/bin",
			},
		},

		{
			name: "env in the first line goes through PATH and shims", command: "./tool", files: []string{`/home/ada/proj/tool! #!/usr/bin/env -S A=1 python -u\n`},
			want: []string{
				"execute /home/ada/proj/tool", "program /home/ada/proj/tool", "program /usr/bin/env", "program " + pyenv + "3.11.7/bin/python3.11",
				"read " + pyenv + "3.11.7: pyenv" + global, "path " + pyenv + "3.11.7/bin",
			},
		},

		{
			name: "a virtual environment over the system's python", command: ".venv/bin/python",
			files: []string{"/home/ada/proj/.venv/bin/python -> /usr/bin/python3", `/home/ada/proj/.venv/pyvenv.cfg: home = /usr/bin\n`},
			want:  []string{"execute /home/ada/proj/.venv/bin/python", "program /usr/bin/python3.11"},
		},
		{
			name: "a virtual environment over pyenv's", command: "python", environ: []string{"PATH=/home/ada/proj/.venv/bin:/home/ada/.pyenv/shims"},
			files: []string{"/home/ada/proj/.venv/bin/python -> " + pyenv + "3.9.18/bin/python", `/home/ada/proj/.venv/pyvenv.cfg: Home=` + pyenv + `3.9.18/bin\n`},
			want:  []string{"execute /home/ada/proj/.venv/bin/python", "program " + pyenv + "3.9.18/bin/python3.9", "read " + pyenv + "3.9.18: pyenv"},
		},
		{
			name: "a copied interpreter in a virtual environment", command: ".venv/bin/python",
			files: []string{"/home/ada/proj/.venv/bin/python", `/home/ada/proj/.venv/pyvenv.cfg: home = ` + pyenv + `3.9.18/bin\n`},
			want:  []string{"execute /home/ada/proj/.venv/bin/python", "program /home/ada/proj/.venv/bin/python", "read " + pyenv + "3.9.18: pyenv, the interpreter behind the virtual environment"},
		},
		{
			name: "a virtual environment that is not granted", command: "/home/ada/envs/x/bin/python",
			files: []string{"/home/ada/envs/x/bin/python -> /usr/bin/python3.11", `/home/ada/envs/x/pyvenv.cfg: home = /usr/bin\n`},
			want:  []string{"execute /home/ada/envs/x/bin/python", "program /usr/bin/python3.11", "read /home/ada/envs/x: the virtual environment"},
		},
		{
			name: "the home directory as a virtual environment is not granted", command: "/home/ada/bin/python",
			files: []string{"/home/ada/bin/python -> /usr/bin/python3.11", `/home/ada/pyvenv.cfg: home = /usr/bin\n`},
			want: []string{
				"execute /home/ada/bin/python", "program /usr/bin/python3.11",
				"read /usr/bin/python3.11 as /home/ada/bin/python: the name by which it is run",
			},
		},
		{
			name: "env in the first line finds an environment that is in PATH", command: "./tool", environ: []string{"PATH=/home/ada/envs/x/bin:/usr/bin"},
			files: []string{`/home/ada/proj/tool! #!/usr/bin/env python\n`, "/home/ada/envs/x/bin/python -> /usr/bin/python3.11", `/home/ada/envs/x/pyvenv.cfg: home = /usr/bin\n`},
			want: []string{
				"execute /home/ada/proj/tool", "program /home/ada/proj/tool", "program /usr/bin/env", "program /usr/bin/python3.11",
				"read /home/ada/envs/x: the virtual environment",
			},
		},
		{
			name: "a script of an environment that was typed brings its own", command: "/home/ada/envs/x/bin/tool",
			files: []string{`/home/ada/envs/x/bin/tool! #!/home/ada/envs/x/bin/python\n`, "/home/ada/envs/x/bin/python -> /usr/bin/python3.11", `/home/ada/envs/x/pyvenv.cfg: home = /usr/bin\n`},
			want: []string{
				"execute /home/ada/envs/x/bin/tool", "program /home/ada/envs/x/bin/tool", "program /usr/bin/python3.11",
				"read /home/ada/envs/x: the virtual environment",
			},
		},
		{
			name: "a script of pipx's brings its environment", command: "tool", environ: []string{"PATH=/home/ada/.local/bin"},
			files: []string{
				"/home/ada/.local/bin/tool -> ../share/pipx/venvs/tool/bin/tool",
				`/home/ada/.local/share/pipx/venvs/tool/bin/tool! #!/home/ada/.local/share/pipx/venvs/tool/bin/python\n`,
				"/home/ada/.local/share/pipx/venvs/tool/bin/python -> /usr/bin/python3.11", `/home/ada/.local/share/pipx/venvs/tool/pyvenv.cfg: home = /usr/bin\n`,
			},
			want: []string{
				"execute /home/ada/.local/bin/tool", "program /home/ada/.local/share/pipx/venvs/tool/bin/tool", "program /usr/bin/python3.11",
				"read /home/ada/.local/share/pipx/venvs/tool: pipx",
				"read /home/ada/.local/share/pipx/venvs/tool/bin/tool as /home/ada/.local/bin/tool: the name by which it is run",
			},
		},
		{
			name: "the user's own packages, where a link leads elsewhere", command: "/usr/bin/python3",
			files:   []string{"/home/ada/.local/lib/python3.11/site-packages -> /home/ada/Documents", "/home/ada/Documents/"},
			want:    []string{"execute /usr/bin/python3", "program /usr/bin/python3.11"},
			notices: []string{"Python's user packages are left out: the link /home/ada/.local/lib/python3.11/site-packages leads to them; --read /home/ada/Documents grants them"},
		},
		{
			name: "the user's own packages", command: "/usr/bin/python3", files: []string{"/home/ada/.local/lib/python3.11/site-packages/", "/home/ada/.local/lib/python3.9/site-packages/"},
			want: []string{"execute /usr/bin/python3", "program /usr/bin/python3.11", "read /home/ada/.local/lib/python3.11/site-packages: Python's user packages"},
		},
		{
			name: "a virtual environment does not look at them", command: ".venv/bin/python",
			files: []string{"/home/ada/proj/.venv/bin/python -> /usr/bin/python3", `/home/ada/proj/.venv/pyvenv.cfg: home = /usr/bin\n`, "/home/ada/.local/lib/python3.11/site-packages/"},
			want:  []string{"execute /home/ada/proj/.venv/bin/python", "program /usr/bin/python3.11"},
		},
		{
			name: "unless it says so", command: ".venv/bin/python",
			files: []string{"/home/ada/proj/.venv/bin/python -> /usr/bin/python3", `/home/ada/proj/.venv/pyvenv.cfg: home = /usr/bin\ninclude-system-site-packages = true\n`, "/home/ada/.local/lib/python3.11/site-packages/"},
			want: []string{
				"execute /home/ada/proj/.venv/bin/python", "program /usr/bin/python3.11",
				"read /home/ada/.local/lib/python3.11/site-packages: Python's user packages",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := test.policy
			if p == nil {
				p = granted()
			}
			tc, err := resolve(tree(append(machine, test.files...)...), p, test.command, test.environ...)
			if test.want == nil {
				if err == nil {
					t.Fatalf("found %s", tc.Executable)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, summary(tc)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if d := cmp.Diff(test.notices, tc.Notices); d != "" {
				t.Errorf("notices (-want +got):\n%s", d)
			}
			if tc.Arg0 != test.command {
				t.Errorf("its own name is %q, want %q", tc.Arg0, test.command)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name    string
		command string
		files   []string
		environ []string
		code    int
		summary string
		detail  string
	}{
		{"not there", "nothing", nil, nil, 127, "cannot find the command nothing in PATH", ""},
		{"python where there is only python3", "python", nil, []string{"PATH=/usr/bin"}, 127, "cannot find the command python in PATH", "there is a python3: /usr/bin/python3"},
		{"a typed path that is not there", "./nothing", nil, nil, 127, "cannot run /home/ada/proj/nothing: there is no such file", ""},
		{"a typed path through a file", "/usr/bin/node/x", nil, nil, 127, "there is no such file", ""},
		{"a link that leads nowhere", "./gone", []string{"/home/ada/proj/gone -> /nowhere"}, nil, 127, "there is no such file", ""},
		{"a file that is not executable", "./data", []string{"/home/ada/proj/data: x"}, nil, 126, "the file is not executable", "chmod +x /home/ada/proj/data"},
		{"the same in PATH, if nothing better comes", "data", []string{"/usr/bin/data: x"}, nil, 126, "the file is not executable", ""},
		{"a directory of that name in PATH", "data", []string{"/usr/bin/data/x"}, nil, 127, "cannot find the command data in PATH", ""},
		{"a directory", "./.", nil, nil, 126, "it is a directory", ""},
		{"what lies in the current directory is not run unasked", "tool", []string{"/home/ada/proj/tool", "/tool"}, []string{"PATH=:.:/usr/bin"}, 127, "cannot find", ""},
		{
			"a version that is not installed", "python",
			[]string{`/home/ada/proj/.python-version: 3.8.1\n`},
			nil, 127,
			"/home/ada/proj/.python-version asks pyenv for version 3.8.1, which is not installed", "or change /home/ada/proj/.python-version",
		},
		{"such a version is not replaced by the system's", "python3", []string{`/home/ada/proj/.python-version: 3.8.1\n`}, nil, 127, "not installed", ""},
		{"a version that is a way out", "python", []string{`/home/ada/proj/.python-version: ../../evil\n`, "/home/ada/evil/bin/python"}, nil, 127, "version ../../evil, which is not installed", ""},
		{"a command that the version has not", "pip", []string{`/home/ada/proj/.python-version: 3.9.18\n`}, nil, 127, "pyenv 3.9.18, which /home/ada/proj/.python-version asks for, has no such command", ""},
		{"a shim that is set to a system without it", "pip", nil, []string{"PYENV_VERSION=system"}, 127, "pip: pyenv is set to the system's, and PATH has none", ""},
		{"an interpreter that is not there", "./tool", []string{`/home/ada/proj/tool! #!/opt/none\n`}, nil, 126, "its first line asks for /opt/none", ""},
		{"an interpreter that PATH has not", "./tool", []string{`/home/ada/proj/tool! #!/usr/bin/env none\n`}, nil, 127, "whose first line asks for none: cannot find the command none in PATH", ""},
		{
			"pyvenv.cfg, which the agent can write, names a directory that nothing grants", ".venv/bin/python",
			[]string{"/home/ada/proj/.venv/bin/python", `/home/ada/proj/.venv/pyvenv.cfg: home = /home/ada/secret/bin\n`, "/home/ada/secret/bin/python"},
			nil,
			125, "needs /home/ada/secret because /home/ada/proj/.venv/pyvenv.cfg says so, and the agent can write that file (--allow-cwd)", "if that is right, grant it yourself: --read /home/ada/secret",
		},
		{
			"pyvenv.cfg names all installations at once", ".venv/bin/python",
			[]string{"/home/ada/proj/.venv/bin/python", `/home/ada/proj/.venv/pyvenv.cfg: home = /home/ada/.pyenv/versions\n`},
			nil,
			125, "needs /home/ada/.pyenv/versions because", "--read /home/ada/.pyenv/versions",
		},
		{
			"the same where the agent cannot write it", "/srv/env/bin/python",
			[]string{"/srv/env/bin/python", `/srv/env/pyvenv.cfg: home = /opt/python/bin\n`, "/opt/python/bin/python"},
			nil,
			125, "needs /opt/python, which /srv/env/pyvenv.cfg names and nothing grants", "--read /opt/python",
		},
		{
			"a link, which the agent can write, leads to an environment elsewhere", ".venv/bin/python",
			[]string{"/home/ada/proj/.venv -> /home/ada/other", "/home/ada/other/bin/python", `/home/ada/other/pyvenv.cfg: home = /usr/bin\n`},
			nil,
			125, "needs /home/ada/other because /home/ada/proj/.venv says so, and the agent can write that file (--allow-cwd)", "--read /home/ada/other",
		},
		{
			"a first line, which the agent can write, names an environment elsewhere", "./tool",
			[]string{`/home/ada/proj/tool! #!/home/ada/other/bin/python\n`, "/home/ada/other/bin/python -> /usr/bin/python3.11", `/home/ada/other/pyvenv.cfg: home = /usr/bin\n`},
			nil,
			125, "needs /home/ada/other because /home/ada/proj/tool says so, and the agent can write that file (--allow-cwd)", "--read /home/ada/other",
		},
		{
			"the same by way of env", "./tool",
			[]string{`/home/ada/proj/tool! #!/usr/bin/env /home/ada/other/bin/python\n`, "/home/ada/other/bin/python -> /usr/bin/python3.11", `/home/ada/other/pyvenv.cfg: home = /usr/bin\n`},
			nil,
			125, "needs /home/ada/other because /home/ada/proj/tool says so", "--read /home/ada/other",
		},
		{
			"a link of a stranger's, which the agent cannot write", "/srv/clone/venv/bin/python",
			[]string{"/srv/clone/venv -> /home/ada/other", "/home/ada/other/bin/python", `/home/ada/other/pyvenv.cfg: home = /usr/bin\n`},
			nil,
			125, "needs /home/ada/other, which /srv/clone/venv names and nothing grants", "--read /home/ada/other",
		},
		{
			"a link that an earlier agent left among the installations", "python",
			[]string{
				"/home/ada/.pyenv/versions/evil -> /home/ada/other", "/home/ada/other/bin/python", `/home/ada/other/pyvenv.cfg: home = /usr/bin\n`,
				`/home/ada/proj/.python-version: evil\n`,
			},
			nil,
			125, "needs /home/ada/other, which /home/ada/.pyenv/versions/evil names and nothing grants", "--read /home/ada/other",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tc, err := resolve(tree(append(machine, test.files...)...), granted(), test.command, test.environ...)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v, %v; want an error with a code", tc, err)
			}
			if e.ExitCode() != test.code || !strings.Contains(e.Problem.Summary, test.summary) || !strings.Contains(e.Problem.Detail, test.detail) {
				t.Errorf("code %d: %s\n  %s\nwant code %d: %s\n  %s", e.Code, e.Problem.Summary, e.Problem.Detail, test.code, test.summary, test.detail)
			}
			var p diag.Problem
			if !errors.As(err, &p) || p.Summary == "" {
				t.Error("the error shows no problem")
			}
		})
	}
}

// closed is the machine with a directory that may not be entered.
func closed(h *host, dir string) *host {
	open := h.look
	h.look = func(name string) (hostfile.Entry, error) {
		if strings.HasPrefix(name, dir+"/") {
			return hostfile.Entry{}, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrPermission}
		}
		return open(name)
	}
	return h
}

// A directory of PATH that may not be entered is no reason to say anything else than that the
// command is not there, or to miss it in the next one.
func TestClosedDirectoryInPATH(t *testing.T) {
	find := func(name string) (*Toolchain, error) {
		return Resolve(Request{
			Name: name, Dir: "/home/ada/proj", Home: "/home/ada", Policy: granted(),
			host:   closed(tree(append(machine, "/opt/closed/node")...), "/opt/closed"),
			Lookup: func(k string) (string, bool) { return "/opt/closed:/usr/bin", k == "PATH" },
		})
	}
	if tc, err := find("node"); err != nil || tc.Executable != "/usr/bin/node" {
		t.Errorf("%v, %v", tc, err)
	}
	var e *Error
	if tc, err := find("nothing"); !errors.As(err, &e) || e.Code != 127 || e.Problem.Summary != "cannot find the command nothing in PATH" {
		t.Errorf("%v, %v", tc, err)
	}
}

// A pipe in the place of a version file, of an environment's file or of a program must not hold the
// start up.
func TestPipesAreNotOpened(t *testing.T) {
	files := tree(append(machine, "/home/ada/proj/.python-version|", "/home/ada/proj/.venv/pyvenv.cfg|", "/home/ada/proj/.venv/bin/python|")...)
	if _, err := files.content("/home/ada/proj/.python-version", 10); !errors.Is(err, hostfile.ErrNotRegular) {
		t.Errorf("reading a pipe: %v, want a refusal", err)
	}
	tc, err := resolve(files, granted(), "python")
	if err != nil || tc.Executable != pyenv+"3.11.7/bin/python" {
		t.Errorf("%v, %v", tc, err)
	}
	if tc, err := resolve(files, granted(), ".venv/bin/python"); err != nil || len(tc.Reads) != 0 {
		t.Errorf("%v, %v", tc, err)
	}
}

func TestCheck(t *testing.T) {
	denied := policy.PathRule{ID: "filesystem.deny.0", Source: policy.Source{Origin: policy.OriginFile, File: "agent.hcl", Line: 3, Column: 5}, Access: policy.Deny, Path: "/usr/bin/node", Type: policy.Regular}
	written := policy.PathRule{ID: "filesystem.write.0", Source: policy.Source{Origin: policy.OriginFlag, Flag: "--write ~/out"}, Access: policy.Write, Path: "/home/ada/out", Type: policy.Directory}
	tests := []struct{ program, want, detail string }{
		{"/usr/bin/dash", "", ""},
		{"/opt/tool/bin/run", "cannot run run: the agent may not execute /opt/tool/bin/run: no rule grants it", "grant it: --read /opt/tool"},
		{"/home/ada/run", "no rule grants it", "grant it: --read /home/ada/run"},
		{"/usr/bin/node", "agent.hcl:3:5: cannot run run: the agent may not execute /usr/bin/node: denied", ""},
		{"/home/ada/out/run", "not for execution", "grant it: --read /home/ada/out/run"},
		{"/home/ada/bin/run", "no rule grants it", "grant it: --read /home/ada/bin/run"},
		{"/home/ada/.local/bin/run", "no rule grants it", "grant it: --read /home/ada/.local/bin/run"},
		{"/home/ada/tool/bin/run", "no rule grants it", "grant it: --read /home/ada/tool"},
	}
	for _, test := range tests {
		err := (&Toolchain{Arg0: "run", Programs: []string{"/usr/bin/env", test.program}, from: Request{Home: "/home/ada"}}).Check(granted(denied, written))
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.program, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Code != 126 || !strings.Contains(err.Error(), test.want) || e.Problem.Detail != test.detail {
			t.Errorf("%s: %v (%+v), want %s (%s)", test.program, err, e, test.want, test.detail)
		}
	}
}

// The real file system, as far as a test may rely on it: a home of its own with pyenv's layout.
func TestRealFiles(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(home, ".pyenv/versions/3.11.7/bin")
	for _, file := range []string{filepath.Join(home, ".pyenv/shims/python"), filepath.Join(bin, "python3.11")} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("\x7fELF"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("python3.11", filepath.Join(bin, "python")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".pyenv/version"), []byte("3.11\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tc, err := Resolve(Request{
		Name: "python", Dir: home, Home: home, Policy: &policy.Policy{},
		Lookup: func(k string) (string, bool) { return filepath.Join(home, ".pyenv/shims"), k == "PATH" },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Read{{Path: filepath.Dir(bin), Name: filepath.Dir(bin), Type: policy.Directory, Why: "pyenv, chosen by " + home + "/.pyenv/version"}}
	if d := cmp.Diff(want, tc.Reads); d != "" || tc.Executable != filepath.Join(bin, "python") {
		t.Errorf("%s, reads (-want +got):\n%s", tc.Executable, d)
	}
}

func TestParseFirstLine(t *testing.T) {
	tests := []struct{ head, interpreter, viaEnv string }{
		{"\x7fELF", "", ""},
		{"#!", "", ""},
		{"#! /bin/sh -e\nexec", "/bin/sh", ""},
		{"#!/usr/bin/env node", "/usr/bin/env", "node"},
		{"#!/usr/bin/env -S python3 -u\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env -Spython3 -u\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env -i A=b python3\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env\n", "/usr/bin/env", ""},
	}
	for _, test := range tests {
		if interpreter, viaEnv := parseFirstLine(test.head); interpreter != test.interpreter || viaEnv != test.viaEnv {
			t.Errorf("%q: %q, %q; want %q, %q", test.head, interpreter, viaEnv, test.interpreter, test.viaEnv)
		}
	}
}

// What a policy file that nobody has approved of names as its command is no more to be believed
// than what a script names: it may choose among the roots and what PATH has, and grants no
// directory of its own choice.
func TestCommandOfAPolicyFile(t *testing.T) {
	files := tree(append(machine, "/home/ada/other/bin/python -> /usr/bin/python3.11", `/home/ada/other/pyvenv.cfg: home = /usr/bin\n`)...)
	run := func(name, namedBy, path string, more ...policy.PathRule) (*Toolchain, error) {
		return Resolve(Request{
			Name: name, Dir: "/home/ada/proj", Home: "/home/ada", Policy: granted(more...), NamedBy: namedBy, host: files,
			Lookup: func(k string) (string, bool) { return path, k == "PATH" },
		})
	}
	const python, usual = "/home/ada/other/bin/python", "/usr/bin"
	for _, test := range []struct {
		what, name, by, path string
		more                 []policy.PathRule
		refused              bool
	}{
		{"typed: the control", python, "", usual, nil, false},
		{"named by a path", python, "agent.hcl", usual, nil, true},
		{"named by a path that is granted", python, "agent.hcl", usual, []policy.PathRule{read("/home/ada/other")}, false},
		{"named without a path, and found in PATH", "python", "agent.hcl", "/home/ada/other/bin", nil, false},
		{"an installation in a root", pyenv + "3.9.18/bin/python", "agent.hcl", usual, nil, false},
	} {
		tc, err := run(test.name, test.by, test.path, test.more...)
		switch {
		case test.refused && (err == nil || !strings.Contains(err.Error(), "/home/ada/other, which agent.hcl names and nothing grants")):
			t.Errorf("%s: %+v, %v", test.what, tc, err)
		case !test.refused && err != nil:
			t.Errorf("%s: %v", test.what, err)
		}
	}
}

// What the command needs becomes rules of the policy, with the command as their source.
func TestRules(t *testing.T) {
	tc := Toolchain{Reads: []Read{
		{Path: "/opt/py", Name: "/home/py", Type: policy.Directory, Why: "pyenv"},
		{Path: "/opt/z", Name: "/opt/z", Type: policy.Regular, Why: "the name by which it is run"},
	}}
	amended := policy.Policy{}.With(tc.Rules(), nil)
	p := policy.NewDecider(&amended)
	d := p.Path("/opt/py/bin/python", policy.OpExecute)
	if !d.Allowed || d.Rule.Name != "/home/py" || d.Rule.Source.Flag != "the command you typed: pyenv" || d.Rule.Source.Origin != policy.OriginCommand {
		t.Errorf("%+v of %+v", d, d.Rule)
	}
	if d := p.Path("/opt/z", policy.OpExecute); !d.Allowed || d.Rule.Name != "" || d.Rule.ID != "filesystem.read.1" {
		t.Errorf("%+v of %+v", d, d.Rule)
	}
}

// FuzzResolve: whatever stands in the files that a project brings, what they add to the policy lies
// in one of the roots, or is granted already.
func FuzzResolve(f *testing.F) {
	f.Add("3.9.18\n", "#!/usr/bin/env python\n", "home = /usr/bin\n")
	f.Add("../../..\n", "#!/home/ada/secret/tool\n", "home = /home/ada/secret\n")
	f.Add("3.11", "#!"+pyenv+"3.9.18/bin/python", "home = "+pyenv+"3.11.7/bin\ninclude-system-site-packages = true\n")
	f.Fuzz(func(t *testing.T, version, firstLine, venv string) {
		put := func(name, content string) string { return name + "! " + strings.ReplaceAll(content, `\n`, `\ n`) }
		files := tree(append(machine, "/home/ada/secret/tool", "/home/ada/secret/bin/python",
			put("/home/ada/proj/.python-version", version), put("/home/ada/proj/tool", firstLine),
			put("/home/ada/proj/.venv/pyvenv.cfg", venv), "/home/ada/proj/.venv/bin/python -> /usr/bin/python3")...)
		for _, name := range []string{"./tool", "python", ".venv/bin/python"} {
			p := granted()
			tc, err := resolve(files, p, name)
			if err != nil {
				continue
			}
			decide := policy.NewDecider(p)
			for _, r := range tc.Reads {
				if !policy.Within(r.Path, path.Clean(pyenv)) && !decide.Path(r.Path, policy.OpExecute).Allowed {
					t.Fatalf("%s adds %+v", name, r)
				}
			}
		}
	})
}
