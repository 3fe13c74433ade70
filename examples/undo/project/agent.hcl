# This agent may work in the directory of this file. What stands there is recorded before it starts, so that all it does
# can be seen and undone.

command = ["python3", "agent.py"]

filesystem {
  allow = ["."]
}

snapshot {
  exclude = ["*.tmp"] # that these changed is told, and not undone
}
