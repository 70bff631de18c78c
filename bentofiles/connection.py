"""A connection of a lean server: uvicorn's under httptools, with what that leaves open closed.

Memory: a head has a bound, as it has under h11, and of requests that are sent behind one another
only the next few are parsed before their turn. Uvicorn parses all that has come and, with each
answer, reads more: 20 MB of the smallest requests take 1.5 GiB.

Turns: what is wrong with a request is answered after those before it. Uvicorn writes its 400 at
once, where the client expects the first one's answer, and closes.

Framing: an offer to speak another protocol is not taken up, and the request is one as any other
(RFC 9110, 7.8); httptools leaves such a request's body unread, which is then taken for the next
request. Trailers are no headers.

Patience: a client that takes nothing of its answers for a while is gone. Uvicorn waits for ever,
even when it is told to end.

Speed: an answer is one write, and what nobody logs is not put into words: uvicorn asks only whether
there are handlers.
"""

import logging
from asyncio import BaseTransport, TimerHandle, Transport
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http import auto
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bentofiles.asgi import App, Receive, Scope, Send
from bentofiles.contract import send_answer
from bentofiles.joining import Joining
from bentofiles.leaving import CLOSE

MAX_HEAD_BYTES = 1 << 16  # and what comes in the same piece; h11 takes 16 KiB
PIECE_BYTES = 1 << 12  # that are parsed before it is asked whether there is enough to do
UNREAD_S = 25.0  # as long as any request may take
MALFORMED = "Invalid HTTP request received."


class Reading(FlowControl):
    """Flow control that reads nothing more while there is something unread.

    An application that asks for its request, and every answer, would have it read on.
    """

    held = False

    def hold(self) -> None:
        """Read nothing more until `let_go`."""
        self.held = True
        self.pause_reading()

    def let_go(self) -> None:
        """Read on, if it was held."""
        if self.held:
            self.held = False
            self.resume_reading()

    def resume_reading(self) -> None:
        """Read on, unless it is held."""
        if not self.held:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """One connection."""

    head_bytes = 0  # that have come since a head was complete, or a part of a body there
    got_on = False
    unread = b""  # what has come behind requests that wait for their turn
    fault = ""  # of what came last: nothing behind it can be understood
    running: RequestResponseCycle | None = None
    patience: TimerHandle | None = None  # with a client that does not read

    def connection_made(self, transport: BaseTransport) -> None:
        """A client is there."""
        super().connection_made(cast(Transport, transport))
        self.reading = self.flow = Reading(self.transport)
        self.joining = Joining(self.transport)
        self.transport = cast(Transport, self.joining)
        self.access_log = self.access_log and self.access_logger.isEnabledFor(logging.INFO)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: whatever it has asked for is unwanted, not only what came last."""
        self.unread = b""
        if self.running is not None:
            self.running.disconnected = True
            self.running.message_event.set()
        self._stop_waiting()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        self._wait(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self._stop_waiting()

    def _wait(self, unread_bytes: int) -> None:
        """For the client to take some of so many bytes."""
        self._stop_waiting()
        self.patience = self.loop.call_later(UNREAD_S, self._look_again, unread_bytes)

    def _look_again(self, unread_bytes: int) -> None:
        left_bytes = self.transport.get_write_buffer_size()
        if left_bytes < unread_bytes:
            self._wait(left_bytes)
        else:
            self.transport.abort()

    def _stop_waiting(self) -> None:
        if self.patience is not None:
            self.patience.cancel()
            self.patience = None

    def data_received(self, data: bytes) -> None:
        """Parse it, as far as the next request that has to wait."""
        if self.fault:
            return
        self._unset_keepalive_if_required()
        if self.unread or self.pipeline:
            self.unread += data
            self.reading.hold()
        elif len(data) <= PIECE_BYTES:
            self._parse(data)
        else:
            self.unread = data
            self._go_on()

    def _go_on(self) -> None:
        """Parse what is unread, as far as the next request that has to wait."""
        begin, unread = 0, self.unread
        while begin < len(unread) and not (self.pipeline or self.fault):
            self._parse(unread[begin : begin + PIECE_BYTES])
            begin += PIECE_BYTES
        self.unread = b"" if self.fault else unread[begin:]
        if self.unread:
            self.reading.hold()
        else:
            self.reading.let_go()

    def _parse(self, data: bytes) -> None:
        self.got_on = False
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    break
                except HttpParserUpgrade as offer:
                    data = self._plain() + data[offer.args[0] :]
        except HttpParserError:
            self.logger.warning(MALFORMED)
            self.send_400_response(MALFORMED)
            return
        self.head_bytes = 0 if self.got_on else self.head_bytes + len(data)
        if self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head is larger than {MAX_HEAD_BYTES} bytes.")

    def _plain(self) -> bytes:
        """The head that was parsed last, for a parser that starts anew, without its offer."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            raise HttpParserError("this is no proxy")
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        return b"".join(
            [b"%b %b HTTP/%b\r\n" % (method, self.url, version.encode()), *lines, b"\r\n"]
        )

    def on_headers_complete(self) -> None:
        """The parser has a whole head."""
        self.got_on = True
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self.headers = []  # the request has its own; what comes now are trailers

    def on_body(self, body: bytes) -> None:
        """The parser has a part of a body."""
        self.got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The parser has a whole request; that with an offer comes again."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """An answer has been written; that to HEAD is a head only."""
        self.joining.flush()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.unread:
            self._unset_keepalive_if_required()
            self._go_on()
        elif self.fault and self.cycle.response_complete:
            super().send_400_response(self.fault)

    def send_400_response(self, msg: str) -> None:
        """Refuse what came last when its turn comes, and end the connection."""
        self.fault = msg
        last = self.cycle
        if last is None or last.response_complete:
            super().send_400_response(msg)
        elif not last.more_body:
            pass  # it is whole, and what came behind it is none
        elif self.pipeline:
            self.pipeline[0] = last, cast(Any, _refuse(msg))
        elif last.response_started:
            self.transport.close()
        else:
            super().send_400_response(msg)


def _refuse(reason: str) -> App:
    """An application that answers 400, for a request that turned out to be none."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(send, 400, reason.encode(), b"text/plain; charset=utf-8", CLOSE)

    return refuse


def use_connections() -> None:
    """Have uvicorn take this one for every server that it starts in this process."""
    auto.AutoHTTPProtocol = Connection
