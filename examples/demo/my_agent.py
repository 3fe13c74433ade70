"""A small agent that does its work, and then tries what it should not.

demo.py runs it twice: without a sandbox, to show that each thing can be done at all, and by `nono run -c agent.hcl`. It needs
nothing but Python's standard library. It reads what it is to try from .demo/task.json in its project, and writes what it could
do to .demo/FILE, the file named in its only argument; without one it prints a table and compares.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parent
STATE = PROJECT / ".demo"


def works_in_project(task):
    """write a file in its project, and read it back"""
    note = STATE / "note.txt"
    note.write_text("done\n")
    return note.read_text() == "done\n"


def runs_programs(task):
    """run another program"""
    return subprocess.run(["sh", "-c", "exit 7"], check=False).returncode == 7


def uses_tmp(task):
    """use a temporary file"""
    import tempfile

    with tempfile.TemporaryFile() as file:
        return file.write(b"scratch") == 7


def lists_ssh(task):
    """list ~/.ssh"""
    os.listdir(os.path.join(task["home"], ".ssh"))
    return True


def reads_home(task):
    """read a file in the home directory"""
    return task["canary"] in pathlib.Path(task["canary_file"]).read_text()


def changes_home(task):
    """change that file"""
    with open(task["canary_file"], "r+", encoding="utf-8") as file:
        file.write("x")
    return True


def lists_home(task):
    """see what else is in the home directory"""
    return os.path.basename(task["canary_file"]) in os.listdir(task["home"])


def inherits_secret(task):
    """find a key in its own environment"""
    return task["secret_name"] in os.environ


def reads_environ(task):
    """read its parent's environment"""
    for environ in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if task["secret_name"].encode() + b"=" in environ.read_bytes():
                return True
        except OSError:
            pass  # someone else's, or gone
    return False


def sees_processes(task):
    """see other processes"""
    for cmdline in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if task["marker"].encode() in cmdline.read_bytes():
                return True
        except OSError:
            pass
    return False


def signals_processes(task):
    """send a signal to another process"""
    os.kill(task["other_pid"], signal.SIGUSR1)
    return True


def connects_tcp(task):
    """connect to a server on this machine (TCP)"""
    with socket.create_connection(("127.0.0.1", task["tcp"]), timeout=5) as s:
        s.sendall(b"agent")
    return True


def sends_udp(task):
    """send to a server on this machine (UDP)"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect(("127.0.0.1", task["udp"]))
        s.send(b"agent")
        return s.recv(16) == b"heard"  # sending alone proves nothing


def connects_unix(task):
    """connect to a server on this machine (Unix socket)"""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("\0" + task["abstract"])
    return True


# What the agent tries, and whether it should be able to in the sandbox.
TRIALS = [
    (works_in_project, True),
    (runs_programs, True),
    (uses_tmp, True),
    (lists_ssh, False),
    (reads_home, False),
    (changes_home, False),
    (lists_home, False),
    (inherits_secret, False),
    (reads_environ, False),
    (sees_processes, False),
    (signals_processes, False),
    (connects_tcp, False),
    (sends_udp, False),
    (connects_unix, False),
]


def not_held(task):
    """Return what a host without user namespaces (tier B) cannot keep from the agent, as nono's line at the start says."""
    if "NONO_SESSION_FILE" not in os.environ:  # by which a session is told of itself there
        return []
    return [sees_processes] if task["signals_kept_in_b"] else [sees_processes, signals_processes]


def attempt(trial, task):
    """Return whether it worked, and a few words where it did not."""
    try:
        return bool(trial(task)), "nothing there"
    except OSError as error:
        return False, error.strerror or type(error).__name__


def main():
    task = json.loads((STATE / "task.json").read_text())
    results = {trial.__name__: attempt(trial, task) for trial, _ in TRIALS}
    if len(sys.argv) > 1:
        (STATE / sys.argv[1]).write_text(json.dumps(results))
        return 0

    without = json.loads((STATE / "without.json").read_text())
    width = max(len(trial.__doc__) for trial, _ in TRIALS)
    print(f"{'':{width}}  without nono  with nono")
    held = True
    for trial, should in TRIALS:
        name = trial.__name__
        could, why = results[name]
        before, _ = without[name]
        verdict = "yes" if could else f"no: {why}"
        if could and trial in not_held(task):
            verdict += "   <-- tier B"
        elif could != should:
            held = False
            verdict += "   <-- this should not be"
        print(f"{trial.__doc__:{width}}  {'yes' if before else '-':12}  {verdict}")
    print()
    print("the agent could do its work, and nothing else" if held else "THE SANDBOX DID NOT HOLD")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
