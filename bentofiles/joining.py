"""An answer in one write.

Uvicorn writes its head and its body one after the other, and uvloop sends at once what is written:
two packets for each answer, and a client that wakes twice.
"""

from asyncio import Transport
from typing import Any


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
