"""Looks for keys in all that a program can read here: every file, and the environment and the memory of every process. Prints where it
found one, as JSON. The pattern is given in two halves, so that this program has no text that matches it."""

import json
import os
import re
import sys

PATTERN = re.compile("".join(sys.argv[1:3]).encode())
MOST = 64 << 20  # of one file, or of one mapping

found = []


def look(path):
    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                if PATTERN.search(file.read(MOST)):
                    found.append(path)
    except OSError:
        pass


def look_in_memory(process):
    try:
        with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb") as memory:
            for line in maps:
                begin, end = (int(number, 16) for number in line.split()[0].split("-"))
                try:
                    memory.seek(begin)
                    if PATTERN.search(memory.read(min(end - begin, MOST))):
                        found.append(f"/proc/{process}/mem")
                        return
                except (OSError, ValueError, OverflowError):
                    pass  # a mapping that nobody can read
    except OSError:
        pass


for top, directories, files in os.walk("/"):
    if top in ("/usr", "/lib", "/sys", "/bin", "/sbin", "/lib64"):
        directories[:] = []  # the system's own programs
        continue
    for name in files:
        look(os.path.join(top, name))
for process in filter(str.isdigit, os.listdir("/proc")):
    look_in_memory(process)
json.dump({"found": found, "environment": dict(os.environ)}, sys.stdout)
