"""A replica is deleted, as `kubectl delete pod` does: with grace, or with `grace=0` at once."""

from deploy.disruptable import CanDelete
from deploy.disruptions._disruption import TARGETS, Disruption, Goal, Scene, Values, nothing


def inject(target: CanDelete, scene: Scene) -> None:
    """Delete a random replica; the target puts another in its place."""
    replica = scene.victim(target)
    grace_s = scene.values["grace"]
    scene.tell(f"deleted with {grace_s:g} s of grace", replica)
    target.delete(replica, grace_s)


def goal(values: Values) -> Goal:
    """With grace a replica can finish what it began."""
    return "none lost" if values["grace"] else "only those in flight"


DISRUPTION = Disruption(
    summary="one replica is deleted, and replaced",
    needs=CanDelete,
    inject=inject,
    undo=nothing,
    targets=TARGETS,
    goal=goal,
    parameters={"grace": 30.0},
    help="grace: seconds until it is killed",
)
