import asyncio
import gc
import weakref

import pytest

from bentofiles import later
from bentofiles.later import Later, Together


class Thing:
    def __init__(self) -> None:
        self.over = False


def test_what_is_over_by_then_is_left_alone_and_the_rest_is_done_in_order() -> None:
    done: list[Thing] = []

    async def story() -> None:
        queue: Later[Thing] = Later(lambda thing: thing.over, done.append)
        things = [Thing() for _ in range(4)]
        for thing in things:
            queue.add(thing, 0.05)
        things[0].over = things[2].over = True
        await asyncio.sleep(0.2)
        assert done == [things[1], things[3]]
        queue.add(things[1], 0.01)  # its timer starts again
        await asyncio.sleep(0.1)
        assert done[2:] == [things[1]]

    asyncio.run(story())


def test_what_is_over_is_not_kept_until_its_time_would_have_come() -> None:
    async def story() -> None:
        queue: Later[Thing] = Later(lambda thing: thing.over, lambda thing: None)
        seen = []
        for _ in range(10):
            thing = Thing()
            queue.add(thing, 60.0)
            thing.over = True
            seen.append(weakref.ref(thing))
        del thing
        gc.collect()
        assert sum(one() is not None for one in seen) == 1

    asyncio.run(story())


def test_things_are_dealt_with_together_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "AFTER_ANSWERS_S", 0.05)
    done: list[list[int]] = []

    async def story() -> None:
        together: Together[int] = Together(done.append)
        together.add(1)
        together.add(2)
        assert not done, "a client may be waiting"
        await asyncio.sleep(0.2)
        together.add(3)
        together.flush()
        assert done == [[1, 2], [3]], "asked for, they are dealt with now"
        together.add(4)
        await asyncio.sleep(0.2)
        together.flush()
        assert done == [[1, 2], [3], [4]]

    asyncio.run(story())
