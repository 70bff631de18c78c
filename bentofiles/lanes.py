"""A few threads that run the model, and the queue before them.

The event loop never runs the model and never waits for it. ONNX Runtime and the tokenizer release
Python's lock, so the threads of one process use all its cores, share one copy of the weights, and
are evenly loaded by construction: whichever is free takes the oldest request, and those that are
worth running with it. Nothing waits for a batch to fill.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from bentofiles.packing import Costs, Size, pack, size_of

MOST_LOOKED_AT = 64  # waiting requests that one choice considers
SMOOTHING = 0.05  # weight of a new pass in how far the costs are off


class Refused(Exception):
    """There is no time left to answer this request before its deadline."""


class Job:
    """A request on its way through the queue; `size` in texts and estimated tokens."""

    __slots__ = ("answer", "cost_s", "deadline_s", "queued_s", "size", "texts")

    def __init__(
        self,
        texts: Sequence[str],
        size: Size,
        cost_s: float,
        queued_s: float,
        deadline_s: float,
        answer: "asyncio.Future[Any]",
    ) -> None:
        self.texts = texts
        self.size = size
        self.cost_s = cost_s
        self.queued_s = queued_s
        self.deadline_s = deadline_s
        self.answer = answer


class Lanes:
    """Runs requests on `count` threads.

    `run` maps a list of texts to rows, one a text, as a list or an array; all lanes call it.
    Without `most_tokens` every request runs alone.
    """

    def __init__(
        self,
        run: Callable[[list[str]], Any],
        count: int,
        costs: Costs,
        *,
        most_text_tokens: int,
        deadline_s: float,
        most_tokens: int | None = None,
        most_texts: int = 32,
        observe: Callable[[int, float], None] = lambda texts, queued_s: None,
    ) -> None:
        self._run = run
        self._count = count
        self._costs = costs
        self._most_text_tokens = most_text_tokens
        self._deadline_s = deadline_s
        self._most_tokens = most_tokens
        self._most_texts = most_texts
        self._observe = observe
        self._waiting: deque[Job] = deque()
        self._waiting_s = 0.0  # expected seconds of one lane for all that waits
        self._off = 1.0  # passes take this many times what the costs say
        self._idle = 0
        self._closed = False
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [
            threading.Thread(target=self._lane, name=f"lane-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, texts: Sequence[str]) -> "asyncio.Future[Sequence[Any]]":
        """The rows of `texts`, to be awaited; cancelling takes the request out of the queue.

        Raises Refused at once if what waits already takes longer than the deadline allows.
        """
        loop = asyncio.get_running_loop()
        now_s = perf_counter()
        size = size_of(texts, self._most_text_tokens)
        cost_s = self._costs.of(size.texts, size.tokens)
        with self._changed:
            ahead_s = self._waiting_s * self._off / self._count
            if self._waiting and ahead_s + cost_s * self._off > self._deadline_s:
                raise Refused
            self._loop = loop
            job = Job(texts, size, cost_s, now_s, now_s + self._deadline_s, loop.create_future())
            self._waiting.append(job)
            self._waiting_s += cost_s
            self._changed.notify()
        return job.answer

    @property
    def queued(self) -> int:
        """Requests that wait for a lane."""
        return len(self._waiting)

    def close(self) -> None:
        """Let the lanes end after what they are running."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _lane(self) -> None:
        while (jobs := self._next()) is not None:
            if not jobs:
                continue
            begin_s = perf_counter()
            try:
                rows = self._run([text for job in jobs for text in job.texts])
            except Exception as error:
                self._tell(jobs, error)
                continue
            self._learn(jobs, perf_counter() - begin_s)
            self._tell(jobs, rows)
            for job in jobs:
                self._observe(len(jobs), begin_s - job.queued_s)

    def _next(self) -> list[Job] | None:
        """The jobs to run next; none if all that was looked at is off; None at the end."""
        with self._changed:
            self._idle += 1
            while not self._waiting and not self._closed:
                self._changed.wait()
            self._idle -= 1
            if self._closed:
                return None
            late = self._drop()
            jobs = self._take() if self._waiting else []
        if late:
            self._tell(late, Refused())
        return jobs

    def _drop(self) -> list[Job]:
        """Take out what nobody waits for any more; returns what is too late to begin."""
        now_s, late = perf_counter(), []
        while self._waiting:
            job = self._waiting[0]
            in_time = now_s + job.cost_s * self._off <= job.deadline_s
            # A request that takes longer than the deadline allows is still served when first.
            if not job.answer.cancelled() and (in_time or job.cost_s > self._deadline_s):
                break
            self._remove(0)
            if not job.answer.cancelled():
                late.append(job)
        return late

    def _take(self) -> list[Job]:
        looked_at = min(len(self._waiting), MOST_LOOKED_AT)
        chosen = [0]
        if self._most_tokens is not None and looked_at > 1:
            # What other lanes could do at the same time is better not run one after the other.
            fair = -(-len(self._waiting) // (self._idle + 1))
            sizes = [self._waiting[index].size for index in range(looked_at)]
            chosen = pack(sizes, self._costs, self._most_tokens, self._most_texts)[:fair]
        return [self._remove(index) for index in sorted(chosen, reverse=True)][::-1]

    def _remove(self, index: int) -> Job:
        job = self._waiting[index]
        del self._waiting[index]
        self._waiting_s = self._waiting_s - job.cost_s if self._waiting else 0.0
        return job

    def _learn(self, jobs: Sequence[Job], took_s: float) -> None:
        expected_s = sum(job.cost_s for job in jobs)
        self._off += SMOOTHING * (took_s / expected_s - self._off)

    def _tell(self, jobs: Sequence[Job], result: Sequence[Any] | Exception) -> None:
        assert self._loop is not None
        # The loop is gone when the server is: nobody waits for the answer then.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_deliver, jobs, result)


def _deliver(jobs: Sequence[Job], result: Sequence[Any] | Exception) -> None:
    """On the event loop: hand out the rows, or the reason why there are none."""
    begin = 0
    for job in jobs:
        end = begin + len(job.texts)
        if not job.answer.done():
            if isinstance(result, Exception):
                job.answer.set_exception(result)
            else:
                job.answer.set_result(result[begin:end])
        begin = end
