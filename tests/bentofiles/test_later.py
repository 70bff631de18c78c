import asyncio
import gc
import weakref

from bentofiles.later import Later


class Thing:
    def __init__(self) -> None:
        self.over = False


def test_what_is_over_by_then_is_left_alone_and_the_rest_is_done_in_order() -> None:
    done: list[Thing] = []

    async def story() -> None:
        later: Later[Thing] = Later(lambda thing: thing.over, done.append)
        things = [Thing() for _ in range(4)]
        for thing in things:
            later.add(thing, 0.05)
        things[0].over = things[2].over = True
        await asyncio.sleep(0.2)
        assert done == [things[1], things[3]]
        later.add(things[1], 0.01)  # its timer starts again
        await asyncio.sleep(0.1)
        assert done[2:] == [things[1]]

    asyncio.run(story())


def test_what_is_over_is_not_kept_until_its_time_would_have_come() -> None:
    async def story() -> None:
        later: Later[Thing] = Later(lambda thing: thing.over, lambda thing: None)
        seen = []
        for _ in range(10):
            thing = Thing()
            later.add(thing, 60.0)
            thing.over = True
            seen.append(weakref.ref(thing))
        del thing
        gc.collect()
        assert sum(one() is not None for one in seen) == 1

    asyncio.run(story())
