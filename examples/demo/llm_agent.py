"""A small agent that asks a model by OpenAI's own client, and takes its key along.

keys.py runs it twice: with a key, and by `nono run --credential`. It is written as for the provider itself, and knows nothing of nono. What
it has is on its standard output, as JSON; then it waits for the end of its input, so that what it took along can be tried while it runs.
With a key as its argument it tries that one instead.
"""

import json
import os
import sys
import urllib.error
import urllib.request

ASKED = [{"role": "user", "content": "Which key do I have?"}]


def status(url, key, **headers):
    """Return what a service answers to whoever has this."""
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + key, **headers})
    try:
        return urllib.request.urlopen(request, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code


def main():
    key, base = os.environ["OPENAI_API_KEY"], os.environ["OPENAI_BASE_URL"]
    if len(sys.argv) > 1:
        json.dump({"status": status(base + "/models", sys.argv[1])}, sys.stdout)
        return
    import openai  # what tries a stolen key does without

    client = openai.OpenAI()
    answer = client.chat.completions.create(model="stand-in", messages=ASKED)
    stream = client.chat.completions.create(model="stand-in", messages=ASKED, stream=True)
    found = {
        "answer": answer.choices[0].message.content,
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in stream),
        "at_another_service": status(
            os.environ["ANTHROPIC_BASE_URL"] + "/v1/models", key, **{"anthropic-version": "2023-06-01"}
        ),
        "key": key,
        "base": base,
    }
    print(json.dumps(found), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
