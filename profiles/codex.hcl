# Codex, OpenAI's agent: its settings and its sessions.
#
#   nono run --profile codex --allow-cwd -- codex
#
# Install it first, and start it once outside, so that ~/.codex is there: what does not exist cannot be granted.

extends = ["terminal"]

# Codex has a sandbox of its own, which needs what nono's refuses to everything inside. nono's holds, so the other one is switched off.
arguments = ["--config=sandbox_mode=\"danger-full-access\""]

filesystem {
  # What it keeps from one session to the next.
  write = ["~/.codex"]

  # Its login, which is denied to everything else. The agent needs it to work, and whatever it starts can read it, too.
  lift = ["~/.codex/auth.json"]

  # Codex writes down there which directories you trust, and would not start in a new one. But it also says which programs Codex runs:
  # the end of a run tells when it was changed.
  report = ["~/.codex/config.toml"]

  # Started outside, Codex runs what these say. To let the agent change one of them, grant it: --write ~/.codex/hooks.json.
  protect = [
    "~/.codex/hooks.json",
    "~/.codex/rules/",
    "~/.codex/prompts/",
    "~/.codex/skills/",
    "~/.codex/plugins/",
    "~/.codex/AGENTS.md",
    "~/.codex/packages/",
  ]
}

network {
  # Its model, by a key or by an account, and where it logs in. What is sent there its provider has.
  allow = [
    "api.openai.com:443",
    "chatgpt.com:443",
    "auth.openai.com:443",
  ]
}
