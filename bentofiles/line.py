"""The queue before the lanes: requests, their parts of one pass each, and whose turn it is."""

import asyncio
from bisect import bisect_left, insort
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from bentofiles.packing import Size

_TURN = attrgetter("turn")


class Job:
    """A request on its way through the queue.

    `waits` are its parts that no lane has taken yet. `deadline_s` is infinite if a lane was free
    when it came: what does not wait has no deadline.
    """

    __slots__ = ("answer", "begun", "deadline_s", "missing", "queued_s", "rows", "waits")

    def __init__(
        self, texts: int, queued_s: float, deadline_s: float, answer: "asyncio.Future[Any]"
    ) -> None:
        self.queued_s = queued_s
        self.deadline_s = deadline_s
        self.answer = answer
        self.waits: list[Part] = []
        self.rows: list[Any] = [None] * texts
        self.missing = texts
        self.begun = False

    def fill(self, part: "Part", rows: Sequence[Any]) -> None:
        """On the event loop: rows of one part; with the last of them the request is answered."""
        if self.answer.done():
            return
        for place, row in zip(part.places, rows, strict=True):
            self.rows[place] = row
        self.missing -= len(part.texts)
        if not self.missing:
            self.answer.set_result(self.rows)

    def fail(self, error: Exception) -> None:
        """On the event loop: why there are no rows."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Part:
    """Texts of a request that run in one pass, and their places in it.

    `inputs` are the texts as the model takes them, once a lane has read them, which took `read_s`.
    """

    __slots__ = (
        "claimed",
        "cost_s",
        "inputs",
        "job",
        "places",
        "read_s",
        "size",
        "texts",
        "turn",
    )

    def __init__(
        self, job: Job, places: Sequence[int], texts: Sequence[str], size: Size, cost_s: float
    ) -> None:
        self.job = job
        self.places = places
        self.texts = texts
        self.size = size
        self.cost_s = cost_s
        self.turn = (0.0, 0)
        self.claimed = False  # by a lane that reads it
        self.inputs: Sequence[Any] | None = None
        self.read_s = 0.0


class Line:
    """The waiting parts in the order of their turns.

    The parts of a request take their turns as if each had been sent when the one before it was
    done. So whoever comes after a large request waits for one part of it rather than for all, and
    the large one is not put off for ever either: what comes after it would have ended is behind it.
    """

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.cost_s = 0.0  # expected seconds of one lane for all that waits
        self._number = 0  # no two turns are equal

    def join(self, job: Job, parts: Sequence[Part]) -> None:
        """Put a request in its places."""
        turn_s = job.queued_s
        for part in parts:
            self._number += 1
            part.turn = (turn_s, self._number)
            turn_s += part.cost_s
            insort(self.parts, part, key=_TURN)
            self.cost_s += part.cost_s
        job.waits.extend(parts)

    def resize(self, part: Part, size: Size, cost_s: float) -> None:
        """A part is of another size than expected; where it has left already that is too late."""
        if part in part.job.waits:
            self.cost_s += cost_s - part.cost_s
            part.size, part.cost_s = size, cost_s

    def remove(self, part: Part) -> None:
        """Take out a part: a lane runs it, or nobody waits for it any more."""
        del self.parts[bisect_left(self.parts, part.turn, key=_TURN)]
        self.cost_s = self.cost_s - part.cost_s if self.parts else 0.0
        part.job.waits.remove(part)

    def forget(self, job: Job) -> None:
        """Take out what still waits of a request."""
        for part in list(job.waits):
            self.remove(part)
