"""A replica is deleted, as `kubectl delete pod` does: with its own grace, another, or at once."""

from deploy.disruptable import CanDelete
from deploy.disruptions._disruption import TARGETS, Disruption, Goal, Scene, Values, nothing


def inject(target: CanDelete, scene: Scene) -> None:
    """Delete a random replica; the target puts another in its place."""
    replica = scene.victim(target)
    grace_s = scene.values.get("grace")
    grace = "its own" if grace_s is None else f"{grace_s:g} s of"
    scene.tell(f"deleted with {grace} grace", replica)
    target.delete(replica, grace_s)


def goal(values: Values) -> Goal:
    """With grace a replica can finish what it began."""
    return "only those in flight" if values.get("grace") == 0 else "none lost"


DISRUPTION = Disruption(
    summary="one replica is deleted, and replaced",
    needs=CanDelete,
    inject=inject,
    undo=nothing,
    targets=TARGETS,
    goal=goal,
    parameters={},
    optional=("grace",),
    help="grace: seconds until it is killed; left out, those that it was deployed with",
)
