"""One replica less for some seconds, then as many as before."""

from deploy.disruptable import CanScale
from deploy.disruptions._disruption import TARGETS, Disruption, Scene


def inject(target: CanScale, scene: Scene) -> None:
    """Scale down by one (to none, if there is only one), wait, scale up again."""
    before = target.wanted
    scene.tell(f"scaled from {before} to {before - 1}", "")
    target.scale(before - 1)
    scene.wait(scene.values["down"])
    scene.tell(f"scaled back to {before}", "")
    target.scale(before)


def undo(target: CanScale) -> None:
    """Scale up again, if that was cut short."""
    target.scale_back()


DISRUPTION = Disruption(
    summary="one replica less for a while, then as many as before",
    needs=CanScale,
    inject=inject,
    undo=undo,
    targets=TARGETS,
    goal=lambda values: "none lost",
    parameters={"down": 5.0},
    help="down: seconds with one less",
)
