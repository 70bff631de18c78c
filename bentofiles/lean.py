"""`/predict` answered in front of the framework: nothing of it that the model does not need.

BentoML's routes for probes and documentation stay as they are. `/metrics` is our own, because the
requests no longer pass where BentoML counts them.
"""

import asyncio
import gc
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from sys import getsizeof
from time import perf_counter
from typing import Any

from bentofiles import contract
from bentofiles.admission import Refused
from bentofiles.asgi import App, Receive, Scope, Send
from bentofiles.contract import Contract, no_answer, send_answer
from bentofiles.lanes import Lanes
from bentofiles.later import Later
from bentofiles.lean_metrics import Metrics
from bentofiles.packing import Costs, Run, measure
from bentofiles.pinning import pinning
from bentofiles.predictor import Predictor, resolve_lanes, resolve_wide
from bentofiles.reading import Reader
from bentofiles.refusal import Refusal
from bentofiles.settings import VariantFile
from bentofiles.wide import Wide

# Whether the client is still there is only asked about requests that take this long: a task for
# each of them is a tenth of what a request costs beside the model.
WATCH_AFTER_S = 0.2


class Desk:
    """What the middleware needs of the loaded model; filled when the service is created."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._begins = [f'{{"label":{json.dumps(label)},"score":' for label in labels]
        self.lanes: Lanes | None = None
        self.metrics: Metrics | None = None

    def stuck(self, after_s: float) -> bool:
        """Whether nothing has got on in the loaded model for so long."""
        return self.lanes is not None and self.lanes.stuck(after_s)

    def open(self, lanes: Lanes, metrics: Metrics) -> None:
        """The model is loaded: requests can be answered."""
        self.lanes, self.metrics = lanes, metrics

    def in_json(self, run: Run) -> Run:
        """`run`, with what the answer says of each text instead of its probabilities.

        On the lane's thread, of all texts of a pass at a time: the event loop has enough to do.
        """

        def answers(inputs: list[Any]) -> list[str]:
            rows = run(inputs)
            pairs = zip(rows.argmax(axis=1).tolist(), rows.max(axis=1).tolist(), strict=True)
            return [f"{self._begins[best]}{score!r}}}" for best, score in pairs]

        return answers


def open_desk(desk: Desk, variant: VariantFile, predictor: Predictor) -> None:
    """Measure the model, start the lanes, and keep the garbage collector out of the tail."""
    metrics = Metrics()
    costs, wide = measure_ways(predictor, resolve_wide(variant.settings))
    lanes = Lanes(
        desk.in_json(predictor.classify),
        resolve_lanes(variant.settings),
        costs,
        reader=Reader(predictor.tokenize),
        wide=wide and replace(wide, run=desk.in_json(wide.run)),
        settle=pinning(variant.settings),
        most_text_tokens=variant.model.max_tokens,
        deadline_s=variant.settings.deadline_s or contract.DEADLINE_S,
        most_tokens=variant.settings.max_batch_tokens,
        observe=metrics.ran,
    )
    desk.open(lanes, metrics)
    # What is loaded by now stays for good: looking through it again costs up to 100 ms at a time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def measure_ways(predictor: Predictor, lanes: int) -> tuple[Costs, Wide | None]:
    """The model's costs, and how to run it on the CPUs of several lanes, where that can be."""
    widened = predictor.widened(lanes) if lanes > 1 else None
    run = widened.probabilities if widened else None
    costs, wide = measure(predictor.probabilities, perf_counter, run)
    return costs, Wide(widened.classify, lanes, wide) if widened and wide else None


class Lean(Contract):
    """The contract's middleware with the model right behind it."""

    # The queue is bounded by time, which says more than a number of requests.
    most_in_flight = 4096

    def __init__(self, app: App, desk: Desk) -> None:
        super().__init__(app)
        self.desk = desk
        self._watch = Watch()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `/predict` and `/metrics`; pass everything else on."""
        if scope["type"] == "http" and scope["path"] == "/metrics" and self.desk.metrics:
            page, media_type = self.desk.metrics.page()
            await send_answer(send, 200, page, media_type.encode())
            return
        await super().__call__(scope, receive, send)

    async def forward(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        texts: list[str],
        receive: Receive,
        send: Send,
    ) -> int:
        """Run the model on the texts; returns the status."""
        if (lanes := self.desk.lanes) is None:
            raise Refusal(503, "the model is not loaded yet")
        try:
            with self.arriving.held(sum(map(getsizeof, texts))):
                rows = await self._watch.result(lanes.submit(texts), receive)
        except Refused as refused:
            raise Refusal(503, str(refused), "deadline") from None
        except Refusal:
            raise
        except Exception:
            logging.getLogger("bentoml.lean").exception("the model fails")
            raise Refusal(500, "the model fails on this: the server's log says how") from None
        if rows is None:
            return 499  # nobody to answer; nginx's code for it, seen in the metrics only
        texts.clear()  # no longer held: the client may take its time to read
        await send_answer(send, 200, f"[{','.join(rows)}]".encode())
        return 200

    def count(self, status: int, took_s: float, cause: str = "") -> None:
        """Every answer of `/predict`, refusals included."""
        if self.desk.metrics is not None:
            self.desk.metrics.answered(status, took_s, cause)


class Watch:
    """Notices clients that go away, and passes that do not end, among requests that take long."""

    def __init__(self) -> None:
        self._young: Later[_Asked] = Later(over=lambda asked: asked.answer.done(), act=_begin)

    async def result(
        self, answer: "asyncio.Future[Sequence[Any]]", receive: Receive
    ) -> Sequence[Any] | None:
        """The result of `answer`; None, with it cancelled, if the client goes away before.

        Raises Refusal, with it cancelled, if it takes longer than any variant may: its pass is
        stuck.
        """
        asked = _Asked(answer, receive)
        self._young.add(asked, WATCH_AFTER_S)
        try:
            return await answer
        except asyncio.CancelledError:
            if asked.watch is None or not asked.watch.done():
                raise  # the server ends
            if asked.watch.result():
                return None
            raise no_answer() from None
        finally:
            if asked.watch is not None:
                asked.watch.cancel()
            # What `answer` raises has this frame in its traceback, and with it the request's texts.
            del answer, asked


@dataclass
class _Asked:
    """A request whose answer is awaited."""

    answer: "asyncio.Future[Sequence[Any]]"
    receive: Receive
    watch: "asyncio.Task[bool] | None" = None


def _begin(asked: _Asked) -> None:
    asked.watch = asyncio.ensure_future(_cancel_when_unwanted(asked.answer, asked.receive))


async def _cancel_when_unwanted(answer: "asyncio.Future[Sequence[Any]]", receive: Receive) -> bool:
    """Cancel `answer` when the client goes away (True) or the time is over (False)."""
    try:
        async with asyncio.timeout(contract.DEADLINE_S):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        answer.cancel()
        return False
    answer.cancel()
    return True
