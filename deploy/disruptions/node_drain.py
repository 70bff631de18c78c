"""A node is closed and emptied, as before its maintenance, and opened again."""

from deploy.disruptable import CanDrain
from deploy.disruptions._disruption import Disruption, Scene


def inject(target: CanDrain, scene: Scene) -> None:
    """Drain the node of a random replica, keep it closed for some seconds.

    On a single node nothing can move elsewhere: the disruption budget keeps the last replicas, or
    the new ones wait until the node is open again.
    """
    replica = scene.victim(target)
    scene.tell(f"node drained, closed for {scene.values['for']:g} s", replica)
    target.drain(replica)
    scene.wait(scene.values["for"])


def undo(target: CanDrain) -> None:
    """Open the node."""
    target.uncordon()


DISRUPTION = Disruption(
    summary="the node of one replica is drained, and opened again",
    needs=CanDrain,
    inject=inject,
    undo=undo,
    targets=("k3s",),
    goal=lambda values: "no goal",
    parameters={"for": 5.0},
    help="for: seconds that the node stays closed",
)
