"""Something else wants the processors of a replica."""

from deploy.disruptable import CanStress
from deploy.disruptions._disruption import Disruption, Scene


def inject(target: CanStress, scene: Scene) -> None:
    """As many busy loops as the replica's place has cores, for some seconds."""
    replica = scene.victim(target)
    scene.tell(f"busy loops for {scene.values['for']:g} s", replica)
    target.stress(replica)
    scene.wait(scene.values["for"])


def undo(target: CanStress) -> None:
    """End the busy loops."""
    target.unstress()


DISRUPTION = Disruption(
    summary="busy loops compete with one replica for its processors",
    needs=CanStress,
    inject=inject,
    undo=undo,
    targets=("local", "docker", "k3s"),
    goal=lambda values: "no goal",
    parameters={"for": 5.0},
    help="for: seconds of stress",
)
