"""A filesystem layer for nono: each place of the request becomes a mount.

It does what nono's own test layer binds does, from the documentation alone: docs/layers.md for what
a layer owes, layer.proto for the messages.
"""

from nono.layer.v1 import layer_pb2 as pb
from nono.layer.v1 import layer_pb2_grpc as rpc

from pybinds.serve import serve


class Binds(rpc.LayerServicer):
    """Says what the agent sees; nono-init mounts it."""

    def Describe(self, request, context):
        return pb.DescribeResponse(
            name="acme/pybinds",
            version="1.0.0",
            build="python",
            kind=pb.KIND_FILESYSTEM,
            lifetime=pb.LIFETIME_EPHEMERAL,
            pure=True,
        )

    def Plan(self, request, context):
        view = request.places
        answer = pb.PlanResponse()
        for place in view.places:
            answer.steps.append(mount(place))
        for link in view.links:
            answer.steps.append(
                pb.Step(rule=link.rule, link=pb.Link(path=link.path, target=link.target))
            )
        for rule in view.rules:
            answer.coverage.append(covered(rule))
        return answer


def mount(place):
    """The one mount that shows what a place shows."""
    step = pb.Step(rule=place.rule)
    if place.shows == pb.SHOWS_HOST:
        step.bind.CopyFrom(
            pb.Bind(
                path=place.path,
                writable=place.rights.write,
                no_exec=not place.rights.execute,
                devices=place.devices,
                device=place.device,
                inode=place.inode,
            )
        )
    elif place.shows == pb.SHOWS_PRIVATE:
        step.tmpfs.CopyFrom(
            pb.Tmpfs(path=place.path, size=1 << 30, mode=place.mode, report=place.report)
        )
    elif place.shows == pb.SHOWS_EMPTY:
        step.tmpfs.CopyFrom(pb.Tmpfs(path=place.path, size=4096, mode=0o555))
    elif place.shows == pb.SHOWS_HIDDEN:
        directory = place.type == pb.FILE_TYPE_DIRECTORY
        step.mask.CopyFrom(pb.Mask(path=place.path, directory=directory, readable=place.readable))
    else:
        raise ValueError(f"a place that shows {place.shows}, which this layer does not know")
    return step


def covered(rule):
    """How a rule is held: a mount holds or the run does not start."""
    if getattr(rule, "is") == pb.STANDING_KEPT:
        why = "every session has its own " + rule.path.decode(errors="backslashreplace")
        return pb.Coverage(rule=rule.rule, held=pb.HELD_UNAVAILABLE, why=why)
    return pb.Coverage(rule=rule.rule, held=pb.HELD_ENFORCED, by="mounts")


def main():
    serve(Binds())
