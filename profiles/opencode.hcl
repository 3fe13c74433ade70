# OpenCode: its settings and its sessions.
#
#   nono run --profile opencode --allow-cwd -- opencode
#
# Install it first, and start it once outside, so that its directories are there: what does not exist cannot be granted.

extends = ["terminal"]

filesystem {
  # Its settings, and what it was extended with. Started outside, it runs that, so each is granted by its name: beside them the agent has
  # a directory of the session's own.
  read = [
    "~/.config/opencode/opencode.json",
    "~/.config/opencode/opencode.jsonc",
    "~/.config/opencode/config.json",
    "~/.config/opencode/tui.json",
    "~/.config/opencode/AGENTS.md",
    "~/.config/opencode/agent",
    "~/.config/opencode/agents",
    "~/.config/opencode/command",
    "~/.config/opencode/commands",
    "~/.config/opencode/plugin",
    "~/.config/opencode/plugins",
    "~/.config/opencode/skill",
    "~/.config/opencode/skills",
    "~/.config/opencode/tool",
    "~/.config/opencode/tools",
    "~/.config/opencode/themes",
  ]

  # What it keeps from one session to the next.
  write = [
    "~/.local/share/opencode",
    "~/.local/state/opencode",
  ]

  # Its login, which is denied to everything else. The agent needs it to work, and whatever it starts can read it, too.
  lift = ["~/.local/share/opencode/auth.json"]

  # Programs that it fetched and starts.
  protect = ["~/.local/share/opencode/bin/"]
}

network {
  # It works with the models of many providers, and asks a list of them what there is. What is sent to a provider that provider has.
  groups = ["llm"]
  allow  = ["models.dev:443"]
}

environment {
  # An update has nowhere to go, and the others would ask for hosts that are denied.
  set = {
    OPENCODE_DISABLE_AUTOUPDATE   = "1"
    OPENCODE_DISABLE_LSP_DOWNLOAD = "1"
  }
}
