"""One request and its answer on one connection."""

from dataclasses import dataclass
from typing import Any

from geventhttpclient.response import HTTPParseError, HTTPResponse

_BLOCK_BYTES = 65536


class Closed(OSError):
    """The server closed the connection before the answer was complete."""


class Unanswered(Closed):
    """Closed before the first byte of an answer."""


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    body: bytes
    keep_alive: bool  # the connection may be used again


class _Response(HTTPResponse):
    """Collects the body."""

    def __init__(self) -> None:
        super().__init__("POST")
        self.body = bytearray()

    def _on_body(self, buf: bytearray) -> None:
        self.body += buf

    @property
    def complete(self) -> bool:
        return bool(self.message_complete) and self.get_code() >= 200  # 1xx announce another


def exchange(sock: Any, request: bytes) -> Answer:
    """Send the bytes of a request, read the answer to its end.

    Raises Unanswered or Closed if the connection broke, HTTPParseError if the answer is not HTTP.
    """
    response = _Response()
    begun = False
    try:
        _send(sock, request)
        while not response.complete:
            data = sock.recv(_BLOCK_BYTES)
            if not data:
                break
            begun = True
            response.feed(data)
    except OSError as error:
        kind = Closed if begun else Unanswered
        raise kind(error.errno, error.strerror) from error
    if not begun:
        raise Unanswered("closed before any answer")
    if not response.complete:
        _end_of_stream(response)
    return Answer(response.get_code(), bytes(response.body), not response.should_close())


def _send(sock: Any, request: bytes) -> None:
    """All of the bytes; gevent's `sendall` asks for the size of the buffer before each."""
    sent = sock.send(request)
    while sent < len(request):
        sent += sock.send(request[sent:])


def _end_of_stream(response: _Response) -> None:
    """A body without a length ends with the connection; anything else was cut off."""
    try:
        response.feed(b"")
    except HTTPParseError as error:
        raise Closed("closed in the middle of an answer") from error
    if not response.complete:
        raise Closed("closed in the middle of an answer")
