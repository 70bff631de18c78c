import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bentofiles.lanes import Lanes, Refused
from bentofiles.packing import Costs

COSTS = Costs(call_s=0.01, token_s=1e-6)


class Model:
    """Answers each text with its length; runs only while its gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)

    def __call__(self, texts: list[str]) -> list[int]:
        self.batches.append(texts)
        self.begun.release()
        assert self.gate.wait(20)
        if "bad" in texts:
            raise ValueError("bad")
        return [len(text) for text in texts]


@contextmanager
def opened(model: Model, count: int = 1, **options: Any) -> Iterator[Lanes]:
    given = {"deadline_s": 20.0, "most_tokens": 1000} | options
    lanes = Lanes(model, count, COSTS, most_text_tokens=256, **given)
    try:
        yield lanes
    finally:
        model.gate.set()
        lanes.close()
        assert not any(thread.name.startswith("lane-") for thread in threading.enumerate())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))  # type: ignore[arg-type]  # a coroutine function


def test_each_request_gets_its_own_rows() -> None:
    model = Model()
    with opened(model, count=3) as lanes:

        async def story() -> None:
            asked = [["x" * n, "y" * (n + 1)] for n in range(1, 60)]
            answers = await asyncio.gather(*map(lanes.submit, asked))
            assert [list(rows) for rows in answers] == [[n, n + 1] for n in range(1, 60)]

        play(story)


def test_an_idle_lane_starts_at_once_and_a_backlog_runs_together() -> None:
    model = Model()
    model.gate.clear()
    with opened(model) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            rest = [lanes.submit([f"text {n}"]) for n in range(5)]
            await until(lambda: lanes.queued == 5)
            model.gate.set()
            await asyncio.gather(first, *rest)
            assert model.batches[0] == ["first"]
            assert sorted(model.batches[1]) == [f"text {n}" for n in range(5)]

        play(story)


def test_without_microbatching_every_request_runs_alone() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None) as lanes:

        async def story() -> None:
            jobs = [lanes.submit([f"{n}"]) for n in range(4)]
            await until(lambda: lanes.queued == 3)
            model.gate.set()
            await asyncio.gather(*jobs)
            assert model.batches == [["0"], ["1"], ["2"], ["3"]]

        play(story)


def test_what_nobody_waits_for_is_not_run() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            gone = lanes.submit(["gone"])
            last = lanes.submit(["last"])
            await until(lambda: lanes.queued == 2)
            gone.cancel()
            await asyncio.sleep(0)
            model.gate.set()
            await asyncio.gather(first, last)
            assert model.batches == [["first"], ["last"]]

        play(story)


def test_a_request_that_would_come_too_late_is_refused_at_once() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None, deadline_s=0.05) as lanes:

        async def story() -> None:
            taken, refused = [], 0
            for number in range(40):
                try:
                    taken.append(lanes.submit([f"{number}"]))
                except Refused:
                    refused += 1
            assert 30 <= refused < 39  # 50 ms at 10 ms each hold about five
            model.gate.set()
            await asyncio.gather(*taken, return_exceptions=True)

        play(story)


def test_what_has_waited_beyond_its_deadline_costs_no_pass() -> None:
    model = Model()
    model.gate.clear()
    with opened(model, most_tokens=None, deadline_s=0.03) as lanes:

        async def story() -> None:
            first = lanes.submit(["first"])
            await until(lambda: model.batches)
            late = lanes.submit(["late"])
            await asyncio.sleep(0.1)
            model.gate.set()
            await first
            with pytest.raises(Refused):
                await late
            assert model.batches == [["first"]]

        play(story)


def test_a_model_that_fails_fails_its_own_requests_only() -> None:
    model = Model()
    with opened(model, most_tokens=None) as lanes:

        async def story() -> None:
            with pytest.raises(ValueError, match="bad"):
                await lanes.submit(["bad"])
            assert await lanes.submit(["good"]) == [4]

        play(story)
