"""A few threads that run the model.

The event loop never runs the model and never waits for it. ONNX Runtime and the tokenizer release
Python's lock, so the threads of one process use all its cores, share one copy of the weights, and
are evenly loaded by construction: whichever is free takes the oldest request, and those that are
worth running with it. Nothing waits for a batch to fill.

The deadline is for waiting. What would have to wait and could not be answered within it is refused
at once, and so is what still waits when it is over. For the same reason a pass of several is short
beside it, and where time is short the oldest run first. What finds a free lane is run even if one
pass takes longer than the deadline: a slow model serves one request a lane, and no more.
"""

import asyncio
import math
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from time import perf_counter
from typing import Any

from bentofiles.admission import Admission, Refused
from bentofiles.choosing import Chooser, PassLimits, Turn
from bentofiles.delivery import Delivery, Observe
from bentofiles.later import Later
from bentofiles.line import Job, Line, Part
from bentofiles.packing import Costs, Run, Size, size_of, split
from bentofiles.passes import Passes
from bentofiles.reading import Reader
from bentofiles.wide import Wide

# A pass of several requests takes at most such a share of the deadline: each of them waits for all
# of it, younger ones among them that nobody could foresee when the oldest was let in.
LONGEST_PASS = 0.25
LEARNED_S = 1.0  # so long what the last pass has told of the costs is new


class Lanes:
    """Runs requests on `count` threads.

    `run` maps a list of texts, as `reader` makes them of those sent, to rows, one a text, as a
    list or an array; all lanes call it. Without `most_tokens` every request runs alone, in one
    pass. `observe` is told of each pass: how many requests it held, and for how long those waited
    whose first pass it was. `wide` is how a request may run that finds enough of the lanes idle.
    `settle` is called on each lane's thread, with its number, before that runs anything.
    """

    def __init__(
        self,
        run: Run,
        count: int,
        costs: Costs,
        *,
        most_text_tokens: int,
        deadline_s: float,
        most_tokens: int | None = None,
        most_texts: int = 32,
        reader: Reader | None = None,
        wide: Wide | None = None,
        settle: Callable[[int], None] = lambda lane: None,
        observe: Observe = lambda requests, queued_s: None,
    ) -> None:
        self._costs = costs
        self._reader = reader or Reader()
        self._most_text_tokens = self._reader.estimated(most_text_tokens)
        self._deadline_s = deadline_s
        self._limits: PassLimits | None = None
        if most_tokens is not None:
            tokens = self._reader.estimated(most_tokens)
            self._limits = PassLimits(tokens, most_texts, LONGEST_PASS * deadline_s)
        self._settle = settle
        self._delivery = Delivery(observe)
        self._line = Line()
        self._passes = Passes(count)
        longest_pass_s = self._limits.most_s if self._limits else 0.0
        self._admission = Admission(self._line, self._passes, deadline_s, longest_pass_s)
        self._chooser = Chooser(self._line, self._passes, costs, run, self._limits, wide)
        self._closed = False
        self._lock = threading.Lock()
        # One for each part that has joined the line: a lane that gets one looks what there is. A
        # Condition, which is written in Python, takes several times as long.
        self._called: SimpleQueue[None] = SimpleQueue()
        # On the event loop, at the deadline: what still waits is refused, what runs goes on.
        self._deadlines: Later[Job] = Later(
            over=lambda job: not job.waits, act=lambda job: job.fail(Refused())
        )
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), name=f"lane-{lane}", daemon=True)
            for lane in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, texts: Sequence[str]) -> "asyncio.Future[Sequence[Any]]":
        """The rows of `texts`, to be awaited; cancelling takes the request out of the queue.

        Raises Refused at once if it would have to wait and be answered after the deadline.
        """
        answer = asyncio.get_running_loop().create_future()
        now_s = perf_counter()
        job = Job(len(texts), now_s, now_s + self._deadline_s, answer)
        parts = self._parts(job, texts)
        with self._lock:
            self._chooser.arrived(parts, now_s)
            runs_now = len(parts) == 1 and self._passes.idle > len(self._line.parts)
            if runs_now:
                job.deadline_s = math.inf
            else:
                self._require_time(job, parts)
            self._line.join(job, parts)
        for _ in parts:
            self._called.put(None)
        if not runs_now:
            self._deadlines.add(job, self._deadline_s)
            job.answer.add_done_callback(partial(self._forget, job))
        return job.answer

    @property
    def queued(self) -> int:
        """Passes that wait for a lane."""
        return len(self._line.parts)

    def stuck(self, after_s: float) -> bool:
        """Whether every lane has been at its pass for so long."""
        with self._lock:
            return self._passes.begun_s() <= perf_counter() - after_s

    def close(self, within_s: float = 5.0) -> None:
        """Let the lanes end after what they are running; what is stuck ends with the process."""
        self._closed = True
        for _ in self._threads:
            self._called.put(None)
        end_s = perf_counter() + within_s
        for thread in self._threads:
            thread.join(max(0.0, end_s - perf_counter()))

    def _parts(self, job: Job, texts: Sequence[str]) -> list[Part]:
        if len(texts) == 1 or self._limits is None:
            size = size_of(texts, self._most_text_tokens)
            return [Part(job, range(len(texts)), texts, size, self._costs.of(*size))]
        sizes = [size_of([text], self._most_text_tokens) for text in texts]
        tokens = [size.tokens for size in sizes]
        parts = []
        most_tokens, most_texts, _ = self._limits
        for places in split(tokens, self._costs, most_tokens, most_texts):
            beside_s = sum(sizes[place].beside_s for place in places)
            size = Size(len(places), tokens[places[0]], beside_s)
            these = [texts[place] for place in places]
            parts.append(Part(job, places, these, size, self._costs.of(*size)))
        return parts

    def _require_time(self, job: Job, parts: Sequence[Part]) -> None:
        """Raise Refused if there is none.

        Of a request that nobody is before, the first part is run all the same now and then, for
        nobody: costs are only ever corrected by what runs, and too high ones would refuse its like
        for ever.
        """
        try:
            self._admission.require_time(parts, job.queued_s)
        except Refused:
            if self._admission.at_rest and job.queued_s - self._passes.learned_s > LEARNED_S:
                job.deadline_s = math.inf
                job.answer.cancel()
                self._line.join(job, parts[:1])
                self._called.put(None)
            raise

    def _forget(self, job: Job, _: "asyncio.Future[Any]") -> None:
        if job.waits:  # parts only ever leave: without any there is nothing to lock for
            with self._lock:
                self._line.forget(job)

    def _work(self, lane: int) -> None:
        self._settle(lane)
        while (turn := self._next(lane)) is not None:
            if not turn.parts:
                continue
            begin_s, read_s = perf_counter(), sum(part.read_s for part in turn.parts)
            results = self._results(turn)
            end_s = perf_counter()
            with self._lock:  # before anybody hears of it and sends another
                self._passes.end(lane)
                if not any(isinstance(result, Exception) for _, result in results):
                    self._passes.learn(turn.cost_s, read_s + end_s - begin_s, end_s)
            for parts, result in results:
                self._delivery.tell(parts, result, begin_s)

    def _results(self, turn: Turn) -> list[tuple[list[Part], Sequence[Any] | Exception]]:
        """What becomes of the parts: where one cannot be run, the others are without it.

        Whatever is raised: a library of Rust that panics raises what is no Exception.
        """
        try:
            return [(turn.parts, turn.run(self._reader.inputs(turn.parts)))]
        except BaseException as error:
            if len(turn.parts) > 1:
                apart = [turn._replace(parts=[part]) for part in turn.parts]
                return [result for one in apart for result in self._results(one)]
            return [(turn.parts, error if isinstance(error, Exception) else _failure(error))]

    def _next(self, lane: int) -> Turn | None:
        """What to run next; nothing if nothing is left that can be; None at the end."""
        self._called.get()
        if self._closed:
            return None
        with self._lock:
            late = self._chooser.drop()
            ahead = self._reader.claim(self._chooser.candidates())
            if ahead:  # a lane that reads is not idle
                self._passes.begin(lane, perf_counter(), 0.0, 1)
        sizes = self._read(ahead)
        with self._lock:
            if ahead:
                self._passes.end(lane)
            for part, size in zip(ahead, sizes, strict=False):
                self._line.resize(part, size, self._costs.of(*size))
            late += self._chooser.drop()
            turn = self._chooser.turn()
            if turn.parts:
                self._passes.begin(lane, perf_counter(), turn.cost_s, turn.cpus)
        if late:
            self._delivery.tell(late, Refused())
        return turn

    def _read(self, parts: list[Part]) -> list[Size]:
        try:
            return self._reader.read(parts) if parts else []
        except BaseException:  # as above
            return []  # whoever runs the one that cannot be read hears of it


def _failure(error: BaseException) -> Exception:
    """What a request can fail of, and the server's log can show."""
    failure = RuntimeError(f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
