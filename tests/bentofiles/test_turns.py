"""Requests sent behind one another on one connection: each gets its own answer, in its turn."""

import asyncio
import re

import pytest
from wire import Wire, connect, converse, settle

from bentofiles.asgi import Receive, Scope, Send
from bentofiles.connection import MALFORMED, PIECE_BYTES, Connection
from bentofiles.contract import send_answer

GET = b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /second HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
WEBSOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
CHUNKED = b"POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
MALFORMED_ONES = [
    b"\0\1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"x" * (1 << 18),
    b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n",
]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the request: its method, path, body and how many headers it has."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    heard = f"{scope['method']} {scope['path']} {body.decode()} {len(scope['headers'])}"
    await send_answer(send, 200, heard.encode())


def heard(wire: Wire) -> list[str]:
    """What the answers say, the reasons of refusals among them."""
    return re.findall(r"\r\n\r\n(.*?)(?=HTTP/1\.1|\Z)", b"".join(wire.writes).decode(), re.DOTALL)


def answers(*sent: bytes) -> list[str]:
    """What a client hears that sends this, in so many parts."""

    async def talk(connection: Connection, wire: Wire) -> None:
        for data in sent:
            if wire.closed:
                break
            connection.data_received(data)
            await settle()

    return heard(converse(echo, talk))


def test_many_small_requests_at_once_are_all_answered_in_turn() -> None:
    sent = [b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(1000)]
    assert answers(b"".join(sent)) == [f"GET /{number}  1" for number in range(1000)]


@pytest.mark.parametrize("size", [1, 7, 97, PIECE_BYTES - 1, PIECE_BYTES + 1])
def test_it_does_not_matter_how_requests_are_cut(size: int) -> None:
    sent = (GET + POST + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n") * 20
    parts = [sent[begin : begin + size] for begin in range(0, len(sent), size)]
    assert answers(*parts) == ["GET /first  1", "POST /second body 2", "POST /chunked abc 2"] * 20


def test_few_of_many_requests_are_parsed_before_their_turn() -> None:
    async def talk() -> None:
        go_on = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await go_on.wait()
            await send_answer(send, 200, b"")

        connection, wire = connect(app)
        sent = b"GET / HTTP/1.1\r\n\r\n" * (PIECE_BYTES // 8)
        for _ in range(100):
            if wire.reads:
                connection.data_received(sent)
                await settle()
        assert not wire.reads
        assert len(connection.pipeline) <= PIECE_BYTES / 18
        assert len(connection.unread) <= 2 * len(sent)
        go_on.set()
        while connection.tasks:
            await asyncio.gather(*connection.tasks)
        assert wire.reads
        assert b"".join(wire.writes).count(b"200 OK") == PIECE_BYTES // 8

    asyncio.run(talk())


def test_a_request_that_waited_for_its_turn_may_take_its_time() -> None:
    async def talk() -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/slow":
                await asyncio.sleep(0.2)
            await send_answer(send, 200, b"")

        connection, wire = connect(app)
        connection.timeout_keep_alive = 0.05  # type: ignore[assignment]  # uvicorn's are whole seconds
        behind = b"GET /slow HTTP/1.1\r\n\r\n"
        connection.data_received(GET * (PIECE_BYTES // len(GET) + 1) + behind)
        await asyncio.sleep(0.1)
        while connection.tasks:
            await asyncio.gather(*connection.tasks)
        assert b"".join(wire.writes).count(b"200 OK") == PIECE_BYTES // len(GET) + 2

    asyncio.run(talk())


@pytest.mark.parametrize("malformed", MALFORMED_ONES)
@pytest.mark.parametrize("apart", [True, False])
def test_what_is_malformed_is_refused_after_the_answers_before_it(
    malformed: bytes, apart: bool
) -> None:
    sent = [GET + POST, malformed] if apart else [GET + POST + malformed]
    *good, refusal = answers(*sent)
    assert good == ["GET /first  1", "POST /second body 2"]
    assert refusal in (MALFORMED, "The head is larger than 65536 bytes.")


def test_a_body_that_breaks_is_refused_in_its_turn() -> None:
    assert answers(CHUNKED + b"3\r\nabc\r\nxyz\r\n") == [MALFORMED]
    assert answers(GET + CHUNKED + b"3\r\nabc\r\nxyz\r\n") == ["GET /first  1", MALFORMED]


def test_nothing_behind_a_malformed_request_is_answered() -> None:
    assert answers(GET + MALFORMED_ONES[0] + GET * 1000, GET) == ["GET /first  1", MALFORMED]


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET])
@pytest.mark.parametrize("apart", [True, False])
def test_an_offer_to_speak_another_protocol_is_not_taken_up(offer: bytes, apart: bool) -> None:
    lines = offer.count(b"\r\n") - 1
    head, body = POST[:-6] + offer + b"\r\n", b"body"
    sent = [GET + head, body + GET] if apart else [GET + head + body + GET]
    assert answers(*sent) == ["GET /first  1", f"POST /second body {2 + lines}", "GET /first  1"]


def test_a_body_that_looks_like_a_request_is_none() -> None:
    smuggled = b"GET /smuggled HTTP/1.0\r\n\r\n"
    head = b"POST /second HTTP/1.1\r\n" + H2C + b"Content-Length: %d\r\n\r\n" % len(smuggled)
    (answer,) = answers(head, smuggled)
    assert answer.startswith("POST /second GET /smuggled")


def test_trailers_are_no_headers() -> None:
    sent = CHUNKED + b"3\r\nabc\r\n0\r\nX-Late: yes\r\nContent-Type: text/plain\r\n\r\n"
    assert answers(sent) == ["POST /chunked abc 2"]


def test_who_goes_away_with_requests_unanswered_is_asked_for_no_more() -> None:
    async def talk() -> None:
        told: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            told.append((await receive())["type"])

        connection, wire = connect(app)
        connection.data_received(GET * 3)
        await settle()
        wire.close()
        await settle()
        assert told == ["http.disconnect"]
        assert not connection.tasks

    asyncio.run(talk())
