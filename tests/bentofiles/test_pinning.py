import asyncio
import os
import threading
from dataclasses import replace
from typing import Any

import pytest
from played import Model, opened, play, until

from bentofiles import pinning as module
from bentofiles.pinning import lane_cpus, pinning
from bentofiles.settings import Settings

MICROBATCH = Settings("onnx", None, None, None, None, 1, True, "auto", 2048, 5.0)
CPUS = {2, 3, 6}


@pytest.mark.parametrize(
    ("settings", "quota", "expected"),
    [
        (MICROBATCH, None, [2, 3, 6]),
        (MICROBATCH, 3.0, [2, 3, 6]),
        (MICROBATCH, 2.0, []),  # two lanes on any of three CPUs that others use too
        (replace(MICROBATCH, workers=3), None, []),  # each worker would take the first
        (replace(MICROBATCH, threads=2), None, []),  # a lane of two threads on one CPU
        (replace(MICROBATCH, lanes=3), None, [2, 3, 6]),  # as without a number
        (replace(MICROBATCH, lanes=3, threads=2), None, []),
        (replace(MICROBATCH, lanes=2), None, []),
        (replace(MICROBATCH, lanes=4), None, []),
        (replace(MICROBATCH, lanes=None), None, []),  # `lean` alone
    ],
)
def test_lanes_stay_on_a_cpu_each_where_they_have_all_of_them(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, quota: float | None, expected: list[int]
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: CPUS)
    monkeypatch.setattr("bentofiles.predictor.allowed_cpus", lambda: quota)
    assert lane_cpus(settings) == expected


def test_lanes_stay_nowhere_where_other_replicas_have_the_same_cpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: CPUS)
    monkeypatch.setattr("bentofiles.predictor.allowed_cpus", lambda: None)
    assert lane_cpus(MICROBATCH, {"BENTO_SHARED_CPUS": "1"}) == []


class Placed(Model):
    """Notes on which CPUs the lane may run that calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed: dict[str, set[int]] = {}

    def __call__(self, texts: list[Any]) -> list[int]:
        self.allowed[threading.current_thread().name] = os.sched_getaffinity(0)
        return super().__call__(texts)


def placed(lanes: int, settings: Settings) -> dict[str, set[int]]:
    """The CPUs of each lane while all of them run."""
    model = Placed()
    model.gate.clear()
    with opened(model, count=lanes, settle=pinning(settings)) as opened_lanes:

        async def story() -> None:
            answers = [opened_lanes.submit(["text"]) for _ in range(lanes)]
            await until(lambda: len(model.allowed) == lanes)
            model.gate.set()
            assert await asyncio.gather(*answers) == [[4]] * lanes

        play(story)
    return model.allowed


def test_every_lane_has_a_cpu_of_its_own_and_the_event_loop_keeps_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bentofiles.predictor.allowed_cpus", lambda: None)
    allowed = os.sched_getaffinity(0)
    found = placed(len(allowed), MICROBATCH)
    assert sorted(found.values(), key=min) == [{cpu} for cpu in sorted(allowed)]
    assert os.sched_getaffinity(0) == allowed


def test_where_it_may_not_choose_a_lane_runs_where_the_kernel_puts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "lane_cpus", lambda settings: [100_000])  # no such CPU
    assert placed(1, MICROBATCH) == {"lane-0": os.sched_getaffinity(0)}
