"""Processes that measure, and what is found out about the servers before the first block."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from builder._peers_saturate import Saturated
from builder._peers_script import Settings, words
from builder._peers_target import PeerServer, require_same_answers
from deploy.child import Child
from deploy.target import Target
from variants._errors import OptbuildError

# Only what is sent: a closed loop sends them over and over, and reading them takes no time.
TEXTS = 1024
WARM_S = 2.0
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


def limit(sources: Path, texts: Sequence[str], seconds: float, log: Path) -> dict[str, Any]:
    """What `builder._peers_limit` finds, `seconds` for each way of calling the model.

    As little favoured as a server: it gives way to whatever else the machine does.
    """
    question = {"sources": str(sources), "texts": list(texts[:TEXTS]), "seconds": seconds}
    return ask("_peers_limit", question, log, background=True)


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
    """The settings with the highest throughput at 64 and 16 connections (geometric mean).

    None if none of them works; what was found, or why there is nothing, by settings.
    """
    found: dict[str, float | str] = {}
    best: tuple[float, Settings] | None = None
    for one in settings:
        try:
            with start(one) as target:
                require_same_answers(target.url, texts[: len(answers)], answers)
                runs = [saturate(target.url, texts, many, seconds, log) for many in (64, 16)]
            failed = [run.first_error for run in runs if not run.answered]
            if failed:
                raise OptbuildError(failed[0], exit_code=1)
        except OptbuildError as error:
            found[words(one)] = str(error)
            continue
        rps = (runs[0].rps * runs[1].rps) ** 0.5
        found[words(one)] = rps
        if best is None or rps > best[0]:
            best = (rps, one)
    return (best[1] if best else None), found


def peer_start(name: str, python: Path, sources: Path, log: Path, scripts: Path) -> Start:
    """Starts a peer with given settings."""
    return lambda one: PeerServer(name, python, sources, one, log, scripts=scripts)
