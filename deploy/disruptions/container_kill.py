"""The server process of a replica dies (SIGKILL), and nobody was told before."""

from deploy.disruptable import CanKill
from deploy.disruptions._disruption import TARGETS, Disruption, Scene, nothing


def inject(target: CanKill, scene: Scene) -> None:
    """Kill the process of a random replica; the target starts it again."""
    replica = scene.victim(target)
    scene.tell("killed with SIGKILL", replica)
    target.kill(replica)


DISRUPTION = Disruption(
    summary="the process of one replica is killed, and restarted",
    needs=CanKill,
    inject=inject,
    undo=nothing,
    targets=TARGETS,
    # Until the death is noticed requests still go there: more than those in flight are lost.
    goal=lambda values: "no goal",
    parameters={},
)
