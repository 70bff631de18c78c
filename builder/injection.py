"""A fault at a planned time of a run, told with the times at which it really happened.

Shortly before, the generator is asked for the requests so far: nothing is injected into a system
that is not in its steady state.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.gates import Gate
from analysis.records import Records
from deploy.child import Child
from deploy.disruptable import NotSettled
from deploy.disruptions._disruption import Experiment, Scene
from loadtests._recorder import began_path_of, read_so_far, so_far_path_of
from variants._errors import OptbuildError

POLL_S = 0.01
LOOK_S = 0.3  # before the fault: the time to write the rows so far, to read and to judge them
SHOWN_WITHIN_S = 1.0
BEGIN_WITHIN_S = 60.0


@dataclass(frozen=True)
class FaultEvent:
    """Something that was done to the target; `at_s` on CLOCK_MONOTONIC."""

    at_s: float
    what: str  # "injected", then "step" for what follows, at last "ended" or "failed"
    replica: str
    detail: str


Judge = Callable[[Records, float], tuple[Gate, ...]]  # the rows so far, at which time of theirs


@dataclass
class Injection:
    """Does an experiment to a target, `at_s` seconds after the schedule's origin.

    Not if `judge` finds that the requests until then fail a gate: `unsteady` has those gates.
    Whatever ends it (an error, Ctrl-C, SIGTERM), what it did is undone.
    """

    experiment: Experiment
    target: Any  # offers what the experiment needs
    at_s: float
    rng: np.random.Generator
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    judge: Judge = lambda records, at_s: ()
    events: list[FaultEvent] = field(default_factory=list)
    unsteady: tuple[Gate, ...] = ()

    def during(self, records: Path) -> Callable[[Child], None]:
        """What to do while a load generator writes to `records`."""

        def meanwhile(generator: Child) -> None:
            origin_s = self._origin(began_path_of(records), generator)
            if origin_s is None:
                return
            due_s = origin_s + self.at_s
            self._wait_until(due_s - LOOK_S, generator)
            self.unsteady = self._look(so_far_path_of(records), generator, origin_s)
            self._wait_until(due_s, generator)
            if not self.unsteady and generator.process.poll() is None:
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

    def _wait_until(self, at_s: float, generator: Child) -> None:
        """Until then, or until the generator has ended: whoever waits for it finds out why."""
        while (left_s := at_s - self.clock()) > 0 and generator.process.poll() is None:
            self.wait(min(left_s, 0.2))

    def _look(self, path: Path, generator: Child, origin_s: float) -> tuple[Gate, ...]:
        """The gates that the requests so far fail; one of its own if they are not to be seen."""
        asked_s = self.clock()
        generator.process.send_signal(signal.SIGUSR1)
        while not path.exists():  # it is renamed to that when it is complete
            if generator.process.poll() is not None:
                return ()
            if (waited_s := self.clock() - asked_s) > SHOWN_WITHIN_S:
                return (Gate("requests so far shown", waited_s, SHOWN_WITHIN_S, "s", False),)
            self.wait(POLL_S)
        gates = self.judge(read_so_far(path), asked_s - origin_s)
        return tuple(gate for gate in gates if not gate.passed)

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
