"""A connection of a lean server: uvicorn's under httptools, in three points otherwise.

The head of a request has a bound, as it has under h11. Without one a client whose headers, trailers
or chunk sizes never end fills the memory of a worker.

An answer is one write. Uvicorn writes its head and its body one after the other, and uvloop sends
at once what is written: two packets for each answer, and a client that wakes twice.

What nobody logs is not put into words: uvicorn asks only whether there are handlers.
"""

import logging
from asyncio import BaseTransport, Transport
from typing import Any, cast

from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 1 << 16  # and what comes in the same read; h11 takes 16 KiB


class Joining:
    """A transport that keeps the head of an answer until its body is written.

    Only a head that says how long its body is: one whose chunks come when they come is sent.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send what is kept and this, or keep this."""
        if not self._head and data.endswith(b"\r\n\r\n") and b"content-length: " in data:
            self._head = data
        else:
            whole, self._head = self._head + data, b""
            self._transport.write(whole)

    def flush(self) -> None:
        """Send what is kept: nothing follows."""
        if self._head and not self._transport.is_closing():
            self.write(b"")

    def close(self) -> None:
        """Close when all is sent."""
        self.flush()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """One connection."""

    head_bytes = 0  # that have come since a head was complete, or a part of a body there
    got_on = False

    def connection_made(self, transport: BaseTransport) -> None:
        """A client is there."""
        super().connection_made(cast(Transport, transport))
        self.joining = Joining(self.transport)
        self.transport = cast(Transport, self.joining)
        self.access_log = self.access_log and self.access_logger.isEnabledFor(logging.INFO)

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is the head of a request and too long."""
        self.got_on = False
        super().data_received(data)
        self.head_bytes = 0 if self.got_on else self.head_bytes + len(data)
        if self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head is larger than {MAX_HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        """The parser has a whole head."""
        self.got_on = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The parser has a part of a body."""
        self.got_on = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        """An answer has been written; that to HEAD is a head only."""
        self.joining.flush()
        super().on_response_complete()


def use_connections() -> None:
    """Have uvicorn take this one for every server that it starts in this process."""
    auto.AutoHTTPProtocol = Connection
