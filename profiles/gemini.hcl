# Gemini CLI, Google's agent: its settings and its sessions.
#
#   nono run --profile gemini --allow-cwd -- gemini
#
# Install it first, and start it once outside, so that ~/.gemini is there: what does not exist cannot be granted.

extends = ["terminal"]

filesystem {
  # What it keeps from one session to the next.
  write = ["~/.gemini"]

  # Its login, which is denied to everything else. The agent needs it to work, and whatever it starts can read it, too.
  lift = ["~/.gemini/oauth_creds.json"]

  # Started outside, Gemini CLI runs what these say, or obeys them. To let the agent change one of them, grant it:
  # --write ~/.gemini/settings.json.
  protect = [
    "~/.gemini/settings.json",
    "~/.gemini/.env",
    "~/.gemini/trustedFolders.json",
    "~/.gemini/extensions/",
    "~/.gemini/commands/",
    "~/.gemini/policies/",
    "~/.gemini/skills/",
    "~/.gemini/agents/",
    "~/.gemini/GEMINI.md",
  ]
}

network {
  # Its model, by a key or by an account, and where its login is renewed. What is sent there its provider has.
  allow = [
    "generativelanguage.googleapis.com:443",
    "cloudcode-pa.googleapis.com:443",
    "oauth2.googleapis.com:443",
  ]
}

environment {
  # It has a sandbox of its own, a container, which cannot be started inside. nono's holds.
  set = { GEMINI_SANDBOX = "false" }
}
