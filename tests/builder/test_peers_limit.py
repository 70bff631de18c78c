"""The model without a server."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from builder import _peers_probe
from builder._peers_limit import Way, in_passes, texts_per_second, ways


def test_passes_are_whole_and_of_like_length_within_a_window() -> None:
    texts = ["x" * (1 + at % 7) for at in range(128)]
    passes = in_passes(texts, 8)
    assert [len(one) for one in passes] == [8] * 16
    assert [text for one in passes[:8] for text in one] == sorted(texts[:64], key=len)
    assert in_passes(texts, 1) == [[text] for text in texts]
    assert len(in_passes(["only", "two"], 16)) == 4


@pytest.mark.parametrize("pinned", [True, False])
def test_pinned_lanes_of_the_limit_stay_on_a_cpu_each_and_leave_the_process_as_it_was(
    pinned: bool,
) -> None:
    class Where:
        """In the place of the model: on which CPUs its callers may run."""

        def __init__(self) -> None:
            self.cpus: dict[int, frozenset[int]] = {}

        def predict(self, texts: Any) -> list[Any]:
            self.cpus[threading.get_ident()] = frozenset(os.sched_getaffinity(0))
            time.sleep(0.01)
            return []

    allowed = os.sched_getaffinity(0)
    where: Any = Where()
    texts_per_second(where, Way(2, 1, 1, pinned), ["a"], seconds=0.05)
    if pinned:
        assert sorted(map(len, where.cpus.values())) == [1, 1]
        assert len(set(where.cpus.values())) == min(2, len(allowed))
    else:
        assert set(where.cpus.values()) == {frozenset(allowed)}
    assert os.sched_getaffinity(0) == allowed


def test_the_limit_tries_lanes_on_a_cpu_each_and_wherever_they_run() -> None:
    assert {way.pinned for way in ways(2) if way.lanes == 2} == {True, False}
    assert len({str(way) for way in ways(2)}) == len(ways(2)) == 9
    assert not any(way.pinned for way in ways(1))


def test_the_limit_is_the_best_way_by_the_median_of_rounds_a_process_for_each_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def ask(module: str, question: Any, log: Path, background: bool) -> dict[str, Any]:
        these = [Way(**way) for way in question["ways"]]
        (threads,) = {way.threads for way in these}
        asked.append(threads)
        rps = {str(way): 100.0 * threads + way.batch for way in these}
        if len(asked) > 6:
            rps = {way: found - 100.0 for way, found in rps.items()}
        if len(asked) < 3:  # luck
            rps = {way: 1000.0 * ("batch 1" in way) + found for way, found in rps.items()}
        return {"rps": rps, "answers": [{"threads": threads}]}

    monkeypatch.setattr(_peers_probe, "ask", ask)
    monkeypatch.setattr(_peers_probe, "cpus", lambda: 4)
    found = _peers_probe.tune_limit(tmp_path, ["a"], 1.0, tmp_path / "log")
    assert asked == [4, 1] * 3 + [4] * 3, "the best one once more: it was lucky, too"
    assert (found.probes[str(found.way)], found.way) == (308.0, Way(lanes=1, threads=4, batch=8))
    assert set(found.probes) == {str(way) for way in ways(4)}
    assert found.answers == [{"threads": 1}]
