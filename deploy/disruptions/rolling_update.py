"""Every replica is replaced by a new one, as when a new version is rolled out."""

from deploy.disruptable import CanRoll
from deploy.disruptions._disruption import TARGETS, Disruption, Scene, nothing


def inject(target: CanRoll, scene: Scene) -> None:
    """Roll to the same Bento: one more (maxSurge 1), never one less (maxUnavailable 0)."""
    scene.tell("rolling update", "")
    target.roll()


DISRUPTION = Disruption(
    summary="all replicas are replaced, one after the other",
    needs=CanRoll,
    inject=inject,
    undo=nothing,
    targets=TARGETS,
    goal=lambda values: "none lost",
    parameters={},
)
