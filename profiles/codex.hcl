# Codex, OpenAI's agent: its settings and its sessions.
#
#   nono run --profile codex --allow-cwd -- codex
#
# Install it first, and start it once outside, so that ~/.codex is there: what does not exist cannot be granted.

extends = ["terminal"]

# Codex has a sandbox of its own, which needs what nono's refuses to everything inside. nono's holds, so the other one is switched off.
arguments = ["--config=sandbox_mode=\"danger-full-access\""]

credential "openai" {
  # Codex works with a stand-in for your key. It reads no variable for where to send requests, and takes a key from one only where its
  # settings name that: so they say both.
  arguments = [
    "--config=model_provider=\"nono\"",
    "--config=model_providers.nono={name=\"OpenAI\",base_url=\"{{base_url}}\",env_key=\"OPENAI_API_KEY\",wire_api=\"responses\"}",
  ]

  # With an account and no key it works by its own login. That is inside then, and whatever the agent starts can read it and send it on.
  fallback {
    filesystem {
      # It writes a new token there from time to time.
      write = ["~/.codex/auth.json"]
      lift  = ["~/.codex/auth.json"]
    }
    network {
      # Its model, by a key or by an account, and where it logs in.
      allow = [
        "api.openai.com:443",
        "chatgpt.com:443",
        "auth.openai.com:443",
      ]
    }
  }
}

filesystem {
  # What it keeps from one session to the next.
  write = ["~/.codex"]

  # Where the login cannot be hidden in it, the agent has another directory in its place.
  movable = { CODEX_HOME = "~/.codex" }

  # Codex writes down there which directories you trust, and would not start in a new one. But it also says which programs Codex runs:
  # the end of a run tells when it was changed.
  report = ["~/.codex/config.toml"]

  # Started outside, Codex runs what these say. To let the agent change one of them, grant it: --write ~/.codex/hooks.json.
  protect = [
    "~/.codex/hooks.json",
    "~/.codex/.env",              # variables for Codex: PATH, and where a key is sent
    "~/.codex/environments.toml", # programs that run its commands
    "~/.codex/rules/",
    "~/.codex/prompts/",
    "~/.codex/skills/",
    "~/.codex/plugins/",
    "~/.codex/agents/",
    "~/.codex/AGENTS.md",
    "~/.codex/AGENTS.override.md", # which is read in its place
    "~/.codex/packages/",
    "~/.codex/shell_snapshots/", # read by a shell before each command, of a session outside too
  ]
}
