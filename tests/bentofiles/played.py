"""Lanes with a model that tests hold up and let go."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bentofiles.lanes import Lanes
from bentofiles.packing import Costs

COSTS = Costs(call_s=0.01, token_s=1e-6)


class Model:
    """Answers each text, or what is made of it, with its length; runs while its gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, texts: list[Any]) -> list[int]:
        gate = self.gate
        self.batches.append(texts)
        assert gate.wait(20)
        if "bad" in texts:
            raise ValueError("bad")
        return [len(text) for text in texts]


@contextmanager
def opened(model: Model, count: int = 1, costs: Costs = COSTS, **options: Any) -> Iterator[Lanes]:
    given = {"deadline_s": 20.0, "most_tokens": 1000} | options
    lanes = Lanes(model, count, costs, most_text_tokens=256, **given)
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
