"""A replica runs out of memory, and the kernel kills its server (OOM kill)."""

from deploy.disruptable import CanExhaust
from deploy.disruptions._disruption import Disruption, Scene


def inject(target: CanExhaust, scene: Scene) -> None:
    """Lower the memory limit of a random replica to little above its use, and fill the rest."""
    replica = scene.victim(target)
    scene.tell("memory limit lowered and filled", replica)
    target.exhaust_memory(replica)


def undo(target: CanExhaust) -> None:
    """Give the limit back; a container that was started again has it already."""
    target.restore_memory()


DISRUPTION = Disruption(
    summary="one replica runs out of memory and is killed by the kernel",
    needs=CanExhaust,
    inject=inject,
    undo=undo,
    targets=("docker",),
    goal=lambda values: "no goal",
    parameters={},
)
