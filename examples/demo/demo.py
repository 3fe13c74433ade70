"""The host's side of `make demo`: sets the scene, runs the agent without nono and with it, and checks from outside what happened.

The scene is harmless and gone afterwards: one canary file in the home directory, servers on the loopback that nobody else
uses, a sleeping process, and a made-up key in the environment. Nothing of yours is opened, and nothing leaves the machine.
"""

import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
STATE = HERE / ".demo"
SECRET_NAME = "DEMO_API_KEY"

# Where there are no user namespaces (tier B), Linux keeps an agent's signals within since this version.
KEEPS_SIGNALS = (6, 12)

# What the run without nono has to show, or the run with it proves nothing. ~/.ssh may not exist.
CONTROLS_THAT_MAY_FAIL = {"lists_ssh"}


class Servers:
    """Three servers on this machine that count who came."""

    def __init__(self):
        self.visits = 0
        self.abstract = "nono-demo-" + secrets.token_hex(8)
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind("\0" + self.abstract)
        self.unix.listen()
        for serve in (self._accept(self.tcp), self._accept(self.unix), self._answer):
            threading.Thread(target=serve, daemon=True).start()

    def _accept(self, listener):
        def serve():
            while True:
                connection, _ = listener.accept()
                self.visits += 1
                connection.close()

        return serve

    def _answer(self):
        while True:
            _, sender = self.udp.recvfrom(16)
            self.visits += 1
            self.udp.sendto(b"heard", sender)


@contextlib.contextmanager
def canary_file(home, canary):
    descriptor, path = tempfile.mkstemp(prefix=".nono-demo-", dir=home)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(canary)
        yield path
    finally:
        os.unlink(path)


@contextlib.contextmanager
def other_process(marker):
    """A process of the user's that is not the agent's, and dies of the signal that the agent tries to send."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", marker])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(command, **options):
    print("$", os.path.basename(command[0]), *command[1:], flush=True)
    environment = dict(os.environ, **{SECRET_NAME: "sk-demo-" + secrets.token_hex(16)})
    return subprocess.run(command, cwd=HERE, env=environment, check=False, **options).returncode


def eventually(happens):
    for _ in range(1000):
        if happens():
            return
        time.sleep(0.01)


def kernel():
    """The version of Linux, such as (6, 12)."""
    return tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2])


def main():
    if not shutil.which("nono"):
        print("demo: nono is not in PATH: run `make demo` in the repository", file=sys.stderr)
        return 2
    home = os.path.expanduser("~")
    canary, marker = secrets.token_hex(16), "nono-demo-" + secrets.token_hex(8)
    servers = Servers()
    STATE.mkdir(exist_ok=True)
    with canary_file(home, canary) as path:
        task = {
            "home": home,
            "canary": canary,
            "canary_file": path,
            "secret_name": SECRET_NAME,
            "marker": marker,
            "tcp": servers.tcp.getsockname()[1],
            "udp": servers.udp.getsockname()[1],
            "abstract": servers.abstract,
            "signals_kept_in_b": kernel() >= KEEPS_SIGNALS,
        }

        with other_process(marker) as other:
            task["other_pid"] = other.pid
            (STATE / "task.json").write_text(json.dumps(task))
            if run([sys.executable, "my_agent.py", "without.json"]) != 0:
                print("demo: the agent failed without nono", file=sys.stderr)
                return 2
            # The servers and the process are told by now, and may not have got round to it.
            eventually(lambda: servers.visits == 3 and other.poll() is not None)
        without = json.loads((STATE / "without.json").read_text())
        impossible = [n for n, (could, _) in without.items() if not could and n not in CONTROLS_THAT_MAY_FAIL]
        if impossible or servers.visits != 3 or other.returncode != -signal.SIGUSR1:
            print("demo: without nono the agent should have managed all, but did not:", impossible, file=sys.stderr)
            return 2

        pathlib.Path(path).write_text(canary)
        servers.visits = 0
        with other_process(marker) as other:
            task["other_pid"] = other.pid
            (STATE / "task.json").write_text(json.dumps(task))
            code = run(["nono", "run", "-c", "agent.hcl"])
            touched = []
            if servers.visits:
                touched.append("a server")
            if pathlib.Path(path).read_text() != canary:
                touched.append("the home directory")
            if other.poll() is not None:
                touched.append("another process")
    print("seen from outside:", "the agent reached " + " and ".join(touched) if touched else "nothing was touched")
    # The agent has failed if it could signal and should not be able to; see not_held there.
    expected = [] if task["signals_kept_in_b"] else ["another process"]
    return code or (1 if set(touched) - set(expected) else 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(STATE, ignore_errors=True)
