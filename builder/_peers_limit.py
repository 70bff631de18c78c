"""The in-process limit: the model called directly, without any server, as fast as it goes.

What every server is measured against. Same session, tokenizer and texts; threads that each take
the next texts, with the settings that serving could choose from: how many lanes (threads that run
the model), each on a CPU of its own or not, how many intra-op threads in each, how many texts in a
pass. Of a window of texts that could be waiting, those of like length run together, as the best
batcher would have it. The best way is found before the first block, as a peer's settings are, and
is the limit in all of them: the best of several in each block would be partly luck, which no
server has.

A process of its own for each number of threads, because the tokenizer's pool keeps the size that
it had at first: `python -m builder._peers_limit` reads a question as JSON, writes the result as
JSON.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from loadtests.peers._model import Model
from loadtests.peers._settings import pin

WINDOW = 64  # texts that wait at the highest load: one for each connection
ANSWERS = 20
WARM_S = 0.5


@dataclass(frozen=True)
class Way:
    """One way to call the model."""

    lanes: int
    threads: int
    batch: int
    pinned: bool = False  # each lane stays on a CPU of its own

    def __str__(self) -> str:
        pinned = ", pinned" if self.pinned else ""
        return f"{self.lanes} lanes x {self.threads} threads, batch {self.batch}{pinned}"


def ways(cores: int) -> list[Way]:
    """What is tried: all cores by lanes or by threads, alone or in batches."""
    sizes = (1, 2, 4, 8, 16)
    if cores == 1:
        return [Way(1, 1, batch) for batch in sizes]
    found = [Way(cores, 1, batch, pinned=True) for batch in sizes]
    found += [Way(cores, 1, batch) for batch in (1, 8)]
    return found + [Way(1, cores, batch) for batch in (1, 8)]


def texts_per_second(model: Model, way: Way, texts: Sequence[str], seconds: float) -> float:
    """Texts a second, counted to the last pass that ended."""
    passes = in_passes(texts, way.batch)
    turns = count()
    begin_s = time.perf_counter()
    ends: list[tuple[int, float]] = []

    def lane(number: int) -> None:
        if way.pinned:
            pin(number)
        done, now_s = 0, begin_s
        while now_s - begin_s < seconds:
            batch = passes[next(turns) % len(passes)]
            model.predict(batch)
            done, now_s = done + len(batch), time.perf_counter()
        ends.append((done, now_s - begin_s))

    threads = [threading.Thread(target=lane, args=(number,)) for number in range(way.lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done / took_s for done, took_s in ends)


def in_passes(texts: Sequence[str], batch: int) -> list[list[str]]:
    """Whole passes of `batch` texts; within each window texts of like length are together."""
    repeated = list(texts) * -(-WINDOW // len(texts))
    windows = [repeated[at : at + WINDOW] for at in range(0, len(repeated) - WINDOW + 1, WINDOW)]
    if batch > 1:
        windows = [sorted(window, key=len) for window in windows]
    return [window[at : at + batch] for window in windows for at in range(0, len(window), batch)]


def measure(
    sources: str, texts: Sequence[str], seconds: float, ways: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Texts a second of each of these ways, which have the same threads, and first answers."""
    os.environ["PEER_SOURCES"] = sources
    asked = [Way(**way) for way in ways]
    model = Model(asked[0].threads)
    texts_per_second(model, asked[0], texts, min(WARM_S, seconds))
    found = {str(way): texts_per_second(model, way, texts, seconds) for way in asked}
    answers = [model.predict([text])[0] for text in texts[:ANSWERS]]
    return {"rps": found, "answers": answers}


if __name__ == "__main__":
    print(json.dumps(measure(**json.load(sys.stdin))))
