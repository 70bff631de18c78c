"""What a connection of a lean server sends, and when: one write for an answer, and nothing lost."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from wire import connect, settle

from bentofiles.asgi import Message, Receive, Scope, Send

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = GET.replace(b"GET", b"HEAD")
LENGTH_2 = [(b"content-length", b"2")]


def start(headers: Sequence[tuple[bytes, bytes]], status: int = 200) -> Message:
    """The beginning of an answer."""
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, more: bool = False) -> Message:
    """A part of an answer's body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def sent(
    request: bytes, *messages: Message, until: int | None = None, lost: bool = False
) -> tuple[list[bytes], bool]:
    """Writes that answer a request, and whether the connection is closed then.

    The application sends these messages; only `until` of them before this looks, or the client
    goes away.
    """

    async def converse() -> tuple[list[bytes], bool]:
        go_on = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            for number, message in enumerate(messages):
                if number == until:
                    await go_on.wait()
                await send(dict(message))

        connection, wire = connect(app)
        connection.data_received(request)
        await settle()
        if lost:
            wire.close()
            await settle()
        if until is None or lost:
            go_on.set()
            await asyncio.gather(*connection.tasks)
        found = list(wire.writes), wire.closed
        go_on.set()
        await asyncio.gather(*connection.tasks)
        return found

    return asyncio.run(converse())


def test_an_answer_is_one_write() -> None:
    writes, closed = sent(GET, start(LENGTH_2), body(b"ok"))
    assert not closed
    (answer,) = writes
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"content-length: 2\r\n\r\nok")


def test_each_of_several_requests_at_once_has_its_own() -> None:
    writes, _ = sent(GET + GET, start(LENGTH_2), body(b"ok"))
    assert [write.count(b"HTTP/1.1 200") for write in writes] == [1, 1]
    assert all(write.endswith(b"\r\n\r\nok") for write in writes)


@pytest.mark.parametrize("reads", ["all", "slowly", "nothing"])
def test_a_client_that_takes_nothing_of_its_answers_is_let_go(
    reads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would keep its place, and a server that is to end waiting, for ever."""
    monkeypatch.setattr("bentofiles.connection.UNREAD_S", 0.05)

    async def story() -> bool:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start(LENGTH_2))
            await send(body(b"ok"))

        connection, wire = connect(app)
        connection.pause_writing()  # as the transport says when its buffer is full
        connection.data_received(GET)
        await settle()
        assert connection.tasks, "it waits"
        for _ in range(12):
            if reads == "slowly":
                wire.unread_bytes -= 1024
            elif reads == "all":
                connection.resume_writing()
            await asyncio.sleep(0.01)
        closed = wire.closed
        connection.resume_writing()
        await settle()
        assert not connection.tasks
        return closed

    assert asyncio.run(story()) == (reads == "nothing")


@pytest.mark.parametrize("request_", [HEAD, HEAD.replace(b"Host: x", b"Connection: close")])
def test_a_head_alone_is_sent(request_: bytes) -> None:
    writes, closed = sent(request_, start(LENGTH_2), body(b"ok"))
    assert b"".join(writes).endswith(b"\r\n\r\n")
    assert b"content-length: 2\r\n" in b"".join(writes)
    assert closed == (b"close" in request_)


def test_an_answer_that_ends_the_connection_is_sent_before() -> None:
    writes, closed = sent(GET, start([*LENGTH_2, (b"connection", b"close")], 503), body(b"no"))
    assert closed
    assert b"".join(writes).endswith(b"\r\n\r\nno")


def test_of_an_answer_that_breaks_off_the_head_is_sent_before_the_connection_closes() -> None:
    writes, closed = sent(GET, start(LENGTH_2))
    assert closed
    assert b"".join(writes).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_head_of_a_stream_does_not_wait_for_its_first_part() -> None:
    writes, _ = sent(GET, start([]), body(b"a", more=True), body(b"b"), until=1)
    assert b"".join(writes).endswith(b"transfer-encoding: chunked\r\n\r\n")


def test_a_large_body_begins_with_its_first_part() -> None:
    writes, _ = sent(GET, start(LENGTH_2), body(b"o", more=True), body(b"k"), until=2)
    assert b"".join(writes).endswith(b"\r\n\r\no")


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_who_wants_the_access_log_has_it(level: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(level, "uvicorn.access"):
        sent(GET, start(LENGTH_2), body(b"ok"))
    assert ("GET / HTTP/1.1" in caplog.text) == (level == logging.INFO)


def test_a_client_that_goes_away_after_the_head_hurts_nobody() -> None:
    writes, closed = sent(GET, start(LENGTH_2), body(b"ok"), until=1, lost=True)
    assert (writes, closed) == ([], True)
