"""Processes that measure, and what is found out about the servers before the first block."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from builder._peers_limit import Way, ways
from builder._peers_saturate import Saturated
from builder._peers_script import Settings, words
from builder._peers_target import PeerServer, require_same_answers
from deploy.child import Child
from deploy.target import Target
from loadtests.peers._settings import cpus
from variants._errors import OptbuildError

# Only what is sent: a closed loop sends them over and over, and reading them takes no time.
TEXTS = 1024
WARM_S = 2.0
TUNE_ROUNDS = 3
# Repeats of one setting vary by 10 to 25%: what is further behind after one is not the best.
TUNE_WITHIN = 0.7
# The last is a load that never queues, where a large model wants its threads in one request.
TUNE_CONNECTIONS = (64, 16, 1)
Answers = Sequence[dict[str, Any]]


def ask(module: str, question: Mapping[str, Any], log: Path, background: bool) -> dict[str, Any]:
    """Run one of the measuring modules in a process of its own.

    Raises OptbuildError with its last words if it fails.
    """
    with Child(["-m", f"builder.{module}"], log, pipe=True, background=background) as child:
        child.send(json.dumps(question))
        lines = list(child.lines())
        if child.process.wait() != 0 or not lines:
            raise OptbuildError(f"builder.{module} failed: {child.last_words()}", exit_code=1)
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def limit(
    sources: Path, texts: Sequence[str], ways: Sequence[Way], seconds: float, log: Path
) -> tuple[dict[str, float], Answers]:
    """Texts a second of each way of calling the model, for `seconds` each, and first answers.

    As little favoured as a server: it gives way to whatever else the machine does.
    """
    question = {"sources": str(sources), "texts": list(texts[:TEXTS]), "seconds": seconds}
    found: dict[str, float] = {}
    for threads in sorted({way.threads for way in ways}, reverse=True):
        these = [asdict(way) for way in ways if way.threads == threads]
        said = ask("_peers_limit", {**question, "ways": these}, log, background=True)
        found |= said["rps"]
    return found, said["answers"]


@dataclass(frozen=True)
class Limit:
    """The best way of calling the model, and what the model gets through in each way."""

    way: Way
    probes: Mapping[str, float]
    answers: Answers


def tune_limit(sources: Path, texts: Sequence[str], seconds: float, log: Path) -> Limit:
    """The way with the highest median over interleaved rounds, as for the peers."""
    asked = ways(cpus())
    rounds = [limit(sources, texts, asked, seconds, log) for _ in range(TUNE_ROUNDS)]
    probes = {str(way): median(found[str(way)] for found, _ in rounds) for way in asked}
    best = max(asked, key=lambda way: probes[str(way)])
    return Limit(best, probes, rounds[0][1])


def saturate(
    url: str, texts: Sequence[str], connections: int, seconds: float, log: Path
) -> Saturated:
    """A closed loop against a server."""
    question = {
        "url": url,
        "texts": list(texts[:TEXTS]),
        "connections": connections,
        "seconds": seconds,
        "warm_s": WARM_S if seconds > WARM_S else seconds,
    }
    return Saturated(**ask("_peers_saturate", question, log, background=False))


Start = Callable[[Settings], Target]


def tune(
    start: Start,
    settings: Sequence[Settings],
    texts: Sequence[str],
    answers: Answers,
    seconds: float,
    log: Path,
) -> tuple[Settings | None, dict[str, float | str]]:
    """The settings with the highest throughput at all TUNE_CONNECTIONS (geometric mean).

    The median of interleaved rounds, each on a fresh server; after the first one only those that
    are near the best go on. None if none of them works; what was found, or why there is nothing,
    by settings.
    """
    rounds: dict[str, list[float]] = {words(one): [] for one in settings}
    found: dict[str, float | str] = {}
    left = {words(one): one for one in settings}
    for _ in range(TUNE_ROUNDS):
        for name, one in list(left.items()):
            try:
                with start(one) as target:
                    require_same_answers(target.url, texts[: len(answers)], answers)
                    rounds[name].append(_throughput(target.url, texts, seconds, log))
            except OptbuildError as error:
                found[name] = str(error)
                del left[name]
                continue
            found[name] = median(rounds[name])
        best = max((median(rounds[name]) for name in left), default=0.0)
        left = {
            name: one for name, one in left.items() if median(rounds[name]) >= TUNE_WITHIN * best
        }
        if len(left) < 2:
            break  # nothing to choose between
    chosen = max(left, key=lambda name: median(rounds[name]), default=None)
    return (None if chosen is None else left[chosen]), found


def _throughput(url: str, texts: Sequence[str], seconds: float, log: Path) -> float:
    runs = [saturate(url, texts, many, seconds, log) for many in TUNE_CONNECTIONS]
    if failed := [run.first_error for run in runs if not run.answered]:
        raise OptbuildError(failed[0], exit_code=1)
    return math.prod(run.rps for run in runs) ** (1 / len(runs))


def peer_start(name: str, python: Path, sources: Path, log: Path, scripts: Path) -> Start:
    """Starts a peer with given settings."""
    return lambda one: PeerServer(name, python, sources, one, log, scripts=scripts)
