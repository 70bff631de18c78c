"""Replicas of a Bento as processes of this machine."""

import os
from collections.abc import Callable
from pathlib import Path

from deploy.child import Child
from deploy.fleet import Fleet
from deploy.replica import Replica

BURN = "while True: pass"


class LocalFleet(Fleet):
    """A fleet of processes, for trying disruptions out where there is no container engine.

    The replicas share the machine without limits: a second one adds no capacity, and a busy loop
    anywhere disturbs all of them.
    """

    def __init__(self, make: Callable[[str], Replica], count: int, log: Path) -> None:
        super().__init__(make, count, log)
        self._burners: list[Child] = []

    def __exit__(self, *exception: object) -> None:
        """End the busy loops, then the fleet."""
        self.unstress()
        super().__exit__(*exception)

    def stress(self, replica: str) -> None:
        """A busy loop for each core, with the same right to it as the servers."""
        self.find(replica)
        for number in range(len(os.sched_getaffinity(0))):
            log = self._log.with_name(f"{self._log.stem}.burner{number}.log")
            burner = Child(["-c", BURN], log, background=True)
            self._burners.append(burner)
            burner.yield_sessions()

    def unstress(self) -> None:
        """End the busy loops."""
        while self._burners:
            self._burners.pop().stop()
