"""The client: POST /predict over kept-alive connections, as many as the schedule needs.

Locust's FastHttpSession bounds the connections (an open loop must not wait for a free one), and
spends most of its time on cookies, redirects and headers that are the same for every request. Here
each request's bytes are made once, and only geventhttpclient's C parser works per answer.

A kept-alive connection that the server closes just when we use it (its idle limit ran out) is no
loss of the server's: the request is sent once more on a new connection. /predict is a pure
function, so repeating it is safe (RFC 9110, 9.2.2), but a repeat could also hide a request that
died with its server. It is therefore limited to what a stale connection looks like: used before,
closed before the first byte of an answer, and at once (within STALE_S of the send), when a server
has hardly begun to work. Repeats are counted, and their latency runs from the planned time.

Where servers are going to die (`--resend never`) even that would hide losses, since a repeat
reaches another replica: nothing is sent twice. So that a stale connection does not pass for a lost
request, none is reused that has been idle for more than FRESH_S, which is less than servers keep
them. What remains is a server that closes an idle connection in the very moment of our send, as one
that is told to go may do: that request is lost (`reset`), as for any client that does not repeat.
"""

import errno
import json
from collections.abc import Sequence
from select import POLLIN
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import gevent.socket
import gevent.ssl
from gevent.monkey import get_original

from loadtests._exchange import Answer, Unanswered, exchange
from variants._errors import OptbuildError

STALE_S = 0.05
JUST_USED_S = 0.1  # so recently that nobody closed it, almost certainly
FRESH_S = 2.0  # BentoML, for one, closes a connection that has been idle for 5 s
_OWN_LIMITS = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}
_poll = get_original("select", "poll")  # gevent's own costs a switch; select() ends at fd 1023


class OutOfSockets(Exception):
    """This process may open no further connection: the generator's failure, not the server's."""


class Client:
    """Sends prepared requests to one server. Raises OptbuildError if its name is unknown.

    Without `resend` each request is sent at most once, and bears its number (`X-Request-ID`).
    """

    def __init__(self, host: str, texts: Sequence[str], resend: bool = True) -> None:
        url = urlsplit(host)
        self._tls = _tls_context() if url.scheme == "https" else None
        self._name = url.hostname or ""
        self._addresses = _resolve(self._name, url.port or (443 if self._tls else 80))
        self._requests = _requests(url.netloc.rpartition("@")[2], url.path, texts)
        self._resend = resend
        # Sockets and since when: used last, first, so that surplus connections age and are closed.
        self._idle: list[tuple[Any, float]] = []
        self.repeats = 0

    def predict(self, payload: int, number: int = 0) -> Answer:
        """Ask for the text with this index, as request `number`; the caller bounds the time.

        Raises OSError if there is no complete answer, HTTPParseError if it is not HTTP.
        """
        request = self._requests[payload]
        if not self._resend:
            request = _numbered(request, number)
        sock = self._reusable()
        if sock is not None:
            sent_at = perf_counter()
            try:
                return self._exchange(sock, request)
            except Unanswered:
                if not self._resend or perf_counter() - sent_at > STALE_S:
                    raise
                self.repeats += 1
        return self._exchange(self._connect(), request)

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._idle:
            self._idle.pop()[0].close()

    def _reusable(self) -> Any | None:
        while self._idle:
            sock, since = self._idle.pop()
            idle_s = perf_counter() - since
            if self._resend and idle_s <= JUST_USED_S:
                return sock  # asking costs as much as sending, and a repeat would mend it
            if not self._resend and idle_s > FRESH_S:
                sock.close()
                continue
            poll = _poll()
            poll.register(sock.fileno(), POLLIN)
            # An idle connection that can be read was closed, or holds what nobody asked for.
            if not poll.poll(0):
                return sock
            sock.close()
        return None

    def _connect(self) -> Any:
        for family, address in self._addresses:
            sock = None
            try:
                sock = gevent.socket.socket(family, gevent.socket.SOCK_STREAM)
                sock.connect(address)
                sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    sock = self._tls.wrap_socket(sock, server_hostname=self._name)
            except BaseException as error:  # the time limit is none of Exception's
                if sock is not None:
                    sock.close()
                if not isinstance(error, OSError):
                    raise
                if error.errno in _OWN_LIMITS:
                    raise OutOfSockets(error.strerror) from error
                failure = error
            else:
                return sock
        raise failure

    def _exchange(self, sock: Any, request: bytes) -> Answer:
        answer = None
        try:
            answer = exchange(sock, request)
            return answer
        finally:
            if answer is not None and answer.keep_alive:
                self._idle.append((sock, perf_counter()))
            else:
                sock.close()


def _requests(authority: str, prefix: str, texts: Sequence[str]) -> list[bytes]:
    head = (
        f"POST {prefix.rstrip('/')}/predict HTTP/1.1\r\nHost: {authority}\r\n"
        "User-Agent: optbuild\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
    )
    bodies = (json.dumps({"texts": [text]}).encode() for text in texts)
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


def _numbered(request: bytes, number: int) -> bytes:
    line, _, rest = request.partition(b"\r\n")
    return b"%b\r\nX-Request-ID: %d\r\n%b" % (line, number, rest)


def _resolve(name: str, port: int) -> list[tuple[int, Any]]:
    try:
        found = gevent.socket.getaddrinfo(name, port, 0, gevent.socket.SOCK_STREAM)
    except OSError as error:
        raise OptbuildError(f"unknown server {name!r}: {error.strerror}; check --host") from error
    return [(family, address) for family, _, _, _, address in found]


def _tls_context() -> Any:
    """As Locust's own clients: a load test asks how fast, not who."""
    context = gevent.ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = gevent.ssl.CERT_NONE
    return context
