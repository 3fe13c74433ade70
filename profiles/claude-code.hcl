# Claude Code, Anthropic's agent: its settings, its memory and its sessions.
#
#   nono run --profile claude-code --allow-cwd -- claude
#
# Install it first, and start it once outside, so that ~/.claude is there: what does not exist cannot be granted, and what the agent puts
# in its place is gone when the run ends.

extends = ["terminal"]

credential "anthropic" {
  # The agent works with a stand-in for your key. The other variable for a key, ANTHROPIC_API_KEY, makes it ask at each start whether a new
  # key is to be used, and a stand-in is new each time.
  env = { key = "ANTHROPIC_AUTH_TOKEN", base_url = "ANTHROPIC_BASE_URL" }

  # With an account and no key it works by its own login. That is inside then, and whatever the agent starts can read it and send it on.
  fallback {
    filesystem {
      # It writes a new token there from time to time.
      write = ["~/.claude/.credentials.json"]
      lift  = ["~/.claude/.credentials.json"]
    }
    network {
      # Its model, and where it logs in. With a key of its own an agent can send there what it likes to somebody else's account.
      allow = [
        "api.anthropic.com:443",
        "claude.ai:443",
        "platform.claude.com:443",
      ]
    }
  }
}

filesystem {
  # What it keeps from one session to the next. It replaces ~/.claude.json by another file at each change; nono brings that back at the end.
  write = [
    "~/.claude",
    "~/.claude.json",
  ]

  # Where the login cannot be hidden in it, the agent has another directory in its place.
  movable = { CLAUDE_CONFIG_DIR = "~/.claude" }

  # It changes in every session. But it also says which MCP servers are started, so the end of a run tells of it.
  report = ["~/.claude.json"]

  # Started outside, Claude Code runs what these say. To let the agent change one of them, grant it: --write ~/.claude/settings.json.
  protect = [
    "~/.claude/settings.json",
    "~/.claude/settings.local.json",
    "~/.claude/hooks/",
    "~/.claude/plugins/",
    "~/.claude/skills/",
    "~/.claude/agents/",
    "~/.claude/commands/",
    "~/.claude/CLAUDE.md",
    "~/.claude/local/",
    "~/.claude/output-styles/",
    "~/.claude/rules/",
    "~/.claude/workflows/",
    "~/.claude/loop.md",
    "~/.claude/statusline.sh",         # what /statusline writes, and the settings then name
    "~/.claude/statusline-command.sh",
    "~/.claude/.config.json",          # where it is there, it is read in the place of ~/.claude.json
    "~/.claude/remote-settings.json",  # an organization's settings, as they were last fetched
    "~/.claude/daemon.json",           # what runs in the background, which ends with the run inside
    "~/.claude/jobs/",
    "~/.claude/shell-snapshots/",      # read by a shell before each command, of a session outside too
  ]
}

environment {
  # An update has nowhere to go, and what reports home would ask for hosts that are denied.
  set = {
    DISABLE_AUTOUPDATER                      = "1"
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
  }
}
