"""A bound for the head of a request, which uvicorn has under h11 and not under httptools.

Without one a client whose headers, trailers or chunk sizes never end fills the memory of a worker.
"""

from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 1 << 16  # and what comes in the same read; h11 takes 16 KiB


class BoundedHead(HttpToolsProtocol):
    """One connection."""

    head_bytes = 0  # that have come since a head was complete, or a part of a body there
    got_on = False

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


def bound_heads() -> None:
    """Have uvicorn take it for every server that it starts in this process."""
    auto.AutoHTTPProtocol = BoundedHead
