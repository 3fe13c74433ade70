# Claude Code, Anthropic's agent: its settings, its memory and its sessions.
#
#   nono run --profile claude-code --allow-cwd -- claude
#
# Install it first, and start it once outside, so that ~/.claude is there: what does not exist cannot be granted, and what the agent puts
# in its place is gone when the run ends.

extends = ["terminal"]

filesystem {
  # What it keeps from one session to the next. It replaces ~/.claude.json by another file at each change; nono brings that back at the end.
  write = [
    "~/.claude",
    "~/.claude.json",
  ]

  # Its login, which is denied to everything else. The agent needs it to work, and whatever it starts can read it, too.
  lift = ["~/.claude/.credentials.json"]

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
  ]
}

network {
  # Its model, and where it logs in. What is sent there its provider has, and with a key of its own an agent can send it to somebody else's
  # account.
  allow = [
    "api.anthropic.com:443",
    "claude.ai:443",
    "platform.claude.com:443",
  ]
}

environment {
  # An update has nowhere to go, and what reports home would ask for hosts that are denied.
  set = {
    DISABLE_AUTOUPDATER                      = "1"
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1"
  }
}
