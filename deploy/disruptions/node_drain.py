"""A node is closed and emptied, as before its maintenance, and opened again."""

from deploy.disruptable import CanDrain
from deploy.disruptions._disruption import Disruption, Scene

RETRY_S = 1.0


def inject(target: CanDrain, scene: Scene) -> None:
    """Drain the node of a random replica, keep it closed for some seconds.

    What the disruption budget keeps is tried again all the while, as `kubectl drain` does: it may
    go as soon as another replica is ready elsewhere. On a single node there is no elsewhere: the
    budget keeps the last replicas, and new ones wait until the node is open again.
    """
    replica = scene.victim(target)
    scene.tell(f"node drained, closed for {scene.values['for']:g} s", replica)
    target.drain(replica)
    left_s = scene.values["for"]
    while left_s > RETRY_S:
        scene.wait(RETRY_S)
        left_s -= RETRY_S
        target.drain_on()
    scene.wait(left_s)


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
