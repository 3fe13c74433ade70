"""What a layer owes its host when it is not written in Go: "In another language" of docs/layers.md."""

import os
import socket
import sys
import threading
from concurrent import futures

import grpc
from nono.layer.v1 import layer_pb2_grpc as rpc

MAX_MESSAGE = 4 << 20


def serve(layer):
    """Serves one layer until the host is done with it, and does not return."""
    if os.environ.get("NONO_LAYER") != "nono.layer.v1":
        sys.exit("this program is a layer of nono: `nono run` starts it, it does nothing by itself")
    follow_lifeline(int(os.environ["NONO_LIFELINE"]))

    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=options)
    rpc.add_LayerServicer_to_server(layer, server)
    # grpcio cannot ask the kernel who connects. The directory is this layer's alone, and the host
    # takes the socket's name away as soon as it has connected.
    path = os.path.join(os.environ["PLUGIN_UNIX_SOCKET_DIR"], "layer")
    server.add_insecure_port("unix:" + path)
    server.start()
    print(f"1|1|unix|{path}|grpc", flush=True)
    server.wait_for_termination()


def follow_lifeline(fd):
    """Ends this process as soon as the host is gone, or is done with it."""
    os.set_inheritable(fd, False)
    line = socket.socket(fileno=fd)

    def wait():
        while line.recv(4096):
            pass  # descriptors are for layers that listen or dial
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
