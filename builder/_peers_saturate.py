"""A closed loop that costs next to nothing: `connections` sockets, one thread, one epoll.

On a machine that it shares with the server, whatever the client takes is taken from the fastest
server most. So a request's bytes are made once, an answer is looked at only as far as its status,
its length and whether it holds as many items as texts were sent, and the client's own CPU time is
part of the result. A process of its own: `python -m builder._peers_saturate` reads a question as
JSON from its stdin and writes the result as JSON to its stdout.

For throughput. Its latencies are those of a closed loop, which never sees the queue that an open
loop would stand in.
"""

import json
import resource
import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import numpy as np
from geventhttpclient.response import HTTPParseError, HTTPResponse

from loadtests._calm import real_time

_BLOCK_BYTES = 65536
LONGEST_WAIT_S = 10.0  # for any answer at all


@dataclass(frozen=True)
class Saturated:
    """What came back in `seconds`; requests hold one text each."""

    answered: int
    rps: float
    p50_s: float | None
    p99_s: float | None
    errors: int
    first_error: str
    client_cpu_s: float  # a request; user and system time of the client


class Response(HTTPResponse):
    """Collects the body; the parser is C."""

    def __init__(self) -> None:
        super().__init__("POST")
        self.body = bytearray()

    def _on_body(self, buf: bytearray) -> None:
        self.body += buf

    @property
    def complete(self) -> bool:
        """Whether all of the answer is here."""
        return bool(self.message_complete)


@dataclass
class _Connection:
    """One connection with its request under way."""

    sock: socket.socket
    begun_s: float
    response: Response = field(default_factory=Response)


def saturate(
    url: str, texts: Sequence[str], connections: int, seconds: float, warm_s: float
) -> Saturated:
    """Keep `connections` busy for `warm_s` and then for `seconds`, which count."""
    loop = _Loop(url, texts, connections)
    loop.run_until(time.perf_counter() + warm_s)
    loop.forget()
    cpu_s, begin_s = _cpu_s(), time.perf_counter()
    loop.run_until(begin_s + seconds)
    took_s, cpu_s = time.perf_counter() - begin_s, _cpu_s() - cpu_s
    loop.close()
    latency_s = np.array(loop.latencies_s)
    answered = len(latency_s)
    p50_s, p99_s = np.quantile(latency_s, [0.5, 0.99]).tolist() if answered else (None, None)
    return Saturated(
        answered=answered,
        rps=answered / took_s,
        p50_s=p50_s,
        p99_s=p99_s,
        errors=loop.errors,
        first_error=loop.first_error,
        client_cpu_s=cpu_s / max(answered, 1),
    )


class _Loop:
    def __init__(self, url: str, texts: Sequence[str], connections: int) -> None:
        self.connections = connections
        parts = urlsplit(url)
        self.address = (parts.hostname or "", parts.port or 80)
        head = (
            f"POST {parts.path}/predict HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )
        bodies = [json.dumps({"texts": [text]}).encode() for text in texts]
        self.requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
        self.next = 0
        self.poll = select.epoll()
        self.open: dict[int, _Connection] = {}
        self.forget()

    def forget(self) -> None:
        """Begin to count."""
        self.latencies_s: list[float] = []
        self.errors = 0
        self.first_error = ""

    def _fill(self) -> None:
        """Open what is missing, each with its first request."""
        try:
            while len(self.open) < self.connections:
                self._connect()
        except OSError as error:
            self._failed(f"{type(error).__name__}: {error}")
            time.sleep(0.01)  # a server that takes no connection is no reason to spin

    def _connect(self) -> None:
        sock = socket.create_connection(self.address, timeout=LONGEST_WAIT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open[sock.fileno()] = _Connection(sock, 0.0)
        self.poll.register(sock.fileno(), select.EPOLLIN)
        self._send(self.open[sock.fileno()])

    def run_until(self, end_s: float) -> None:
        """Answer after answer; stops early when nothing comes back any more."""
        while (now_s := time.perf_counter()) < end_s:
            if len(self.open) < self.connections:
                self._fill()
            if not self.open:
                continue
            for number, _ in self.poll.poll(LONGEST_WAIT_S):
                self._receive(number, self.open[number])
            if time.perf_counter() - now_s > 0.99 * LONGEST_WAIT_S:
                self._failed(f"no answer within {LONGEST_WAIT_S:g} s")
                return

    def close(self) -> None:
        """Drop what is under way."""
        for connection in self.open.values():
            connection.sock.close()
        self.poll.close()

    def _send(self, connection: _Connection) -> None:
        request = self.requests[self.next % len(self.requests)]
        self.next += 1
        connection.begun_s = time.perf_counter()
        connection.sock.sendall(request)

    def _receive(self, number: int, connection: _Connection) -> None:
        response = connection.response
        try:
            data = connection.sock.recv(_BLOCK_BYTES)
            response.feed(data)
            if not response.complete and data:
                return
            wrong = self._wrong(response)
            if wrong:
                self._failed(wrong)
            else:
                self.latencies_s.append(time.perf_counter() - connection.begun_s)
            if data and not response.should_close():
                connection.response = Response()
                self._send(connection)
                return
        except (OSError, HTTPParseError) as error:
            self._failed(f"{type(error).__name__}: {error}")
        self.poll.unregister(number)
        del self.open[number]
        connection.sock.close()

    def _wrong(self, response: Response) -> str:
        if not response.complete:
            return "closed before the answer was complete"
        if response.get_code() != 200:
            return f"status {response.get_code()}: {bytes(response.body[:200])!r}"
        if response.body.count(b'"score"') != 1:
            return f"not one prediction: {bytes(response.body[:200])!r}"
        return ""

    def _failed(self, reason: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or reason


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    # As in an open loop: a client on another machine would not wait for a CPU of the server's.
    with real_time():
        print(json.dumps(asdict(saturate(**json.load(sys.stdin)))))
