"""Sends bytes to a service as they are given, and prints what comes back.

The arguments are JSON: the service, and the pieces of what is sent, each in a packet of its own. {TOKEN} is what the environment has for
the service's key, {FIRST} and {REST} are it in two, {HOST} and {BASE} are of its base URL, outside as inside. The answers are a list in
JSON, each byte a character.
"""

import json
import os
import socket
import ssl
import sys
import urllib.parse


def send(service, pieces):
    name = service.upper()
    base = urllib.parse.urlsplit(os.environ[name + "_BASE_URL"])
    token = os.environ[name + "_API_KEY"]
    fill = {"{TOKEN}": token, "{FIRST}": token[:9], "{REST}": token[9:], "{HOST}": base.netloc, "{BASE}": base.path}
    connection = socket.create_connection((base.hostname, base.port or 443), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if base.scheme == "https":
        connection = ssl.create_default_context().wrap_socket(connection, server_hostname=base.hostname)
    answer = b""
    try:
        for piece in pieces:
            for word, value in fill.items():
                piece = piece.replace(word, value)
            connection.sendall(piece.encode("latin-1"))
        while part := connection.recv(1 << 16):
            answer += part
    except OSError as e:
        answer += f"\n(the connection ended: {type(e).__name__})".encode()
    connection.close()
    return answer.decode("latin-1")


json.dump([send(*json.loads(one)) for one in sys.argv[1:]], sys.stdout)
