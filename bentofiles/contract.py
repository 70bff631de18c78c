"""The HTTP contract of `/predict`, the same for every variant.

Whatever is not a good request is answered here with a 4xx and its reason in JSON, before it costs
a place in a queue; the service behind it only sees texts that a tokenizer can take.

What comes before it is the server's: a connection on which nothing, or half a head, has arrived
stays open for as long as the client likes. Uvicorn's keep-alive limit begins with an answer and it
has no limit for heads; where clients are not trusted, a proxy in front has to have one.
"""

import asyncio
import json
from time import perf_counter

from bentofiles.arriving import Arriving
from bentofiles.asgi import App, Header, Message, Receive, Scope, Send
from bentofiles.leaving import CLOSE, Leaving
from bentofiles.refusal import Refusal

MAX_TEXTS = 64
MAX_IN_FLIGHT = 128  # requests in one worker, waiting or running
DEADLINE_S = 25.0  # below BentoML's own limit, which answers 504
RETRY_AFTER = (b"retry-after", b"1")


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
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        if b"transfer-encoding" in headers and b"content-length" in headers:
            # A proxy in front may see the end of it elsewhere (RFC 9112, 6.1).
            reason = "Content-Length beside Transfer-Encoding: send one of them"
            await _refuse(send, Refusal(400, reason, ends=True))
            return
        if scope["type"] != "http" or scope["path"] != "/predict" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if self.leaving.watched:
            send = _closing(send, self.leaving)
        begin_s, cause = perf_counter(), ""
        try:
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
    more = [RETRY_AFTER] if refusal.status in (429, 503) else []
    if refusal.ends:
        more.append(CLOSE)
    await send_answer(send, refusal.status, body, b"application/json", *more)
