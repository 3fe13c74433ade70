# Language models, and nothing else.
#
#   nono run --allow-cwd --network-profile minimal -- python my_agent.py

network {
  groups = ["llm"]
}
