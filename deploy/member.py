"""A replica in a fleet: is it there, is it ready; one thread watches over each."""

import math
import threading
import time
from collections.abc import Callable
from typing import Literal

from deploy.disruptable import What
from deploy.local import answers_ready
from deploy.replica import Replica

PROBE_S = 0.25  # between two probes of readiness; Kubernetes probes once a second at most
PROBE_TIMEOUT_S = 1.0
UNREADY_AFTER = 3  # failed probes in a row
STUCK_AFTER_S = 10.0  # unready for so long after having been ready: killed, as by a liveness probe
RESTART_AFTER_S = (0.0, 10.0, 20.0, 40.0)  # kubelet's back-off, by the number of restarts so far

State = Literal["starting", "ready", "unready", "dead", "leaving", "gone"]
Tell = Callable[[str, What, str], None]  # replica, what, detail


class Member:
    """One replica and what is known of it. `changed` is called after each change of `state`.

    Only `start` starts a process: a process is tied to the thread that starts it, and the
    thread that watches does not live as long.
    """

    def __init__(self, replica: Replica, tell: Tell, changed: Callable[[], None]) -> None:
        self.replica = replica
        self.state: State = "starting"
        self.port = 0
        self.restarts = 0
        self.died_s = 0.0
        self._tell = tell
        self._changed = changed
        self._lock = threading.Lock()
        self._generation = 0
        self._told_of_kill = False

    @property
    def name(self) -> str:
        """Name of the replica."""
        return self.replica.name

    def start(self) -> None:
        """Start its process, for the first time or again, and watch over it."""
        again = self._generation > 0
        self.port = self.replica.start()
        self._generation += 1
        self._told_of_kill = False
        self._set(
            "starting", ("restarted" if again else "created", ""), before=("starting", "dead")
        )
        threading.Thread(target=self._watch, args=(self._generation,), daemon=True).start()

    def due(self, now_s: float) -> bool:
        """Whether it is dead and may be started again."""
        wait_s = RESTART_AFTER_S[min(self.restarts, len(RESTART_AFTER_S) - 1)]
        return self.state == "dead" and now_s >= self.died_s + wait_s

    def leave(self) -> bool:
        """From now on it gets no requests and is not started again; False if it is leaving."""
        return self._set("leaving", ("terminating", ""), before=_PRESENT)

    def kill(self, why: str) -> None:
        """SIGKILL, and tell of it before: no request can die of it earlier than that."""
        self._told_of_kill = True
        self._tell(self.name, "killed", why)
        self.replica.kill()

    def gone(self) -> None:
        """Its process has ended, and nothing is left of it."""
        self.replica.close()
        self._set("gone", ("gone", ""), before=("leaving",))

    def dismiss(self) -> None:
        """Nobody is to be told of it any more."""
        with self._lock:
            self.state = "gone"

    def _watch(self, generation: int) -> None:
        failed, ready_s = 0, math.inf
        while self._generation == generation and self.state in _PRESENT:
            if not self.replica.alive():
                self.died_s = time.monotonic()
                news: tuple[What, str] | None = (
                    None if self._told_of_kill else ("killed", "its process ended")
                )
                self._set("dead", news, before=_PRESENT)
                return
            if answers_ready("127.0.0.1", self.port, PROBE_TIMEOUT_S):
                failed, ready_s = 0, time.monotonic()
                self._set("ready", ("ready", ""), before=("starting", "unready"))
            else:
                failed += 1
                if failed >= UNREADY_AFTER:
                    self._set("unready", ("unready", ""), before=("ready",))
                if time.monotonic() - ready_s > STUCK_AFTER_S:
                    self.kill(f"unready for {STUCK_AFTER_S:g} s")  # noticed in the next round
            deadline_s = time.monotonic() + PROBE_S
            while time.monotonic() < deadline_s and self.replica.alive():
                time.sleep(0.02)

    def _set(self, state: State, event: tuple[What, str] | None, before: tuple[State, ...]) -> bool:
        """Change the state if it is one of `before`, and tell of it."""
        with self._lock:
            if self.state not in before:
                return False
            self.state = state
            if event is not None:
                self._tell(self.name, *event)
        self._changed()
        return True


_PRESENT: tuple[State, ...] = ("starting", "ready", "unready", "dead")
