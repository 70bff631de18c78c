"""Brings what the lanes find to those who wait for it, on their event loop."""

from collections.abc import Callable, Sequence
from typing import Any

from bentofiles.line import Part

Observe = Callable[[int, Sequence[float]], None]


class Delivery:
    """Hands out rows and reasons; any lane may tell it.

    `observe` is told of each pass: how many requests it held, and for how long those waited whose
    first pass it was.
    """

    def __init__(self, observe: Observe) -> None:
        self._observe = observe

    def tell(
        self,
        parts: Sequence[Part],
        result: Sequence[Any] | Exception,
        begin_s: float | None = None,
    ) -> None:
        """What became of these parts: one row a text, or the reason why there are none.

        `begin_s` is when their pass began, if there was one.
        """
        loop = parts[0].job.answer.get_loop()
        # The loop is gone when the server is: nobody waits for the answer then.
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._deliver, parts, result, begin_s)

    def _deliver(
        self,
        parts: Sequence[Part],
        result: Sequence[Any] | Exception,
        begin_s: float | None,
    ) -> None:
        begin = 0
        for part in parts:
            end = begin + len(part.texts)
            if isinstance(result, Exception):
                part.job.fail(result)
            else:
                part.job.fill(part, result[begin:end])
            begin = end
        if begin_s is not None:
            self._count(parts, begin_s)

    def _count(self, parts: Sequence[Part], begin_s: float) -> None:
        jobs = {part.job for part in parts}
        self._observe(len(jobs), [begin_s - job.queued_s for job in jobs if not job.begun])
        for job in jobs:
            job.begun = True
