"""Whether a server has got over its last load, before the next one begins.

A slow server's queue of an overloaded open loop lives until its last request has timed out: it
would be part of whatever load comes next, and the order of the loads is random.
"""

import time
from collections.abc import Callable
from statistics import median

from variants._errors import OptbuildError

PROBES = 8  # in a row, each on a connection of its own, so that they meet every worker
SLOWER = 3.0  # than when idle, for all of them: the machine's noise is no queue
LEAST_S = 0.005
DRAIN_S = 10.0
PAUSE_S = 0.05
IDLE_TIMEOUT_S = 30.0

Probe = Callable[[float], object]  # one request, within so many seconds; raises OptbuildError
Clock = Callable[[], float]


def idle_s(probe: Probe, clock: Clock = time.monotonic) -> float:
    """Seconds of a lone request to a warm server without load (median)."""
    return median(_timed(probe, IDLE_TIMEOUT_S, clock) for _ in range(PROBES))


def drained(
    probe: Probe,
    idle_s: float,
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until lone requests are answered about as fast as when idle; False after DRAIN_S."""
    fast_s = max(SLOWER * idle_s, idle_s + LEAST_S)
    ends_s = clock() + DRAIN_S
    fast = 0
    while (left_s := ends_s - clock()) > 0:
        try:
            fast = fast + 1 if _timed(probe, left_s, clock) <= fast_s else 0
        except OptbuildError:  # full, or too slow
            fast = 0
            sleep(PAUSE_S)
        if fast == PROBES:
            return True
    return False


def _timed(probe: Probe, timeout_s: float, clock: Clock) -> float:
    begin_s = clock()
    probe(timeout_s)
    return clock() - begin_s
