"""The network between clients and one replica is slow: each request to it takes longer."""

from deploy.disruptable import CanSlow
from deploy.disruptions._disruption import Disruption, Scene


def inject(target: CanSlow, scene: Scene) -> None:
    """Add some milliseconds to each request to a random replica, for some seconds."""
    replica = scene.victim(target)
    added_ms, for_s = scene.values["ms"], scene.values["for"]
    scene.tell(f"slower by {added_ms:g} ms for {for_s:g} s", replica)
    target.slow(replica, added_ms / 1000)
    scene.wait(for_s)


def undo(target: CanSlow) -> None:
    """As fast as before; what is on its way still arrives late."""
    target.unslow()


DISRUPTION = Disruption(
    summary="requests to one replica are delayed on their way",
    needs=CanSlow,
    inject=inject,
    undo=undo,
    targets=("local", "docker"),
    goal=lambda values: "no goal",
    parameters={"ms": 200.0, "for": 3.0},
    help="ms: milliseconds added to each request; for: seconds of it",
)
