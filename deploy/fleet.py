"""Several replicas on this machine, kept alive as Kubernetes keeps pods alive.

A small stand-in for a Deployment and its Service, for machines without a cluster. What it is not:
a scheduler, a network between nodes, or the timing of a real control plane (it notices a death
within some 50 ms, where a kubelet takes about a second). It shows what a serving process does when
it is killed, drained or starved, and what more than one of them changes.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from deploy.disruptable import NotSettled, ReplicaEvent, What
from deploy.front import Front
from deploy.member import Member
from deploy.replica import Replica
from variants._errors import OptbuildError

TICK_S = 0.05
START_TIMEOUT_S = 180.0
PRESTOP_S = 0.5  # a leaving replica still answers that long: what was on its way has arrived
GRACE_S = 30.0  # Kubernetes' default


class Fleet:
    """`count` replicas behind one URL; a context manager, ready on entering, gone on leaving.

    It can delete, kill, roll, scale, cut and slow (deploy/disruptable.py). `make` gives a replica
    of the name that it is given.
    """

    def __init__(
        self,
        make: Callable[[str], Replica],
        count: int,
        log: Path,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> None:
        self.wanted = count
        self._count = count
        self._make = make
        self._log = log
        self._start_timeout_s = start_timeout_s
        # Each guards one thing; no two are ever held together but `_publishing` and `_lock`.
        self._lock = threading.RLock()  # the members
        self._telling = threading.Lock()  # the events
        self._publishing = threading.Lock()  # the front
        self._members: list[Member] = []
        self._created = 0
        self._surge = 0  # replicas beyond those wanted, during a rolling update
        self._cut: set[str] = set()
        self._slow: dict[str, float] = {}  # seconds that a request to it takes longer
        self._events: list[ReplicaEvent] = []
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """Base URL of the front."""
        return self._front.url

    def __enter__(self) -> Self:
        """Start all replicas; return when each is ready."""
        self._cleanup = ExitStack()
        try:
            self._front = self._cleanup.enter_context(Front(self._log.with_suffix(".front.log")))
            # Processes are tied to the thread that starts them: this one outlives them all.
            self._keeper = self._cleanup.enter_context(ThreadPoolExecutor(1, "fleet"))
            self._cleanup.callback(self._stop)
            self._loop: Future[None] = self._keeper.submit(self._keep)
            self._wait(self._complete, self._start_timeout_s, "ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop every replica and the front."""
        self._cleanup.close()

    def replicas(self) -> tuple[str, ...]:
        """Names of the replicas that are ready, oldest first."""
        return tuple(member.name for member in self._present() if member.state == "ready")

    def timeline(self) -> tuple[ReplicaEvent, ...]:
        """Everything that happened to replicas so far."""
        with self._telling:
            return tuple(self._events)

    def served(self) -> dict[int, str]:
        """Which replica each numbered request was given to."""
        return self._front.served()

    def delete(self, replica: str, grace_s: float | None) -> None:
        """Take a replica away; the keeper starts another at once."""
        member = self.find(replica)
        if member.leave():
            self._end(member, GRACE_S if grace_s is None else grace_s)

    def kill(self, replica: str) -> None:
        """SIGKILL to the replica's process; the keeper notices and starts it again."""
        self.find(replica).kill("SIGKILL")

    def roll(self) -> None:
        """One more, then one less, until all are new (maxSurge 1, maxUnavailable 0)."""
        for old in self._present():
            self._surge = 1
            self._wait(self._complete, self._start_timeout_s, "rolled")
            self._surge = 0  # before it leaves, or it would be replaced again
            if old.leave():
                self._end(old, GRACE_S)
        self._wait(self._complete, self._start_timeout_s, "rolled")

    def scale(self, count: int) -> None:
        """Want so many; the youngest go first."""
        self.wanted = count
        surplus = self._present()[count:]
        for member in surplus:
            member.leave()
        with ThreadPoolExecutor(max(len(surplus), 1)) as pool:
            list(pool.map(lambda member: self._end(member, GRACE_S), surplus))
        self._wait(self._complete, self._start_timeout_s, "scaled")

    def scale_back(self) -> None:
        """Want as many as at first; the keeper starts them."""
        self.wanted = self._count

    def cut(self, replica: str) -> None:
        """Nothing passes between the front and this replica any more; it is probed as before."""
        self._cut.add(replica)
        self._publish()

    def mend(self) -> None:
        """End that."""
        self._cut.clear()
        self._publish()

    def slow(self, replica: str, by_s: float) -> None:
        """The front keeps each request to this replica for so long before it passes it on."""
        self._slow[replica] = by_s
        self._publish()

    def unslow(self) -> None:
        """End that."""
        self._slow.clear()
        self._publish()

    def _keep(self) -> None:
        """The control loop: as many members as wanted, the dead ones started again."""
        while not self._stopping.is_set():
            for member in self._present():
                if member.due(time.monotonic()):
                    member.start()
                    member.restarts += 1
            while (new := self._missing()) is not None:
                new.start()
            self._stopping.wait(TICK_S)

    def _missing(self) -> Member | None:
        """A new member if there are too few, not started yet."""
        with self._lock:
            if len(self._present()) >= self.wanted + self._surge or self._stopping.is_set():
                return None
            self._created += 1
            member = Member(self._make(f"r{self._created}"), self._tell, self._publish)
            self._members.append(member)
            return member

    def _end(self, member: Member, grace_s: float) -> None:
        """Let it finish, for at most `grace_s`."""
        deadline_s = time.monotonic() + grace_s
        time.sleep(min(PRESTOP_S, grace_s))
        if grace_s > 0:
            member.replica.end()
        while member.replica.alive() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        if member.replica.alive():
            member.kill(f"grace of {grace_s:g} s is over")
        member.gone()

    def _stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(Exception):  # it is reported where it is waited for
            self._loop.result()
        members = [member for member in self._members if member.state != "gone"]
        for member in members:
            member.dismiss()
        with ThreadPoolExecutor(max(len(members), 1)) as pool:
            list(pool.map(lambda member: member.replica.close(), members))

    def _present(self) -> list[Member]:
        with self._lock:
            return [one for one in self._members if one.state not in ("leaving", "gone")]

    def _complete(self) -> bool:
        present = self._present()
        count = self.wanted + self._surge
        return len(present) == count and all(one.state == "ready" for one in present)

    def find(self, name: str) -> Member:
        """The member of that name; raises OptbuildError if it is not there any more."""
        for member in self._present():
            if member.name == name:
                return member
        raise OptbuildError(f"there is no replica {name} any more: run it again", exit_code=1)

    def _publish(self) -> None:
        with self._publishing:  # or an older state could be the last to arrive
            ready = {one.name: one.port for one in self._present() if one.state == "ready"}
            if not self._stopping.is_set():
                self._front.send_to(ready, self._cut & set(ready), self._slow)

    def _tell(self, replica: str, what: What, detail: str) -> None:
        with self._telling:
            self._events.append(ReplicaEvent(time.monotonic(), replica, what, detail))

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if self._loop.done():
                self._loop.result()  # raises what has ended it
            if time.monotonic() > deadline_s:
                words = " | ".join(one.replica.last_words() for one in self._members[-1:])
                raise NotSettled(
                    f"the replicas were not {what} within {timeout_s:g} s; "
                    f"the last words of the youngest: {words}",
                    exit_code=1,
                )
            time.sleep(TICK_S)
