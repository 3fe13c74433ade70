"""The host's side of the second half of `make demo`: what is a key worth that an agent took along?

`nono-testllm -- python3 keys.py PYTHON` runs it, with a provider that is a stand-in on this machine, and a key that opens nothing else. PYTHON
is one that has OpenAI's client. The agent is run with the key, and by nono with a token in its place; what it has then is tried where a thief
would try it.
"""

import json
import os
import subprocess
import sys
import urllib.error

sys.dont_write_bytecode = True  # nothing is left here
from llm_agent import status  # noqa: E402


def started(command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def lets_in(url, key):
    """Return whether a service lets in who has this, and a few words where it does not."""
    try:
        answer = status(url, key)
    except (urllib.error.URLError, OSError):
        return False, "nobody is there"
    return answer == 200, str(answer)


def tried(command, provider, key):
    """Run the agent, and try what it has: all rows of the table, each with whether it worked."""
    agent = started(command)
    line = agent.stdout.readline()
    if not line:
        sys.exit(f"demo: the agent ended with {agent.wait()}")
    found = json.loads(line)
    stolen = found["key"]
    rows = {
        "ask a model, by OpenAI's own client": ("You said" in found["answer"], "no answer"),
        "have the answer streamed": (found["streamed"] == found["answer"], "no answer"),
        "read the key": (stolen == key, "a token"),
        "with what it read, another program here is let in": lets_in(found["base"] + "/models", stolen),
        "... somebody elsewhere, by the provider": lets_in(provider + "/models", stolen),
        "... for another service of the session": (found["at_another_service"] == 200, str(found["at_another_service"])),
    }
    agent.stdin.close()
    code = agent.wait()
    if code != 0:
        sys.exit(f"demo: the agent ended with {code}")
    rows["... when the session is over"] = lets_in(provider + "/models", stolen)
    again = subprocess.run([*command, stolen], stdout=subprocess.PIPE, text=True, check=True)
    answer = json.loads(again.stdout)["status"]
    rows["... in the next session"] = (answer == 200, str(answer))
    return rows


# What an agent is for, and what a key of OpenAI's cannot do anyway.
WORK = 2
NOT_ANYWAY = {"... for another service of the session"}


def main():
    python = sys.argv[1]
    agent = [python, "llm_agent.py"]
    policy = os.environ["NONO_TESTLLM_POLICY"]
    provider, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
    inside = ["nono", "run", "-s", "-c", policy, "--approve", "--allow-cwd", "--", *agent]
    print("$ python llm_agent.py")
    without = tried(agent, provider, key)
    print(f"$ nono run -c {os.path.basename(policy)} --approve --allow-cwd -- python llm_agent.py", flush=True)
    within = tried(inside, provider, key)
    width = max(map(len, within))
    print(f"{'':{width}}  with its key  with nono")
    held = True
    for number, (name, (could, why)) in enumerate(within.items()):
        before, _ = without[name]
        should = number < WORK
        if not before and name not in NOT_ANYWAY:
            sys.exit(f"demo: with its key the agent should have managed to {name}, but did not")
        verdict = "yes" if could else f"no: {why}"
        if could != should:
            held = False
            verdict += "   <-- this should not be"
        print(f"{name:{width}}  {'yes' if before else '-':12}  {verdict}")
    print()
    print("the agent could do its work, and what it took along is worth nothing" if held else "THE LAYER DID NOT HOLD")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
