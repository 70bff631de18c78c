"""A bound for the head of a request, which uvicorn has under h11 and not under httptools.

Without one a client that never ends its headers fills the memory of a worker.
"""

from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 1 << 16  # as much as h11 takes


class BoundedHead(HttpToolsProtocol):
    """One connection."""

    head_bytes = 0  # that have come of a head which is not complete yet

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is the head of a request and too long."""
        before = self.cycle
        in_body = before is not None and before.more_body
        super().data_received(data)
        if in_body or self.cycle is not before:
            self.head_bytes = 0
            return
        self.head_bytes += len(data)
        if self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head is larger than {MAX_HEAD_BYTES} bytes.")


def bound_heads() -> None:
    """Have uvicorn take it for every server that it starts in this process."""
    auto.AutoHTTPProtocol = BoundedHead
