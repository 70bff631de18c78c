"""What can be done later with each of many things; one timer for all of them."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# What runs in the same turn of the event loop as an answer delays those that it has still to send.
AFTER_ANSWERS_S = 0.1


class Together(Generic[T]):
    """Hands things to `act`, many at a time: no client waits for it. For one event loop."""

    def __init__(self, act: Callable[[list[T]], None]) -> None:
        self._act = act
        self._things: list[T] = []

    def add(self, thing: T) -> None:
        """Have it dealt with a little later."""
        if not self._things:
            asyncio.get_running_loop().call_later(AFTER_ANSWERS_S, self.flush)
        self._things.append(thing)

    def flush(self) -> None:
        """Deal with what there is now."""
        if self._things:
            things, self._things = self._things, []
            self._act(things)


class Later(Generic[T]):
    """Calls `act` on what is not `over` when its delay has passed. For one event loop.

    The delay is the same for all, and most things are over long before it has passed.
    """

    def __init__(self, over: Callable[[T], bool], act: Callable[[T], None]) -> None:
        self._over = over
        self._act = act
        self._pending: deque[tuple[float, T]] = deque()  # and when it is due, the first one first
        self._timer: asyncio.TimerHandle | None = None

    def add(self, thing: T, delay_s: float) -> None:
        """Look at it after so many seconds."""
        loop = asyncio.get_running_loop()
        # Nobody else lets go of what is over, and there may be a thousand a second.
        while self._pending and self._over(self._pending[0][1]):
            self._pending.popleft()
        self._pending.append((loop.time() + delay_s, thing))
        if self._timer is None:
            self._timer = loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._pending:
            due_s, thing = self._pending[0]
            over = self._over(thing)
            if not over and due_s > loop.time():
                self._timer = loop.call_at(due_s, self._look)
                return
            self._pending.popleft()
            if not over:
                self._act(thing)
