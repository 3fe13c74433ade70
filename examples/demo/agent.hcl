# What this agent may do, and nothing else: work in the directory of this file. The system's programs and libraries
# are always there; a network, the home directory and other processes are not.

command = ["python3", "my_agent.py"]

filesystem {
  allow = ["."]
}
