# What a developer's agent needs: language models, packages, source code and documentation.
#
#   nono run --allow-cwd --network-profile developer -- claude
#
# Where packages come from your own package managers say (npm, go, pip, cargo, Maven). They are asked once, and again when one of their
# settings changes; what they said is told then.

network {
  groups = ["llm", "packages", "github", "gitlab", "docs", "sigstore"]
}
