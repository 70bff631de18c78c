"""A fault at a planned time of a run, told with the times at which it really happened."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deploy.child import Child
from deploy.disruptable import NotSettled
from deploy.disruptions._disruption import Experiment, Scene
from loadtests._recorder import began_path_of
from variants._errors import OptbuildError

POLL_S = 0.01
BEGIN_WITHIN_S = 60.0


@dataclass(frozen=True)
class FaultEvent:
    """Something that was done to the target; `at_s` on CLOCK_MONOTONIC."""

    at_s: float
    what: str  # "injected", then "step" for what follows, at last "ended" or "failed"
    replica: str
    detail: str


@dataclass
class Injection:
    """Does an experiment to a target, `at_s` seconds after the schedule's origin.

    Whatever ends it (an error, Ctrl-C, SIGTERM), what it did is undone.
    """

    experiment: Experiment
    target: Any  # offers what the experiment needs
    at_s: float
    rng: np.random.Generator
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    events: list[FaultEvent] = field(default_factory=list)

    def during(self, records: Path) -> Callable[[Child], None]:
        """What to do while a load generator writes to `records`."""

        def meanwhile(generator: Child) -> None:
            origin_s = self._origin(began_path_of(records), generator)
            if origin_s is None:
                return
            while (left_s := origin_s + self.at_s - self.clock()) > 0:
                if generator.process.poll() is not None:
                    return  # whoever waits for it finds out why
                self.wait(min(left_s, 0.2))
            self.inject()

        return meanwhile

    def inject(self) -> None:
        """Do it now; return when it is over and undone.

        A target that does not get over it is a result: the last event is then `failed`.
        """
        disruption = self.experiment.disruption
        scene = Scene(self.experiment.values, self.rng, self._tell, self.wait)
        try:
            disruption.inject(self.target, scene)
            ending = ("ended", "")
        except NotSettled as error:
            ending = ("failed", str(error))
        finally:
            disruption.undo(self.target)
        self.events.append(FaultEvent(self.clock(), ending[0], "", ending[1]))

    def _tell(self, detail: str, replica: str) -> None:
        what = "step" if self.events else "injected"
        self.events.append(FaultEvent(self.clock(), what, replica, detail))

    def _origin(self, path: Path, generator: Child) -> float | None:
        """CLOCK_MONOTONIC at the schedule's origin, once it is known; None if it never will be."""
        deadline_s = self.clock() + BEGIN_WITHIN_S
        while self.clock() < deadline_s:
            if path.exists() and (text := path.read_text(encoding="ascii")).endswith("\n"):
                return float(text)
            if generator.process.poll() is not None:
                return None  # whoever waits for it finds out why
            self.wait(POLL_S)
        raise OptbuildError(
            f"the load generator did not begin within {BEGIN_WITHIN_S:g} s: "
            f"{generator.last_words()}",
            exit_code=1,
        )
