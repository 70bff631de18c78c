"""CPU time, memory and throttling of a server's processes, looked at once a second.

By a thread of this process, which waits for the load generator meanwhile: a look costs a read of
`/proc/PID/stat` for each process, well below a millisecond, and touches no lock of the server.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bentofiles.cgroup import PROC
from deploy.cgroup import limited_cgroup, throttled_s
from deploy.target import OwnProcesses, Target

PERIOD_S = 1.0
RELIST = 5  # looks between two searches for new processes, which read all of /proc
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Look:
    """One process at one moment, counters as Linux gives them."""

    at: float  # of the wall clock, s
    pid: int
    cpu_s: float  # user and system time since it began
    rss_bytes: int
    threads: int
    throttled_s: float | None  # of the target's cgroups together


@dataclass
class Sampler:
    """Looks at the processes of a target from entering to leaving, both included.

    A target that names no processes leaves `looks` empty: there is nothing to see from here.
    """

    target: Target
    period_s: float = PERIOD_S
    proc: Path = PROC
    looks: list[Look] = field(default_factory=list)
    pss_bytes: int | None = None  # memory at the end, shared pages divided among their users

    def __enter__(self) -> Self:
        """Take the first look, start the thread."""
        self._left = threading.Event()
        self._thread: threading.Thread | None = None
        if isinstance(self.target, OwnProcesses):
            listed = self.target.processes
            self._pids: Sequence[int] = ()
            self._throttled_s: dict[Path, float | None] = {}  # by cgroup, as last seen
            self._list(listed)
            # Two clocks, so that a step of the wall clock does not bend the intervals.
            self._wall = time.time() - time.monotonic()
            self._look()
            self._thread = threading.Thread(target=self._watch, args=(listed,), daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop the thread, take the last look."""
        if self._thread is None:
            return
        self._left.set()
        self._thread.join()
        self._look()
        self.pss_bytes = _pss_bytes(self._pids, self.proc)

    def _watch(self, listed: Callable[[], Sequence[int]]) -> None:
        count = 0
        while not self._left.wait(self.period_s):
            count += 1
            if count % RELIST == 0:
                self._list(listed)
            self._look()

    def _list(self, listed: Callable[[], Sequence[int]]) -> None:
        before, self._pids = self._pids, listed()
        for pid in set(self._pids) - set(before):
            if (cgroup := limited_cgroup(pid, self.proc)) is not None:
                self._throttled_s.setdefault(cgroup, None)

    def _look(self) -> None:
        at = self._wall + time.monotonic()
        throttled = self._throttled()
        for pid in self._pids:
            try:
                content = (self.proc / str(pid) / "stat").read_text(encoding="utf-8")
            except OSError:  # it has ended
                continue
            self.looks.append(_parse(at, pid, content, throttled))

    def _throttled(self) -> float | None:
        """Of every cgroup that a process is or was in: the sum never falls."""
        for cgroup, before in self._throttled_s.items():
            now = throttled_s(cgroup)
            self._throttled_s[cgroup] = before if now is None else now  # None: it has gone
        known = [one for one in self._throttled_s.values() if one is not None]
        return sum(known) if known else None


def _parse(at: float, pid: int, stat: str, throttled: float | None) -> Look:
    """A line of `/proc/PID/stat` (proc(5)); the name in parentheses may hold anything."""
    fields = stat.rpartition(")")[2].split()  # from field 3 on
    return Look(
        at=at,
        pid=pid,
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        rss_bytes=int(fields[21]) * _PAGE_BYTES,
        threads=int(fields[17]),
        throttled_s=throttled,
    )


def _pss_bytes(pids: Sequence[int], proc: Path) -> int | None:
    """Sum of the proportional set sizes; None if Linux does not tell it for any of them.

    Only once, after the load: Linux walks the page tables for it and holds their lock meanwhile.
    """
    total = None
    for pid in pids:
        try:
            lines = (proc / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        total = (total or 0) + sum(int(li.split()[1]) for li in lines if li.startswith("Pss:"))
    return None if total is None else total * 1024
