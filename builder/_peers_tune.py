"""The best settings of a peer, found before the first block."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean, median

from builder._peers_probe import TUNE_ROUNDS, Answers, saturate
from builder._peers_script import Best, Settings, words
from builder._peers_target import require_same_answers
from deploy.target import Target
from variants._errors import OptbuildError

# Repeats of one setting vary by 10 to 25%: what is further behind after one is not the best.
WITHIN = 0.7
BUSY, IDLE = "busy", "idle"
CONNECTIONS = {BUSY: (64, 16), IDLE: (1,)}
Start = Callable[[Settings], Target]
# By settings: requests a second when busy and when idle, or why there are none.
Probes = Mapping[str, Mapping[str, float] | str]


def tune(
    start: Start,
    settings: Sequence[Settings],
    texts: Sequence[str],
    answers: Answers,
    seconds: float,
    log: Path,
) -> tuple[Best | None, Probes]:
    """The settings with the highest throughput when busy, and those when nearly idle.

    Busy are 64 and 16 connections (geometric mean), idle is one. The median of interleaved rounds,
    each on a fresh server; after the first one only those that are near one of the two go on. What
    fails is tried once more, and left out when it fails again. None if none of them works.
    """
    rounds: dict[str, list[dict[str, float]]] = {words(one): [] for one in settings}
    found: dict[str, Mapping[str, float] | str] = {}
    left = {words(one): one for one in settings}
    failed: set[str] = set()

    def middle(name: str, when: str) -> float:
        return median(one[when] for one in rounds[name])

    for _ in range(TUNE_ROUNDS):
        waiting = list(left)
        for name in waiting:  # grows by what has failed for the first time
            try:
                with start(left[name]) as target:
                    require_same_answers(target.url, texts[: len(answers)], answers)
                    rounds[name].append(_throughput(target.url, texts, seconds, log))
            except OptbuildError as error:
                found[name] = str(error)
                if name in failed:
                    del left[name]
                else:
                    failed.add(name)
                    waiting.append(name)
                continue
            found[name] = {when: middle(name, when) for when in CONNECTIONS}
        best = {when: max((middle(name, when) for name in left), default=0) for when in CONNECTIONS}
        left = {
            name: one
            for name, one in left.items()
            if any(middle(name, when) >= WITHIN * best[when] for when in CONNECTIONS)
        }
        if len(left) < 2:
            break  # nothing to choose between
    if not left:
        return None, found
    busy, idle = (max(left, key=lambda name: middle(name, when)) for when in (BUSY, IDLE))
    return Best(left[busy], left[idle]), found


def _throughput(url: str, texts: Sequence[str], seconds: float, log: Path) -> dict[str, float]:
    return {
        when: geometric_mean(_answered(url, texts, many, seconds, log) for many in connections)
        for when, connections in CONNECTIONS.items()
    }


def _answered(url: str, texts: Sequence[str], many: int, seconds: float, log: Path) -> float:
    run = saturate(url, texts, many, seconds, log)
    if not run.answered:
        raise OptbuildError(run.first_error, exit_code=1)
    return run.rps
