"""The bodies on their way to a worker: how large, how slow and how many they may be."""

import asyncio
import contextlib
from collections.abc import Iterator

from bentofiles.asgi import Receive
from bentofiles.later import Later
from bentofiles.refusal import Refusal

MAX_BODY_BYTES = 1 << 20
# Most clients send the whole body before they read: one that is a little too large is read and
# thrown away, so that they see the answer and not a connection that breaks.
MAX_DISCARDED_BYTES = 16 << 20
# Requests in one worker whose body is on its way: a client that sends slowly, or nothing after its
# headers, takes no place of those in flight.
MAX_ARRIVING = 4096
MAX_HELD_BYTES = 128 << 20  # in one worker: of bodies that arrive, and of texts that wait
BODY_TIMEOUT_S = 10.0


def _too_large() -> Refusal:
    # Never kept in a local variable of where it is raised: its traceback would keep that frame,
    # and with it the body, until the garbage collector comes by.
    return Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes", ends=True)


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
            reason = f"the body did not arrive within {BODY_TIMEOUT_S:g} s"
            raise Refusal(408, reason, ends=True) from None
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
