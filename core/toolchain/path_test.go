package toolchain

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nono-run/nono/sdk/policy"
)

// lookThrough is lookAt for ada, in lines.
func lookThrough(machine *host, p *policy.Policy, path string, environ ...string) []string {
	env := map[string]string{"PATH": path}
	for _, e := range environ {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	found := lookAt(Request{
		Dir: "/home/ada/proj", Home: "/home/ada", Policy: p, host: machine,
		Lookup: func(k string) (string, bool) { v, ok := env[k]; return v, ok },
	})
	var lines []string
	for _, r := range found.Reads {
		line := "read " + strings.TrimPrefix(r.Path, "/home/ada/")
		if r.Name != r.Path {
			line += " as " + strings.TrimPrefix(r.Name, "/home/ada/")
		}
		lines = append(lines, line+": "+strings.ReplaceAll(r.Why, "/home/ada/", ""))
	}
	for _, dir := range strings.Split(path, ":") {
		if instead, ok := found.Instead[dir]; ok {
			lines = append(lines, strings.ReplaceAll(dir+" is "+strings.Join(instead, ":"), "/home/ada/", ""))
		}
	}
	for _, o := range found.Outside {
		lines = append(lines, strings.ReplaceAll("outside "+o.Dir+": --read "+o.Grant, "/home/ada/", ""))
	}
	return lines
}

// The closed list, row by row: what stands in PATH from one of the roots is inside.
func TestLook(t *testing.T) {
	const rust = "/home/ada/.rustup/toolchains/stable-x86_64-unknown-linux-gnu"
	tests := []struct {
		name    string
		path    string
		files   []string
		environ []string
		want    []string
	}{
		{name: "the system's", path: "/usr/bin:/bin"},
		{
			name: "pyenv's shims", path: "/home/ada/.pyenv/shims:/home/ada/.pyenv/bin:/usr/bin",
			files: []string{"/home/ada/.pyenv/bin/pyenv"},
			want:  []string{"read .pyenv/versions/3.11.7: pyenv, chosen by .pyenv/version", ".pyenv/shims is .pyenv/versions/3.11.7/bin"},
		},
		{
			name: "pyenv's shims, set to several", path: "/home/ada/.pyenv/shims", environ: []string{"PYENV_VERSION=3.9.18:system:2.7:3.11"},
			want: []string{
				"read .pyenv/versions/3.9.18: pyenv, chosen by PYENV_VERSION", "read .pyenv/versions/3.11.10: pyenv, chosen by PYENV_VERSION",
				".pyenv/shims is .pyenv/versions/3.9.18/bin:.pyenv/versions/3.11.10/bin",
			},
		},
		{
			name: "rbenv's shims", path: "/home/ada/.rbenv/shims",
			files: []string{"/home/ada/.rbenv/versions/3.3.0/bin/ruby", `/home/ada/proj/.ruby-version: ruby-3.3.0\n`},
			want:  []string{"read .rbenv/versions/3.3.0: rbenv, chosen by proj/.ruby-version", ".rbenv/shims is .rbenv/versions/3.3.0/bin"},
		},
		{
			name: "nodenv's shims", path: "/home/ada/.nodenv/shims",
			files: []string{"/home/ada/.nodenv/versions/20.11.0/bin/node", `/home/ada/.node-version: v20.11.0\n`},
			want:  []string{"read .nodenv/versions/20.11.0: nodenv, chosen by .node-version", ".nodenv/shims is .nodenv/versions/20.11.0/bin"},
		},
		{
			name: "nvm's Node, and what nvm reads to choose one", path: "/home/ada/.nvm/versions/node/v20.11.0/bin",
			files: []string{"/home/ada/.nvm/versions/node/v20.11.0/bin/node", `/home/ada/.nvm/alias/default: 20\n`, "/home/ada/.nvm/nvm.sh: x", "/home/ada/.nvm/versions/node/v18.0.0/bin/node"},
			want:  []string{"read .nvm/versions/node/v20.11.0: nvm", "read .nvm/nvm.sh: nvm's settings", "read .nvm/alias: nvm's settings"},
		},
		{
			name: "fnm's, through the link that it makes for each shell", path: "/run/user/1/fnm_multishells/7_1/bin",
			files: []string{
				"/run/user/1/fnm_multishells/7_1 -> /home/ada/.local/share/fnm/aliases/default",
				"/home/ada/.local/share/fnm/aliases/default -> ../node-versions/v20.11.0/installation",
				"/home/ada/.local/share/fnm/node-versions/v20.11.0/installation/bin/node",
			},
			want: []string{
				"read .local/share/fnm/node-versions/v20.11.0: fnm",
				"read .local/share/fnm/node-versions/v20.11.0/installation/bin as /run/user/1/fnm_multishells/7_1/bin: the name by which it is run",
			},
		},
		{
			name: "volta's shims, as volta is set", path: "/home/ada/.volta/bin",
			files: []string{
				"/home/ada/.volta/bin/node", "/home/ada/.volta/tools/image/node/20.11.0/bin/node", "/home/ada/.volta/tools/image/yarn/4.1.0/bin/yarn",
				`/home/ada/.volta/tools/user/platform.json: {"node":{"runtime":"20.11.0","npm":null},"pnpm":null,"yarn":"4.1.0"}`,
			},
			want: []string{
				"read .volta/tools/image: volta, chosen by .volta/tools/user/platform.json",
				".volta/bin is .volta/tools/image/yarn/4.1.0/bin:.volta/tools/image/node/20.11.0/bin",
			},
		},
		{
			name: "volta's shims, as the project pins them", path: "/home/ada/.volta/bin",
			files: []string{
				"/home/ada/.volta/tools/image/node/18.0.0/bin/node", `/home/ada/proj/package.json: {"volta":{"node":"18.0.0"}}`,
				`/home/ada/.volta/tools/user/platform.json: {"node":{"runtime":"20.11.0"}}`,
			},
			want: []string{"read .volta/tools/image: volta, chosen by proj/package.json", ".volta/bin is .volta/tools/image/node/18.0.0/bin"},
		},
		{
			name: "asdf's shims", path: "/home/ada/.asdf/shims:/home/ada/.asdf/bin",
			files: []string{
				"/home/ada/.asdf/bin/asdf", "/home/ada/.asdf/installs/nodejs/20.11.0/bin/node", "/home/ada/.asdf/installs/ruby/3.3.0/bin/ruby",
				`/home/ada/.tool-versions: # mine\nnodejs 18.0.0\nruby 3.3.0 system\n`, `/home/ada/proj/.tool-versions: nodejs 20.11.0 # ours\n`,
			},
			want: []string{
				"read .asdf/installs/nodejs/20.11.0: asdf, chosen by .tool-versions", "read .asdf/installs/ruby/3.3.0: asdf, chosen by .tool-versions",
				".asdf/shims is .asdf/installs/nodejs/20.11.0/bin:.asdf/installs/ruby/3.3.0/bin",
			},
		},
		{
			name: "mise's shims", path: "/home/ada/.local/share/mise/shims",
			files: []string{
				"/home/ada/.local/share/mise/installs/node/20.11.0/bin/node", "/home/ada/.local/share/mise/installs/node/20 -> ./20.11.0",
				"/home/ada/.local/share/mise/installs/python/3.12.1/bin/python", "/home/ada/.local/share/mise/installs/go/1.22.0/bin/go",
				`/home/ada/proj/mise.toml: [env]\nnode = "1"\n[tools]\nnode = "20" # ours\n"python" = ["3.12", "3.11"]\n`,
				`/home/ada/.config/mise/config.toml: [tools]\nnode = "18"\ngo = { version = "1.22.0", os = ["linux"] }\n`,
			},
			want: []string{
				"read .local/share/mise/installs/node/20.11.0: mise, chosen by .config/mise/config.toml",
				"read .local/share/mise/installs/python/3.12.1: mise, chosen by .config/mise/config.toml",
				"read .local/share/mise/installs/go/1.22.0: mise, chosen by .config/mise/config.toml",
				".local/share/mise/shims is .local/share/mise/installs/node/20/bin:.local/share/mise/installs/python/3.12.1/bin:.local/share/mise/installs/go/1.22.0/bin",
			},
		},
		{
			name: "an installation of mise's without shims", path: "/home/ada/.local/share/mise/installs/go/1.22.0/bin",
			files: []string{"/home/ada/.local/share/mise/installs/go/1.22.0/bin/go"},
			want:  []string{"read .local/share/mise/installs/go/1.22.0: mise"},
		},
		{
			name: "rustup's proxies, and other programs beside them", path: "/home/ada/.cargo/bin:/usr/bin",
			files: []string{
				"/home/ada/.cargo/bin/rustup", "/home/ada/.cargo/bin/cargo -> rustup", "/home/ada/.cargo/bin/rg", rust + "/bin/cargo",
				`/home/ada/.rustup/settings.toml: default_toolchain = "stable-x86_64-unknown-linux-gnu"\nprofile = "default"\nversion = "12"\n\n[overrides]\n`,
			},
			want: []string{
				"read .rustup/toolchains/stable-x86_64-unknown-linux-gnu: rustup, chosen by .rustup/settings.toml",
				"read .rustup/settings.toml: rustup's settings, chosen by .rustup/settings.toml",
				"read .cargo/bin: programs of your own",
				".cargo/bin is .rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin:.cargo/bin",
			},
		},
		{
			name: "rustup's proxies, as the project chooses", path: "/usr/local/bin",
			files: []string{
				"/usr/local/bin/rustup", "/home/ada/.rustup/toolchains/1.75.0-x86_64-unknown-linux-gnu/bin/cargo", rust + "/bin/cargo",
				`/home/ada/.rustup/settings.toml: default_toolchain = "stable"\n`, `/home/ada/proj/rust-toolchain.toml: [toolchain]\nchannel = "1.75.0"\n`,
			},
			want: []string{
				"read .rustup/toolchains/1.75.0-x86_64-unknown-linux-gnu: rustup, chosen by proj/rust-toolchain.toml",
				"read .rustup/settings.toml: rustup's settings, chosen by proj/rust-toolchain.toml",
				"/usr/local/bin is .rustup/toolchains/1.75.0-x86_64-unknown-linux-gnu/bin:/usr/local/bin",
			},
		},
		{
			name: "~/.local/bin with uv's and pipx's links, claude's own, and a script", path: "/home/ada/.local/bin",
			files: []string{
				"/home/ada/.local/bin/ruff -> /home/ada/.local/share/uv/tools/ruff/bin/ruff", "/home/ada/.local/share/uv/tools/ruff/bin/ruff",
				"/home/ada/.local/bin/python3.12 -> /home/ada/.local/share/uv/python/cpython-3.12/bin/python3.12", "/home/ada/.local/share/uv/python/cpython-3.12/bin/python3.12",
				"/home/ada/.local/bin/black -> ../share/pipx/venvs/black/bin/black", "/home/ada/.local/share/pipx/venvs/black/bin/black",
				"/home/ada/.local/bin/claude -> ../share/claude/versions/2.1.0", "/home/ada/.local/share/claude/versions/2.1.0", "/home/ada/.local/share/claude/versions/2.0.0",
				"/home/ada/.local/bin/mine! #!/bin/sh",
			},
			want: []string{
				"read .local/share/pipx/venvs/black: pipx", "read .local/share/claude/versions/2.1.0: claude",
				"read .local/share/uv/python/cpython-3.12: uv", "read .local/share/uv/tools/ruff: uv",
				"read .local/bin: programs of your own",
			},
		},
		{
			name: "beside what is no program, one by one", path: "/home/ada/bin",
			files: []string{"/home/ada/bin/run", "/home/ada/bin/notes.txt: x", "/home/ada/bin/sub/", "/home/ada/bin/py -> " + pyenv + "3.9.18/bin/python"},
			want: []string{
				"read .pyenv/versions/3.9.18: pyenv", "read .pyenv/versions/3.9.18/bin/python3.9 as bin/py: the name by which it is run",
				"read bin/run: a program of your own",
			},
		},
		{
			name: "what npm installed, with the neighbour that has the program", path: "/home/ada/node/bin",
			files: []string{
				`/home/ada/.npmrc: //host/:_authToken=x\nprefix=${HOME}/node\n`,
				"/home/ada/node/bin/codex -> ../lib/node_modules/@openai/codex/bin/codex.js", "/home/ada/node/lib/node_modules/@openai/codex/bin/codex.js",
				`/home/ada/node/lib/node_modules/@openai/codex/package.json: {"optionalDependencies":{"@openai/codex-linux-x64":"1","@openai/codex-darwin-x64":"1","../../../x":"1"}}`,
				"/home/ada/node/lib/node_modules/@openai/codex-linux-x64/vendor/codex", "/home/ada/node/lib/node_modules/private/x", "/home/ada/node/x/y",
			},
			want: []string{
				"read node/lib/node_modules/@openai/codex: npm", "read node/lib/node_modules/@openai/codex-linux-x64: npm, with codex",
				"read node/bin: programs of your own",
			},
		},
		{
			name: "npm's usual prefix", path: "/home/ada/.npm-global/bin",
			files: []string{"/home/ada/.npm-global/bin/gemini -> ../lib/node_modules/@google/gemini-cli/bundle/gemini.js", "/home/ada/.npm-global/lib/node_modules/@google/gemini-cli/bundle/gemini.js"},
			want:  []string{"read .npm-global: npm"},
		},
		{
			name: "bun, deno, opencode, claude's and codex's own, Homebrew, uv, pipx", path: "/home/ada/.bun/bin:/home/ada/.deno/bin:/home/ada/.opencode/bin:/home/ada/.claude/local:" +
				"/home/ada/.codex/packages/1/bin:/home/linuxbrew/.linuxbrew/bin:/opt/homebrew/bin",
			files: []string{
				"/home/ada/.bun/bin/bun", "/home/ada/.deno/bin/deno", "/home/ada/.opencode/bin/opencode", "/home/ada/.claude/local/claude",
				"/home/ada/.codex/packages/1/bin/codex", "/home/linuxbrew/.linuxbrew/bin/brew", "/opt/homebrew/bin/brew",
			},
			want: []string{
				"read .bun: bun", "read .deno/bin: deno", "read .opencode/bin: opencode", "read .claude/local: claude", "read .codex/packages: codex",
				"read /home/linuxbrew/.linuxbrew: Homebrew", "read /opt/homebrew: Homebrew",
			},
		},
		{
			name: "what go installed, and Go itself", path: "/home/ada/go/bin:/home/ada/sdk/go1.22.0/bin",
			files: []string{
				"/home/ada/go/bin/gopls", "/home/ada/go/pkg/mod/", "/home/ada/sdk/go1.22.0/bin/go", "/home/ada/sdk/go1.22.0/VERSION: go1.22.0", "/home/ada/sdk/go1.22.0/src/runtime/",
			},
			want: []string{"read go/bin: programs of your own", "read sdk/go1.22.0: Go"},
		},
		{
			name: "conda, and an environment of its", path: "/home/ada/miniconda3/envs/web/bin:/home/ada/miniconda3/condabin",
			files: []string{
				"/home/ada/miniconda3/condabin/conda", "/home/ada/miniconda3/conda-meta/history: x",
				"/home/ada/miniconda3/envs/web/bin/python", "/home/ada/miniconda3/envs/web/conda-meta/history: x",
			},
			want: []string{"read miniconda3/envs/web: conda", "read miniconda3: conda"},
		},
		{
			name: "a virtual environment with the interpreter behind it", path: "/home/ada/envs/x/bin",
			files: []string{"/home/ada/envs/x/bin/python -> " + pyenv + "3.9.18/bin/python", `/home/ada/envs/x/pyvenv.cfg: home = ` + pyenv + `3.9.18/bin\n`},
			want:  []string{"read envs/x: the virtual environment", "read .pyenv/versions/3.9.18: pyenv, the interpreter behind the virtual environment"},
		},
		{
			name: "the project's virtual environment, in no PATH", path: "/usr/bin",
			files: []string{"/home/ada/proj/.venv/bin/python -> " + pyenv + "3.9.18/bin/python", `/home/ada/proj/.venv/pyvenv.cfg: home = ` + pyenv + `3.9.18/bin\n`},
			want:  []string{"read .pyenv/versions/3.9.18: pyenv, the interpreter behind the virtual environment"},
		},
		{
			name: "Python's user packages", path: "/usr/bin", files: []string{"/home/ada/.local/lib/python3.11/site-packages/", "/home/ada/.local/lib/other/site-packages/"},
			want: []string{"read .local/lib/python3.11/site-packages: Python's user packages"},
		},
		{
			name: "in no root", path: "/home/ada/tools/bin:/home/ada/t:/home/ada/empty:/nowhere:/opt/one/bin",
			files: []string{"/home/ada/tools/bin/t", "/home/ada/t/README: x", "/home/ada/t/x", "/home/ada/empty/README: x", "/opt/one/bin/run"},
			want:  []string{"outside tools/bin: --read tools", "outside t: --read t", "outside /opt/one/bin: --read /opt/one"},
		},
		{
			name: "a link out of ~/.local/bin", path: "/home/ada/.local/bin",
			files: []string{"/home/ada/.local/bin/t -> /home/ada/src/t/bin/t", "/home/ada/src/t/bin/t", "/home/ada/.local/bin/u"},
			want:  []string{"read .local/bin: programs of your own", "outside .local/bin/t: --read src/t"},
		},
		{
			name: "what cannot run inside in any case", path: "/mnt/c/Windows:/snap/bin:relative::/home/ada/.pyenv/plugins/x/bin",
			files: []string{"/mnt/c/Windows/notepad.exe", "/snap/bin/code -> /usr/bin/snap", "/usr/bin/snap", "/home/ada/.pyenv/plugins/x/bin/x"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := lookThrough(tree(append(machine, test.files...)...), granted(), test.path, test.environ...)
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// What an agent could have written in an earlier run leads to nothing but the roots. The control is
// the same without the agent's work, or with what it could not have made.
func TestLookAtWhatAnAgentLeft(t *testing.T) {
	secret := []string{"/home/ada/secret/bin/tool", "/home/ada/secret/key: x"}
	tests := []struct {
		name  string
		path  string
		files []string
		want  []string
	}{
		{
			"control: an installation in a root", "/home/ada/.pyenv/shims",
			[]string{`/home/ada/proj/.python-version: 3.9.18\n`},
			[]string{"read .pyenv/versions/3.9.18: pyenv, chosen by proj/.python-version", ".pyenv/shims is .pyenv/versions/3.9.18/bin"},
		},
		{
			"a version that is a link to elsewhere", "/home/ada/.pyenv/shims",
			[]string{`/home/ada/proj/.python-version: evil\n`, "/home/ada/.pyenv/versions/evil -> /home/ada/secret"},
			[]string{".pyenv/shims is "},
		},
		{
			"a version that is a link to what has the sign of an installation", "/home/ada/.pyenv/shims",
			[]string{`/home/ada/proj/.python-version: evil\n`, "/home/ada/.pyenv/versions/evil -> /home/ada/secret", "/home/ada/secret/conda-meta/history: x"},
			[]string{".pyenv/shims is "},
		},
		{
			"a version that is a way out", "/home/ada/.pyenv/shims",
			[]string{`/home/ada/proj/.python-version: ../../secret\n`},
			[]string{".pyenv/shims is "},
		},
		{
			"all versions moved elsewhere by a link", "/home/ada/.rbenv/shims",
			[]string{`/home/ada/proj/.ruby-version: secret\n`, "/home/ada/.rbenv/versions -> /home/ada"},
			[]string{".rbenv/shims is "},
		},
		{
			"a tool that is a way out", "/home/ada/.asdf/shims",
			[]string{`/home/ada/proj/.tool-versions: ../../.. secret\n.. secret\n`, "/home/ada/.asdf/installs/x/1/bin/x"},
			[]string{".asdf/shims is "},
		},
		{
			"a toolchain of rustup's that is a path", "/home/ada/.cargo/bin",
			[]string{"/home/ada/.cargo/bin/rustup", "/home/ada/.rustup/toolchains/x/bin/cargo", `/home/ada/proj/rust-toolchain.toml: [toolchain]\npath = "/home/ada/secret"\n`},
			[]string{"read .cargo/bin: programs of your own", ".cargo/bin is .cargo/bin"},
		},
		{
			"a toolchain of rustup's that is a link", "/home/ada/.cargo/bin",
			[]string{"/home/ada/.cargo/bin/rustup", "/home/ada/.rustup/toolchains/x -> /home/ada/secret", `/home/ada/proj/rust-toolchain: x\n`},
			[]string{"read .cargo/bin: programs of your own", ".cargo/bin is .cargo/bin"},
		},
		{
			"settings that are a link", "/home/ada/.nvm/versions/node/v20/bin",
			[]string{"/home/ada/.nvm/versions/node/v20/bin/node", "/home/ada/.nvm/alias -> /home/ada/secret"},
			[]string{"read .nvm/versions/node/v20: nvm"},
		},
		{
			"a link among the programs", "/home/ada/.local/bin",
			[]string{"/home/ada/.local/bin/tool -> /home/ada/secret/bin/tool"},
			[]string{"read .local/bin: programs of your own", "outside .local/bin/tool: --read secret"},
		},
		{
			"a directory of programs that is a link to one with other things", "/home/ada/.local/bin",
			[]string{"/home/ada/.local/bin -> /home/ada/secret/bin"},
			[]string{"outside .local/bin: --read secret"},
		},
		{
			"the signs of conda, Go and a virtual environment in what holds other things", "/home/ada/.local/bin:/home/ada/bin:/home/ada/go/bin",
			[]string{
				"/home/ada/.local/bin/x", "/home/ada/.local/conda-meta/history: x", `/home/ada/.local/pyvenv.cfg: home = /usr/bin\n`,
				"/home/ada/bin/x", "/home/ada/conda-meta/history: x", `/home/ada/pyvenv.cfg: home = /usr/bin\n`,
				"/home/ada/go/bin/go", "/home/ada/go/VERSION: go1", "/home/ada/go/src/runtime/", "/home/ada/go/conda-meta/history: x",
			},
			[]string{"read .local/bin: programs of your own", "read bin: programs of your own", "read go/bin: programs of your own"},
		},
		{
			"a directory of PATH that became a link to an installation elsewhere", "/home/ada/tools/bin",
			[]string{"/home/ada/tools -> /home/ada/secret", "/home/ada/secret/conda-meta/history: x", `/home/ada/secret/pyvenv.cfg: home = /usr/bin\n`},
			[]string{"outside tools/bin: --read secret"},
		},
		{
			"an environment of the project that is a link, or names another place", "/usr/bin",
			[]string{
				"/home/ada/proj/.venv -> /home/ada/secret", `/home/ada/secret/pyvenv.cfg: home = /usr/bin\n`,
				`/home/ada/proj/venv/pyvenv.cfg: home = /home/ada/secret/bin\n`,
			},
			nil,
		},
		{
			"a package that names more than its neighbours", "/home/ada/.npm/bin",
			[]string{
				`/home/ada/.npmrc: prefix = /home/ada/.npm\n`, "/home/ada/.npm/bin/a -> ../lib/node_modules/a/a.js", "/home/ada/.npm/lib/node_modules/a/a.js",
				`/home/ada/.npm/lib/node_modules/a/package.json: {"optionalDependencies":{"b":"1","../../../secret":"1","/home/ada/secret":"1",".":"1","@s":"1","c/d":"1"}}`,
				"/home/ada/.npm/lib/node_modules/b -> /home/ada/secret", "/home/ada/.npm/lib/node_modules/@s/x/x.js", "/home/ada/.npm/lib/node_modules/c/d/x.js",
			},
			[]string{"read .npm/lib/node_modules/a: npm", "read .npm/bin: programs of your own"},
		},
		{
			"a project's own settings for npm", "/home/ada/secret/bin",
			[]string{`/home/ada/proj/.npmrc: prefix = /home/ada/secret\n`},
			[]string{"outside secret/bin: --read secret"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := append(append(append([]string{}, machine...), secret...), test.files...)
			if d := cmp.Diff(test.want, lookThrough(tree(files...), granted(), test.path)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A usual PATH of this machine's. It is looked through beside the start of the processes; see
// bench/RESULTS.md for what these take.
func BenchmarkLook(b *testing.B) {
	home, err := os.UserHomeDir()
	if err != nil {
		b.Fatal(err)
	}
	p := granted()
	for b.Loop() {
		lookAt(Request{Dir: home, Home: home, Policy: p, Lookup: os.LookupEnv})
	}
}
