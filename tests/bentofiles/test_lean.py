import asyncio
import contextlib
import gc
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bentofiles import arriving, contract, lean
from bentofiles.admission import Refused
from bentofiles.asgi import Message, Receive, Scope, Send
from bentofiles.lean import Desk, Lean
from bentofiles.packing import Run


def probabilities(texts: list[str]) -> npt.NDArray[np.float32]:
    return np.array([[0.25, 0.75]] * len(texts), dtype=np.float32)


class Model:
    """Stands for the lanes: answers at once, refuses, or never answers."""

    def __init__(self, refuses: bool = False, hangs: bool = False, fails: bool = False) -> None:
        self.refuses, self.hangs, self.fails = refuses, hangs, fails
        self.answers: list[asyncio.Future[Any]] = []
        self.run: Run

    def submit(self, texts: Sequence[str]) -> "asyncio.Future[Any]":
        if self.refuses:
            raise Refused
        answer = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        if self.fails:
            answer.set_exception(ValueError("the model is broken"))
        elif not self.hangs:
            answer.set_result(self.run(list(texts)))
        return answer


class Metrics:
    """Stands for the counters."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.causes: list[str] = []

    def answered(self, status: int, took_s: float, cause: str) -> None:
        self.statuses.append(status)
        self.causes.append(cause)
        assert 0 <= took_s < 60

    def page(self) -> tuple[bytes, str]:
        return b"optbuild_requests_total 1\n", "text/plain"


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """BentoML's part of the service."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def ask(
    model: Model | None, path: str, body: Any, then: Callable[[], Message] | None = None
) -> tuple[int, dict[str, str], bytes, Metrics]:
    """Status, headers and body of the answer; `then` is what the client sends after its body."""
    metrics = Metrics()

    async def story() -> list[Message]:
        desk = Desk(["negative", 'posi"tive'])
        if model is not None:
            model.run = desk.in_json(probabilities)
            desk.open(model, metrics)  # type: ignore[arg-type]  # stand-ins
        sent: list[Message] = []
        waiting = [{"type": "http.request", "body": json.dumps(body).encode()}]

        async def receive() -> Message:
            if waiting:
                return waiting.pop(0)
            if then is None:
                await asyncio.sleep(60)
            assert then is not None
            return then()

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "path": path,
            "method": "POST" if path == "/predict" else "GET",
            "headers": [(b"content-type", b"application/json")],
        }
        await asyncio.wait_for(Lean(behind, desk)(scope, receive, send), 20)
        return sent

    sent = asyncio.run(story())
    if not sent:
        return 0, {}, b"", metrics
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"], metrics


def test_the_answer_is_that_of_the_contract() -> None:
    status, headers, body, metrics = ask(Model(), "/predict", {"texts": ["a", "b"]})
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == [{"label": 'posi"tive', "score": 0.75}] * 2
    assert int(headers["content-length"]) == len(body)
    assert metrics.statuses == [200]


@pytest.mark.parametrize("body", [[], {"texts": []}, {"texts": [1]}, {"texts": ["\ud800"]}, "x"])
def test_a_bad_request_is_answered_with_its_reason(body: Any) -> None:
    model = Model()
    status, _, answer, metrics = ask(model, "/predict", body)
    assert status == 400
    assert json.loads(answer)["error"]
    assert metrics.statuses == [400]
    assert not model.answers, "it cost no place in the queue"


def test_overload_is_answered_at_once_with_when_to_come_back() -> None:
    status, headers, body, metrics = ask(Model(refuses=True), "/predict", {"texts": ["a"]})
    assert (status, headers["retry-after"], metrics.statuses) == (503, "1", [503])
    assert metrics.causes == ["deadline"]
    assert "try again" in json.loads(body)["error"]


def test_more_text_than_there_is_room_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "MAX_HELD_BYTES", 1000)
    assert ask(Model(), "/predict", {"texts": ["x" * 100]})[0] == 200
    # In memory four times as large as in the body.
    status, headers, _, metrics = ask(Model(), "/predict", {"texts": ["x" * 250 + "\U0001f600"]})
    assert (status, headers["retry-after"], metrics.causes) == (503, "1", ["memory"])


def test_before_the_model_is_loaded_a_request_is_told_to_come_back() -> None:
    status, headers, _, _ = ask(None, "/predict", {"texts": ["a"]})
    assert (status, headers["retry-after"]) == (503, "1")


def test_a_client_that_goes_away_leaves_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "WATCH_AFTER_S", 0.01)
    model = Model(hangs=True)
    gone = {"type": "http.disconnect"}
    status, _, _, metrics = ask(model, "/predict", {"texts": ["a"]}, lambda: gone)
    assert status == 0, "nobody is there to read an answer"
    assert model.answers[0].cancelled()
    assert metrics.statuses == [499]


def test_a_pass_that_is_stuck_is_answered_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lean, "WATCH_AFTER_S", 0.01)
    monkeypatch.setattr(contract, "DEADLINE_S", 0.05)
    model = Model(hangs=True)
    status, headers, _, metrics = ask(model, "/predict", {"texts": ["a"]})
    assert (status, headers["retry-after"], metrics.causes) == (503, "1", ["stuck"])
    assert model.answers[0].cancelled()


def test_a_failure_of_the_model_is_an_answer_in_json_and_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, headers, body, metrics = ask(Model(fails=True), "/predict", {"texts": ["a"]})
    assert (status, metrics.statuses) == (500, [500])
    assert headers["content-type"] == "application/json"
    assert "log" in json.loads(body)["error"]
    assert "the model is broken" in caplog.text


@pytest.mark.parametrize("outcome", ["answered", "fails", "late", "gone"])
def test_a_request_leaves_nothing_for_the_garbage_collector(
    outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to 1 MiB of text each: nobody counts it any more."""
    monkeypatch.setattr(lean, "WATCH_AFTER_S", 0.001)

    class Text(str):
        """One that can be counted."""

    async def left() -> int:
        async def receive() -> Message:
            if outcome != "gone":
                await asyncio.sleep(20)
            return {"type": "http.disconnect"}

        async def result() -> None:
            texts = [Text("a")]
            with contextlib.suppress(Refused, ValueError):
                assert (await watch.result(submit(), receive) is None) == (outcome == "gone")
            assert texts

        def submit() -> "asyncio.Future[Any]":
            answer = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(0.01, settle, answer)
            return answer

        def settle(answer: "asyncio.Future[Any]") -> None:
            if outcome == "answered":
                answer.set_result([])
            elif outcome == "fails":
                answer.set_exception(ValueError("the model is broken"))
            elif outcome == "late":
                answer.set_exception(Refused())

        watch = lean.Watch()
        await result()
        await asyncio.sleep(0.01)  # it is looked at once more
        return sum(type(one) is Text for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(left()) == 0
    finally:
        gc.enable()


def test_text_is_counted_while_it_waits_and_not_while_its_answer_is_read() -> None:
    held: list[int] = []

    async def story() -> None:
        model = Model()
        desk = Desk(["negative", "positive"])
        model.run = desk.in_json(probabilities)
        desk.open(model, Metrics())  # type: ignore[arg-type]  # stand-ins
        app = Lean(behind, desk)
        ran = model.run

        def run(texts: list[str]) -> Any:
            held.append(app.arriving.held_bytes)
            return ran(texts)

        async def receive() -> Message:
            return {
                "type": "http.request",
                "body": json.dumps({"texts": ["\U0001f600" * 99]}).encode(),
            }

        async def send(message: Message) -> None:
            held.append(app.arriving.held_bytes)

        model.run = run
        scope = {"type": "http", "path": "/predict", "method": "POST", "headers": []}
        await app(scope, receive, send)

    asyncio.run(story())
    assert held[0] > 4 * 99  # as it is in memory
    assert set(held[1:]) == {0}


@pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/livez", 299), ("/docs", 299)])
def test_other_paths_are_answered_too(path: str, status: int) -> None:
    assert ask(Model(), path, None)[0] == status
