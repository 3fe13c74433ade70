# What every run starts from: what a program needs to start, what nobody hands to an agent by mistake, and nothing else.
#
# A rule in your own config.hcl, in a file named by -c, or on the command line is added to these. A denial here holds at any depth of
# whatever you grant. What does not exist on a system is passed over in silence, so one list serves all of them.
#
# Two things are understood in this file only. A * in a path of `filesystem` is replaced by what exists. And a relative path under
# `protect` is looked for at the root of each directory that you let an agent write. Under `protect` a / at the end means a directory, and
# none a file.
#
# Not here, because the sandbox has its own: /proc, /dev with null, zero, full, random, urandom, tty, ptmx, pts, fd and the standard
# streams, a private home directory, a private /tmp.

filesystem {

  # ---- What a program needs to start ----------------------------------------------------------------------------------------

  read = [
    # Programs and libraries.
    "/bin",
    "/sbin",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",

    # The dynamic linker.
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld-musl-aarch64.path",

    # Names of hosts, users and services.
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/passwd",
    "/etc/group",

    # Certificates, without the private keys beside them (denied below).
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/crypto-policies",

    # Time, language, terminal, and what kind of system this is: where debian_version is there and closed, as without namespaces,
    # pip ends.
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.conf",
    "/etc/locale.gen",
    "/etc/terminfo",
    "/etc/os-release",
    "/etc/lsb-release",
    "/etc/debian_version",
    "/etc/alternatives",
    "/etc/mime.types",

    # What programs in /usr need of /etc and /var to start: distributions keep settings there, and lead to them with links. Only
    # what holds no passwords; of Maven's settings, the parts without servers. A test looks at every link of /usr.
    "/etc/java*",
    "/etc/maven/m2.conf",
    "/etc/maven/logging",
    "/etc/ant",
    "/etc/groovy",
    "/etc/python*",
    "/etc/perl",
    "/etc/php/*/cli",
    "/etc/php/*/mods-available",
    "/etc/R",
    "/etc/octave.conf",
    "/etc/octaverc",
    "/etc/mono",
    "/etc/dotnet",
    "/var/lib/ghc",
    "/etc/xml",
    "/etc/sgml",
    "/etc/fonts",
    "/var/cache/fontconfig",
    "/etc/X11",
    "/etc/ghostscript",
    "/etc/ImageMagick-6",
    "/etc/ImageMagick-7",
    "/etc/libreoffice",
    "/etc/texmf",
    "/var/lib/texmf",
    "/etc/groff",
    "/etc/dictionaries-common",
    "/etc/manpath.config",
    "/etc/man_db.conf",
    "/var/cache/man",
    "/etc/locale.alias",
    "/etc/inputrc",
    "/etc/vim",

    # How many processors there are, and their caches: by that programs choose how much to do at once. Nothing else of /sys: which
    # disks and devices a machine has, with their serial numbers, is not needed to start.
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",

    # The system's settings for git. Yours are in your home directory, and are not read.
    "/etc/gitconfig",

    # macOS.
    "/System",
    "/Library/Frameworks",
    "/private/etc/ssl",
    "/private/etc/hosts",
    "/private/etc/resolv.conf",
    "/private/etc/localtime",
    "/private/var/db/timezone",
    "/private/var/db/dyld",
  ]

  # ---- What is denied unless you lift it ------------------------------------------------------------------------------------

  deny = [
    # Parts of the above that belong to the machine's owner. Root could read the keys.
    "/usr/local/etc",
    "/usr/local/var",
    "/etc/ssl/private",
    "/etc/pki/*/private",
    "/etc/java*/management/jmxremote.password",
    "/etc/R/Renviron.site",
    "/home/linuxbrew/.linuxbrew/var",
    "/opt/homebrew/var",

    # Keys and cloud accounts.
    "~/.ssh",
    "~/.gnupg",
    "~/.aws",
    "~/.azure",
    "~/.gcloud",
    "~/.config/gcloud",
    "~/.kube",
    "~/.docker",
    "~/.config/containers/auth.json",
    "~/.git-credentials",
    "~/.netrc",
    "~/.npmrc",
    "~/.yarnrc.yml",
    "~/.pypirc",
    "~/.vault-token",
    "~/.credentials",
    "~/.secrets",
    "~/.keys",
    "~/.pki",
    "~/.age",
    "~/.config/sops",
    "~/.terraform.d",
    "~/.terraformrc",
    "~/.config/op",
    "~/.op",
    "~/.config/gh",
    "~/.config/hub",
    "~/.config/glab-cli",
    "~/.cargo/credentials",
    "~/.cargo/credentials.toml",
    "~/.gem/credentials",
    "~/.m2/settings.xml",
    "~/.gradle/gradle.properties",
    "~/.config/rclone",
    "~/.s3cfg",
    "~/.boto",
    "~/.config/doctl",
    "~/.fly",
    "~/.config/heroku",
    "~/.netlify",
    "~/.pgpass",
    "~/.my.cnf",
    "~/.mylogin.cnf",

    # nono's own configuration, state, plugins and caches, also where XDG puts them elsewhere.
    "~/.config/nono",
    "~/.local/state/nono",
    "~/.local/share/nono",
    "~/.cache/nono",
    "$XDG_CONFIG_HOME/nono",
    "$XDG_STATE_HOME/nono",
    "$XDG_DATA_HOME/nono",
    "$XDG_CACHE_HOME/nono",

    # Other agents' logins.
    "~/.claude/.credentials.json",
    "~/.codex/auth.json",
    "~/.gemini/oauth_creds.json",
    "~/.config/github-copilot",
    "~/.local/share/opencode/auth.json",

    # Password stores.
    "~/.password-store",
    "~/.1password",
    "~/.local/share/keyrings",
    "~/.config/keepassxc",
    "~/.config/Bitwarden",

    # Browsers and messengers.
    "~/.config/google-chrome",
    "~/.config/chromium",
    "~/.config/microsoft-edge",
    "~/.config/BraveSoftware",
    "~/.config/vivaldi",
    "~/.config/opera",
    "~/.mozilla",
    "~/.thunderbird",
    "~/.config/Slack",
    "~/.config/discord",
    "~/.config/Signal",
    "~/snap/firefox",
    "~/snap/chromium",
    "~/.var/app",

    # Histories.
    "~/.bash_history",
    "~/.zsh_history",
    "~/.history",
    "~/.python_history",
    "~/.node_repl_history",
    "~/.mysql_history",
    "~/.psql_history",
    "~/.sqlite_history",
    "~/.lesshst",
    "~/.local/share/fish/fish_history",

    # Shell start-up files: they often hold keys, and run at the next login.
    "~/.bashrc",
    "~/.bash_profile",
    "~/.bash_login",
    "~/.bash_logout",
    "~/.profile",
    "~/.zshrc",
    "~/.zprofile",
    "~/.zshenv",
    "~/.zlogin",
    "~/.zlogout",
    "~/.config/fish",
    "~/.env",
    "~/.envrc",

    # Wallets.
    "~/.bitcoin",
    "~/.electrum",
    "~/.ethereum",
    "~/.config/solana",

    # Sockets of services that would act for whoever connects: containers, buses, agents that hold keys, screens, editors, terminals.
    "/run/docker.sock",
    "/run/podman",
    "/run/containerd",
    "/run/crio",
    "/run/dbus",
    "/var/run/docker.sock",
    "$XDG_RUNTIME_DIR/docker.sock",
    "$XDG_RUNTIME_DIR/podman",
    "$XDG_RUNTIME_DIR/containerd-rootless",
    "$XDG_RUNTIME_DIR/bus",
    "$XDG_RUNTIME_DIR/dbus-1",
    "$XDG_RUNTIME_DIR/systemd",
    "$XDG_RUNTIME_DIR/gnupg",
    "$XDG_RUNTIME_DIR/keyring",
    "$XDG_RUNTIME_DIR/gcr",
    "$XDG_RUNTIME_DIR/ssh-agent*",
    "$XDG_RUNTIME_DIR/openssh_agent",
    "$XDG_RUNTIME_DIR/wayland-*",
    "$XDG_RUNTIME_DIR/pipewire-*",
    "$XDG_RUNTIME_DIR/pulse",
    "$XDG_RUNTIME_DIR/vscode-*",
    "$XDG_RUNTIME_DIR/tmux-*",
    "$XDG_RUNTIME_DIR/nono",
    "/tmp/.X11-unix",
    "/tmp/ssh-*",
    "/tmp/tmux-*",
    "/tmp/nono-$UID",

    # macOS.
    "~/Library/Keychains",
    "/Library/Keychains",
    "~/Library/Cookies",
    "~/Library/Mail",
    "~/Library/Messages",
    "~/Library/Safari",
    "~/Library/Group Containers/*1password*",
    "~/Library/Application Support/Google/Chrome",
    "~/Library/Application Support/Chromium",
    "~/Library/Application Support/Firefox",
    "~/Library/Application Support/Microsoft Edge",
    "~/Library/Application Support/Arc",
    "~/Library/Application Support/BraveSoftware",
    "~/Library/Application Support/Vivaldi",
    "~/Library/Application Support/1Password",
    "~/Library/Application Support/MobileSync",
  ]

  # ---- What may be read in a project, and not be written --------------------------------------------------------------------

  # Each of these makes something outside the sandbox run what the agent wrote: git its hooks and the commands in its settings, another
  # agent its own hooks. `write` with the path lifts it: `git remote add` needs write = [".git/config"].
  protect = [
    # Inside a grant of the whole disk: here the kernel takes orders. Root could name a program for the host to run, and anybody end all
    # processes of a control group that is theirs.
    "/sys/",

    ".git", # a file: it names the git directory of a worktree or a submodule
    ".git/commondir", # of a worktree: it names the directory with the settings and the hooks
    ".git/hooks/",
    ".git/config",
    ".git/config.worktree",
    ".git/info/attributes",

    ".claude/settings.json",
    ".claude/settings.local.json",
    ".claude/hooks/",
    ".mcp.json",
    ".cursor/hooks.json",
    ".cursor/mcp.json",
    ".codex/config.toml",
    ".gemini/settings.json",
  ]

  # ---- What the end of a run tells of --------------------------------------------------------------------------------------

  # Tools outside run what these say, and agents rightly edit them. One that is new or changed is told; one with a / is a directory, of
  # which the files are.
  report = [
    ".envrc",
    ".mise.toml",
    ".tool-versions",
    ".pre-commit-config.yaml",
    ".husky/",
    ".vscode/",
    ".idea/",
    ".devcontainer/",
    ".github/workflows/",
    ".claude/commands/",
    ".claude/agents/",
    "package.json",
    "Makefile",
    "conftest.py",
    "build.rs",
    ".venv/pyvenv.cfg",
    ".venv/bin/",
    ".gitmodules",
    ".git/rebase-merge/git-rebase-todo", # of a rebase that is under way: it can hold commands
  ]
}

environment {

  # What the agent inherits. Everything else stays outside.
  pass = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL",
    "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES",
    "LANG", "LANGUAGE", "LC_*", "TZ",
    "TMPDIR", "EDITOR", "VISUAL", "PAGER", "CI",

    # Where toolchains and configuration lie: paths only.
    "VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT", "NVM_DIR", "NVM_BIN", "ASDF_DIR",
    "GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME", "JAVA_HOME", "SDKMAN_DIR",
    "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
  ]

  # Never inherited because some pattern happens to pass it; only by its exact name in your own policy. Each makes a program load or run
  # something, or leads to a service that acts for you. To `set` one is another matter: then you say what it holds.
  deny = [
    # The dynamic linker and the C library.
    "LD_*", "DYLD_*", "GCONV_PATH", "LOCPATH",
    # Shells.
    "BASH_ENV", "ENV", "BASH_FUNC_*", "PROMPT_COMMAND", "IFS", "CDPATH", "GLOBIGNORE", "ZDOTDIR",
    # Languages.
    "PYTHONSTARTUP", "PYTHONPATH", "PYTHONHOME",
    "NODE_OPTIONS", "NODE_PATH",
    "PERL5OPT", "PERL5LIB",
    "RUBYOPT", "RUBYLIB",
    "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS",
    "DOTNET_STARTUP_HOOKS",
    "GOFLAGS",
    # git.
    "GIT_SSH_COMMAND", "GIT_CONFIG_*",
    # Ways out of your network, some with a password in them. Inside, nono says where the proxy is.
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy",
    # Services that act for you.
    "OP_*", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST",
  ]
}

snapshot {

  # What can be made again, so that nothing of it is stored: only that it changed is seen, and told. Programs that the user runs are not
  # among it (.venv/bin, node_modules/.bin leads into what is). Your own policy takes one back: exclude = ["!target/"].
  exclude = [
    # JavaScript.
    "node_modules/", "bower_components/", "**/.next/cache/", ".turbo/", ".parcel-cache/", ".svelte-kit/", "**/.yarn/cache/",
    # Python.
    "**/.venv/lib/", "**/venv/lib/", "__pycache__/", "*.pyc", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".tox/", ".nox/", ".eggs/",
    # Rust, Java and Scala, Zig, Dart, Terraform, Ruby.
    # A directory of the name target may as well be somebody's source.
    "target/ beside Cargo.toml", "target/ beside pom.xml", "target/ beside build.sbt", "target/ beside build.properties",
    ".gradle/", ".zig-cache/", "zig-cache/", ".dart_tool/", ".terraform/", "**/vendor/bundle/",
    # Tools of all kinds.
    ".cache/",
  ]
}

trust {

  # Whose signatures are looked at, where anything was ever signed or trusted on your account. Each is looked for in the current directory
  # and in those above it, up to the root of the repository, for that is where agents look for them too. Who writes one of these decides
  # what an agent does before you have said a word.
  files = [
    # What agents take for the user's own instructions.
    "CLAUDE.md", "CLAUDE.local.md", "AGENTS.md", "AGENTS.override.md", "AGENT.md", "GEMINI.md", "QWEN.md", "CRUSH.md", "WARP.md",
    ".cursorrules", ".windsurfrules", ".clinerules", ".rules", ".goosehints",
    ".github/copilot-instructions.md", ".github/instructions/**", ".github/prompts/**", ".github/agents/**",

    # What each of them keeps in a project: instructions, commands, skills and sub-agents, and settings that name programs to run.
    ".claude/**", ".codex/**", ".gemini/**", ".cursor/**", ".opencode/**", ".agents/**", ".qwen/**", ".clinerules/**", ".windsurf/**",
    ".continue/**", ".junie/**", ".kiro/**", ".roo/**",
    "opencode.json", "opencode.jsonc", ".aider.conf.yml",

    # Skills that lie elsewhere: a file that says when it is to be followed.
    "SKILL.md", "skills/**/SKILL.md",

    # Servers of tools (MCP), which an agent starts or asks, and believes.
    ".mcp.json", "mcp.json", ".vscode/mcp.json",
  ]
}
