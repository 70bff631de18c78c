"""The best settings of a peer, found before the first block."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean, median

from builder._peers_plan import LOADS
from builder._peers_probe import Answers, saturate
from builder._peers_script import Best, Settings, words
from builder._peers_target import require_same_answers, warm
from deploy.target import Target
from variants._errors import OptbuildError

# Repeats of one setting vary by 10 to 25%: what is further behind the best than that, by the median
# of the rounds so far, is not the best. The last few have as many rounds as it takes to part them.
WITHIN = (0.7, 0.8, 0.9, 0.9, 0.9)  # after each round but the last
BUSY, IDLE = "busy", "idle"
CONNECTIONS = {BUSY: (64, 16), IDLE: (1,)}
Start = Callable[[Settings], Target]
# By settings: requests a second when busy and when idle, or why there are none.
Probes = Mapping[str, Mapping[str, float] | str]
Tuned = dict[str, tuple[Best | None, Probes]]  # by peer; None if none of its settings works


def conditions_of(loads: Sequence[str]) -> list[str]:
    """What settings are chosen for: a server that has much to do, and then next to nothing."""
    return sorted({IDLE if LOADS[load].idle else BUSY for load in loads})


def tune(
    start: Start,
    settings: Sequence[Settings],
    texts: Sequence[str],
    answers: Answers,
    seconds: float,
    log: Path,
    conditions: Sequence[str] = tuple(CONNECTIONS),
) -> tuple[Best | None, Probes]:
    """The settings with the highest throughput when busy, and those when nearly idle.

    Busy are 64 and 16 connections (geometric mean), idle is one; where `conditions` (busy first)
    are only one of the two, the other's settings are the same. The median of interleaved rounds,
    each on a fresh server that has been warmed up as before a measured load; after each of them
    only those that are near the best go on. What fails is tried once more in that round, and left
    out when it fails again. None if none of them works.
    """
    rounds: dict[str, list[dict[str, float]]] = {words(one): [] for one in settings}
    found: dict[str, Mapping[str, float] | str] = {}
    left = {words(one): one for one in settings}
    failed: set[str] = set()

    def middle(name: str, when: str) -> float:
        return median(one[when] for one in rounds[name])

    for within in (*WITHIN, 0.0):
        failed.clear()
        waiting = list(left)
        for name in waiting:  # grows by what has failed for the first time
            try:
                with start(left[name]) as target:
                    require_same_answers(target.url, texts[: len(answers)], answers)
                    warm(target.url, texts)
                    rounds[name].append(
                        {
                            when: _throughput(target.url, texts, CONNECTIONS[when], seconds, log)
                            for when in conditions
                        }
                    )
            except OptbuildError as error:
                found[name] = str(error)
                if name in failed:
                    del left[name]
                else:
                    failed.add(name)
                    waiting.append(name)
                continue
            found[name] = {when: middle(name, when) for when in conditions}
        best = {when: max((middle(name, when) for name in left), default=0) for when in conditions}
        left = {
            name: one
            for name, one in left.items()
            if any(middle(name, when) >= within * best[when] for when in conditions)
        }
        if len(left) < 2:
            break  # nothing to choose between
    if not left:
        return None, found
    busy, idle = (
        max(left, key=lambda name: middle(name, when)) for when in (conditions[0], conditions[-1])
    )
    return Best(left[busy], left[idle]), found


def _throughput(
    url: str, texts: Sequence[str], connections: Sequence[int], seconds: float, log: Path
) -> float:
    return geometric_mean(_answered(url, texts, many, seconds, log) for many in connections)


def _answered(url: str, texts: Sequence[str], many: int, seconds: float, log: Path) -> float:
    run = saturate(url, texts, many, seconds, log)
    if not run.answered:
        raise OptbuildError(run.first_error, exit_code=1)
    return run.rps
