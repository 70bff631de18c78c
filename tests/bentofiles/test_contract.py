import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest
from garbage import GARBAGE

from bentofiles import arriving, contract
from bentofiles.asgi import Message, Receive, Scope, Send
from bentofiles.contract import Contract
from bentofiles.leaving import FILE_VARIABLE, Leaving


class Service:
    """Stands behind the contract and remembers what reached it."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.bodies: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert dict(scope["headers"])[b"content-length"] == str(len(message["body"])).encode()
        self.bodies.append(json.loads(message["body"]))
        await self.gate.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"[]"})


def post(
    service: Any, *chunks: bytes, headers: dict[str, str] | None = None, path: str = "/predict"
) -> tuple[int, dict[str, str], Any]:
    return asyncio.run(exchange(Contract(service), *chunks, headers=headers, path=path))


async def exchange(
    app: Contract,
    *chunks: bytes,
    headers: dict[str, str] | None = None,
    path: str = "/predict",
) -> tuple[int, dict[str, str], Any]:
    sent: list[Message] = []
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]

    async def receive() -> Message:
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"content-type": "application/json"} if headers is None else headers
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "path": path, "method": "POST", "headers": raw}
    await app(scope, receive, send)
    start, body = sent
    answer = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], answer, json.loads(body["body"])


def test_good_texts_reach_the_service() -> None:
    service = Service()
    status, _, _ = post(service, b'{"texts": ["a ', 'film", "é'.encode(), b'", ""]}')
    assert status == 200
    assert service.bodies == [{"texts": ["a film", "é", ""]}]


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_refused_with_a_reason(body: bytes) -> None:
    service = Service()
    status, _, answer = post(service, body)
    assert status == 400
    assert answer["error"]
    assert service.bodies == []


@pytest.mark.parametrize("path", ["/predict", "/livez"])
def test_a_request_with_two_lengths_ends_its_connection(path: str) -> None:
    """A proxy that believes the other one takes what follows for the body, or the body for more."""
    two = {"content-length": "15", "transfer-encoding": "chunked"}
    status, headers, answer = post(Service(), b'{"texts": ["a"]}', headers=two, path=path)
    assert (status, headers["connection"]) == (400, "close")
    assert "Transfer-Encoding" in answer["error"]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_413(declared: bool) -> None:
    chunk = b"x" * (arriving.MAX_BODY_BYTES // 2)
    headers = {"content-type": "application/json"}
    if declared:
        headers["content-length"] = str(3 * len(chunk))
    status, answer, _ = post(Service(), chunk, chunk, chunk, headers=headers)
    assert status == 413
    assert answer["connection"] == "close"


def test_a_body_far_over_the_limit_is_not_read() -> None:
    headers = {"content-type": "application/json", "content-length": str(1 << 40)}
    assert post(Service(), headers=headers)[0] == 413
    chunks = [b"x" * (1 << 20)] * 20
    assert post(Service(), *chunks)[0] == 413


@pytest.mark.parametrize("media_type", ["text/plain", "application/vnd.bentoml+pickle", ""])
def test_what_is_not_json_is_415(media_type: str) -> None:
    status, _, _ = post(Service(), b'{"texts": ["a"]}', headers={"content-type": media_type})
    assert status == 415


@pytest.mark.parametrize("headers", [{}, {"content-type": "Application/JSON; charset=utf-8"}])
def test_json_by_other_spellings_is_taken(headers: dict[str, str]) -> None:
    assert post(Service(), b'{"texts": ["a"]}', headers=headers)[0] == 200


class Slow:
    """Clients that send their headers, some of their body, and then nothing."""

    def __init__(self, app: Contract, count: int, begins: bytes = b"") -> None:
        self.app, self.begins = app, begins
        self.tasks = [asyncio.create_task(self.one()) for _ in range(count)]

    async def one(self) -> int:
        sent: list[Message] = []
        begin = [{"type": "http.request", "body": self.begins, "more_body": True}]

        async def receive() -> Message:
            return begin.pop() if begin else await asyncio.sleep(60, {})

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "path": "/predict", "method": "POST", "headers": []}
        await self.app(scope, receive, send)
        status: int = sent[0]["status"]
        return status


def test_clients_that_send_nothing_take_no_place_and_are_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arriving, "BODY_TIMEOUT_S", 0.3)

    async def story() -> None:
        app = Contract(Service())
        slow = Slow(app, 3 * contract.MAX_IN_FLIGHT)
        await asyncio.sleep(0)
        assert (await exchange(app, b'{"texts": ["a"]}'))[0] == 200
        assert set(await asyncio.gather(*slow.tasks)) == {408}
        assert (app.arriving.requests, app.arriving.held_bytes) == (0, 0)

    asyncio.run(story())


@pytest.mark.parametrize("bound", ["MAX_ARRIVING", "MAX_HELD_BYTES"])
def test_bodies_under_way_are_bounded_too(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(arriving, "BODY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(arriving, bound, 3)

    async def story() -> None:
        app = Contract(Service())
        statuses = await asyncio.gather(*Slow(app, 5, begins=b"{").tasks)
        assert sorted(statuses) == [408, 408, 408, 503, 503]
        assert (app.arriving.requests, app.arriving.held_bytes) == (0, 0)

    asyncio.run(story())


def test_overload_is_refused_at_once_and_ends() -> None:
    async def overload() -> tuple[list[tuple[int, dict[str, str], Any]], tuple[int, Any, Any]]:
        service = Service()
        service.gate.clear()
        app = Contract(service)
        body = b'{"texts": ["a"]}'
        count = contract.MAX_IN_FLIGHT
        tasks = [asyncio.create_task(exchange(app, body)) for _ in range(count + 3)]
        await asyncio.sleep(0.01)
        service.gate.set()
        answers = await asyncio.gather(*tasks)
        return answers, await exchange(app, body)

    answers, later = asyncio.run(overload())
    statuses = [status for status, _, _ in answers]
    assert statuses.count(200) == contract.MAX_IN_FLIGHT
    assert statuses.count(503) == 3
    assert all(headers["retry-after"] for status, headers, _ in answers if status == 503)
    assert later[0] == 200


def test_an_answer_that_takes_too_long_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "DEADLINE_S", 0.05)

    async def never() -> tuple[int, dict[str, str], Any]:
        service = Service()
        service.gate.clear()
        return await exchange(Contract(service), b'{"texts": ["a"]}')

    status, headers, _ = asyncio.run(never())
    assert (status, headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(("status", "expected"), [(429, True), (503, True), (200, False)])
def test_what_asks_to_come_back_says_when(status: int, expected: bool) -> None:
    _, headers, _ = post(Service(status), b'{"texts": ["a"]}')
    assert ("retry-after" in headers) is expected


def test_other_paths_pass_untouched() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])

    async def none() -> Message:
        raise AssertionError

    scope = {"type": "http", "path": "/metrics", "method": "GET", "headers": []}
    asyncio.run(Contract(app)(scope, none, none))  # type: ignore[arg-type]  # never called
    assert seen == ["/metrics"]


@pytest.mark.parametrize(
    "body", [b'{"texts": ["a"]}', b"x" * (arriving.MAX_BODY_BYTES + 1), b"{", b"[" * 100_000]
)
def test_an_answered_request_leaves_nothing_for_the_garbage_collector(body: bytes) -> None:
    async def several() -> int:
        app = Contract(Service())
        await exchange(app, body)
        gc.collect()
        for _ in range(3):
            await exchange(app, body)
        return gc.collect()

    gc.disable()
    try:
        assert asyncio.run(several()) == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("body", [b'{"texts": ["a"]}', b"no JSON"])
def test_whoever_is_answered_by_a_server_that_leaves_opens_another_connection(
    tmp_path: Path, body: bytes
) -> None:
    file = tmp_path / "leaving"
    app = Contract(Service(), Leaving({FILE_VARIABLE: str(file)}, since_s=0.0))
    file.touch()
    _, headers, _ = asyncio.run(exchange(app, body))
    assert headers["connection"] == "close"
    stays = Contract(Service(), Leaving({}))
    _, headers, _ = asyncio.run(exchange(stays, body))
    assert "connection" not in headers
