"""Each lane on a CPU of its own.

The kernel often lets two lanes share a CPU for milliseconds beside one that is idle: a lane that
wakes while the event loop holds the other CPU joins the lane that runs, and stays there. That cost
4 to 10% of the throughput on two cores (tests/benchmarks/bench_pinning.py).
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from bentofiles.predictor import resolve_lanes, resolve_threads
from bentofiles.settings import Settings

SHARED = "BENTO_SHARED_CPUS"  # set where other replicas run on the same CPUs


def lane_cpus(settings: Settings, environment: Mapping[str, str] = os.environ) -> list[int]:
    """The CPU of each lane, where the lanes have exactly this process's CPUs; else none.

    Where the lanes are fewer, because they have a quota or are a part of several workers, or where
    there are other replicas, others are meant to run on those CPUs too, and all would insist on
    the same few: two servers that are seldom busy at a time then lose a quarter of their speed.
    """
    allowed = sorted(os.sched_getaffinity(0))
    shared = settings.workers > 1 or bool(environment.get(SHARED))
    alone = not shared and resolve_threads(settings) == 1
    return allowed if alone and resolve_lanes(settings) == len(allowed) else []


def pinning(settings: Settings) -> Callable[[int], None]:
    """Keeps the thread that calls it with a lane's number on that lane's CPU, where it has one."""
    cpus = lane_cpus(settings)

    def pin(lane: int) -> None:
        if cpus:
            with suppress(OSError):  # a sandbox may forbid it: then the kernel has the choice
                os.sched_setaffinity(0, {cpus[lane]})

    return pin
