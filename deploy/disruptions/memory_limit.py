"""A replica runs out of memory, and the kernel kills its server (OOM kill)."""

from deploy.disruptable import CanExhaust
from deploy.disruptions._disruption import Disruption, Scene


def inject(target: CanExhaust, scene: Scene) -> None:
    """Fill what the memory limit of a random replica leaves to it.

    An engine lowers the limit to little above the replica's use first; a cluster leaves it.
    """
    replica = scene.victim(target)
    scene.tell("memory filled to the limit", replica)
    target.exhaust_memory(replica)


def undo(target: CanExhaust) -> None:
    """Give the limit back; a container that was started again has it already."""
    target.restore_memory()


DISRUPTION = Disruption(
    summary="one replica runs out of memory and is killed by the kernel",
    needs=CanExhaust,
    inject=inject,
    undo=undo,
    targets=("docker", "k3s"),
    goal=lambda values: "no goal",
    parameters={},
)
