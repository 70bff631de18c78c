"""The HTTP contract of `/predict`, the same for every variant.

Whatever is not a good request is answered here with a 4xx and its reason in JSON, before it costs
a place in a queue; the service behind it only sees texts that a tokenizer can take.

What comes before it is the server's: a connection on which nothing, or half a head, has arrived
stays open for as long as the client likes. Uvicorn's keep-alive limit begins with an answer and it
has no limit for heads; where clients are not trusted, a proxy in front has to have one.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from time import perf_counter
from typing import Any

from bentofiles.later import Later
from bentofiles.leaving import CLOSE, Leaving

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

MAX_BODY_BYTES = 1 << 20
# Most clients send the whole body before they read: one that is a little too large is read and
# thrown away, so that they see the answer and not a connection that breaks.
MAX_DISCARDED_BYTES = 16 << 20
MAX_TEXTS = 64
MAX_IN_FLIGHT = 128  # requests in one worker, waiting or running
# Requests in one worker whose body is on its way: a client that sends slowly, or nothing after its
# headers, takes no place of those in flight.
MAX_ARRIVING = 4096
MAX_HELD_BYTES = 128 << 20  # in one worker: of bodies that arrive, and of texts that wait
BODY_TIMEOUT_S = 10.0
DEADLINE_S = 25.0  # below BentoML's own limit, which answers 504
RETRY_AFTER = (b"retry-after", b"1")


class Refusal(Exception):
    """A request that is answered with an error status.

    `cause`: what stood in the way of a good one, in a word, for who counts them.
    """

    def __init__(self, status: int, reason: str, cause: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.cause = cause


class Contract:
    """ASGI middleware that holds requests and answers of `/predict` to the contract."""

    most_in_flight = MAX_IN_FLIGHT

    def __init__(self, app: App, leaving: Leaving | None = None) -> None:
        self.app = app
        self.in_flight = 0
        self.arriving = Arriving()
        self.leaving = leaving or Leaving()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer bad requests and overload; pass everything else on."""
        if scope["type"] != "http" or scope["path"] != "/predict" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if self.leaving.watched:
            send = _closing(send, self.leaving)
        begin_s, cause = perf_counter(), ""
        try:
            headers = dict(scope["headers"])
            _require_json(headers)
            body = await self.arriving.read(headers, receive)
            begin_s = perf_counter()
            texts = parse_texts(body)
            del body  # the texts are as large
            status = await self._forward(scope, headers, texts, receive, send)
        except Refusal as refusal:
            status, cause = refusal.status, refusal.cause
            await _refuse(send, refusal)
        except Exception:
            self.count(500, perf_counter() - begin_s)  # which is what the server makes of it
            raise
        self.count(status, perf_counter() - begin_s, cause)

    async def _forward(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        texts: list[str],
        receive: Receive,
        send: Send,
    ) -> int:
        if self.in_flight >= self.most_in_flight:
            reason = f"{self.in_flight} requests are in progress: try again later"
            raise Refusal(503, reason, "in_flight")
        self.in_flight += 1
        try:
            return await self.forward(scope, headers, texts, receive, send)
        finally:
            self.in_flight -= 1

    async def forward(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        texts: list[str],
        receive: Receive,
        send: Send,
    ) -> int:
        """Hand checked texts to the service behind; returns the status of its answer."""
        body = encode(texts)
        headers[b"content-length"] = str(len(body)).encode()
        headers.pop(b"transfer-encoding", None)
        inner = {**scope, "headers": list(headers.items())}
        answer = Answer(send)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self.app(inner, _replay(body, receive), answer.send)
        except TimeoutError:
            if answer.status:
                raise
            raise no_answer() from None
        return answer.status

    def count(self, status: int, took_s: float, cause: str = "") -> None:
        """Called with the status of every answer, how long it took from the body on, and why."""


def no_answer() -> Refusal:
    """What a request gets whose answer takes longer than any variant may take."""
    return Refusal(503, f"no answer within {DEADLINE_S:g} s: try again later", "stuck")


def parse_texts(body: bytes) -> list[str]:
    """The texts of a request's body; raises Refusal with the reason if it has none.

    By the standard library: orjson saves 2 us of a sentence and 45 us of 64 reviews, where a
    request costs 150 us and 1 ms with a model that does nothing. Throughput does not show it.
    """
    try:
        content = json.loads(body)
    except RecursionError:
        raise Refusal(400, "the JSON is nested too deeply") from None
    except ValueError as error:  # also not UTF-8, and numbers of more digits than Python takes
        raise Refusal(400, f"the body is not JSON: {error}") from None
    if not isinstance(content, dict) or "texts" not in content:
        raise Refusal(400, 'the body must be an object with the key "texts"')
    texts = content["texts"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, '"texts" must be a list of strings')
    if not texts:
        raise Refusal(400, '"texts" is empty: send at least one text')
    if len(texts) > MAX_TEXTS:
        raise Refusal(400, f"{len(texts)} texts, at most {MAX_TEXTS} a request")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise Refusal(400, "a text holds half of a surrogate pair, which is no character") from None
    return texts


def encode(texts: list[str]) -> bytes:
    """The body that the service reads: what was checked is exactly what is served."""
    return json.dumps({"texts": texts}).encode()


def _require_json(headers: dict[bytes, bytes]) -> None:
    media_type = headers.get(b"content-type", b"application/json").partition(b";")[0].strip()
    if media_type.lower() != b"application/json":
        raise Refusal(415, "send Content-Type: application/json")


def _too_large() -> Refusal:
    # Never kept in a local variable of where it is raised: its traceback would keep that frame,
    # and with it the body, until the garbage collector comes by.
    return Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")


class Arrival:
    """A request whose body is being read by the task that makes this."""

    __slots__ = ("late", "over", "task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.late = self.over = False

    def end(self) -> None:
        """The time is over: whoever reads it is cancelled."""
        self.late = True
        self.task.cancel()


class Arriving:
    """The bodies on their way to one worker, and the memory that text takes in it."""

    def __init__(self) -> None:
        self.requests = 0
        self.held_bytes = 0
        # One timer for all of them: nearly every body is there when it is asked for.
        self._slow: Later[Arrival] = Later(over=lambda arrival: arrival.over, act=Arrival.end)

    async def read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The whole body of a request; raises Refusal if it is too large, or too slow."""
        if int(headers.get(b"content-length", b"0")) > MAX_DISCARDED_BYTES:
            raise _too_large()
        if self.requests >= MAX_ARRIVING:
            reason = f"{self.requests} requests are arriving: try again later"
            raise Refusal(503, reason, "arriving")
        body = bytearray()
        arrival = Arrival()
        self._slow.add(arrival, BODY_TIMEOUT_S)
        self.requests += 1
        try:
            arrived = await self._fill(body, receive)
        except asyncio.CancelledError:
            if not arrival.late or arrival.task.uncancel():
                raise  # the server ends
            raise Refusal(408, f"the body did not arrive within {BODY_TIMEOUT_S:g} s") from None
        finally:
            arrival.over = True
            self.requests -= 1
            self.held_bytes -= len(body)
        if arrived > MAX_BODY_BYTES:
            raise _too_large()
        return bytes(body)

    @contextlib.contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Have so many bytes counted as in memory; raises Refusal if there are too many."""
        self._hold(size)
        try:
            yield
        finally:
            self.held_bytes -= size

    def _hold(self, size: int) -> None:
        if self.held_bytes + size > MAX_HELD_BYTES:
            raise Refusal(503, "too much text waits for an answer: try again later", "memory")
        self.held_bytes += size

    async def _fill(self, body: bytearray, receive: Receive) -> int:
        """Bytes that arrived, more than MAX_BODY_BYTES of which are not kept."""
        arrived = 0
        while arrived <= MAX_DISCARDED_BYTES:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the client closed the connection")
            chunk = message.get("body", b"")
            arrived += len(chunk)
            if arrived <= MAX_BODY_BYTES:
                self._hold(len(chunk))
                body += chunk
            if not message.get("more_body", False):
                break
        return arrived


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out the body once, then waits for the real one's disconnect."""
    handed_out = False

    async def replay() -> Message:
        nonlocal handed_out
        if handed_out:
            return await receive()
        handed_out = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class Answer:
    """The service's answer on its way: told to come back later, the client is told when."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0  # until it begins

    async def send(self, message: Message) -> None:
        """Pass a message on, with Retry-After where it belongs."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status in (429, 503):
                message["headers"] = [*message.get("headers", ()), RETRY_AFTER]
        await self._send(message)


def _closing(send: Send, leaving: Leaving) -> Send:
    """A `send` whose answers end the connection once the server has been told to leave."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start" and leaving.told():
            others = [each for each in message.get("headers", ()) if each[0].lower() != CLOSE[0]]
            message["headers"] = [*others, CLOSE]
        await send(message)

    return closing


async def send_answer(
    send: Send, status: int, body: bytes, media_type: bytes = b"application/json", *more: Header
) -> None:
    """Send a whole answer."""
    headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"error": refusal.reason}).encode()
    more = []
    if refusal.status in (429, 503):
        more.append(RETRY_AFTER)
    if refusal.status in (408, 413):
        # The rest of the body is still on its way, and nobody is going to read it.
        more.append(CLOSE)
    await send_answer(send, refusal.status, body, b"application/json", *more)
