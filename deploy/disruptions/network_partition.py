"""The network between clients and one replica is cut, while its probes still succeed."""

from deploy.disruptable import CanCut
from deploy.disruptions._disruption import Disruption, Scene


def inject(target: CanCut, scene: Scene) -> None:
    """Hold back every byte to and from a random replica, for some seconds."""
    replica = scene.victim(target)
    scene.tell(f"cut off for {scene.values['for']:g} s", replica)
    target.cut(replica)
    scene.wait(scene.values["for"])


def undo(target: CanCut) -> None:
    """Let the bytes pass; those that were held back arrive late, as TCP would repeat them."""
    target.mend()


DISRUPTION = Disruption(
    summary="no byte passes between clients and one replica",
    needs=CanCut,
    inject=inject,
    undo=undo,
    targets=("local", "docker"),
    goal=lambda values: "no goal",
    parameters={"for": 3.0},
    help="for: seconds of the cut",
)
