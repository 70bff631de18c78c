"""Processes that measure: the model without a server, and a server in a closed loop."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bentofiles.predictor import cpus
from builder._peers_limit import Way, ways
from builder._peers_saturate import Saturated
from deploy.child import Child
from loadtests._calm import goes_first
from variants._errors import OptbuildError

# Only what is sent: a closed loop sends them over and over, and reading them takes no time.
TEXTS = 1024
WARM_S = 2.0
LIMIT_ROUNDS = 3
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

    As little favoured as a server, which may have to give way to the generator.
    """
    question = {"sources": str(sources), "texts": list(texts[:TEXTS]), "seconds": seconds}
    found: dict[str, float] = {}
    for threads in sorted({way.threads for way in ways}, reverse=True):
        these = [asdict(way) for way in ways if way.threads == threads]
        said = ask("_peers_limit", {**question, "ways": these}, log, background=not goes_first())
        found |= said["rps"]
    return found, said["answers"]


@dataclass(frozen=True)
class Limit:
    """The best way of calling the model, and what the model gets through in each way.

    Of the best way measured anew: the best of several measurements is the luckiest, too.
    """

    way: Way
    probes: Mapping[str, float]
    answers: Answers


def tune_limit(sources: Path, texts: Sequence[str], seconds: float, log: Path) -> Limit:
    """The way with the highest median over interleaved rounds, as for the peers."""

    def medians(asked: Sequence[Way]) -> tuple[dict[str, float], Answers]:
        rounds = [limit(sources, texts, asked, seconds, log) for _ in range(LIMIT_ROUNDS)]
        middle = {str(way): median(found[str(way)] for found, _ in rounds) for way in asked}
        return middle, rounds[0][1]

    asked = ways(cpus())
    probes, answers = medians(asked)
    best = max(asked, key=lambda way: probes[str(way)])
    return Limit(best, probes | medians([best])[0], answers)


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
