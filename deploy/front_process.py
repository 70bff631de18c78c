"""`python -m deploy.front_process FILE`: one address in front of several replicas.

A small stand-in for a Service with an ingress, for targets that have none. Each request goes to
the next ready replica in turn. Nothing is tried twice, because a repeat would hide the loss that
is to be measured: 503 if no replica is ready, and where a replica breaks its connection before the
answer is complete, the client's is reset, as it would be without a front.

FILE gets a line for each request that bears a number (X-Request-ID): the number, and the replica
that it goes to. Prints its port; then each line on stdin is the state of things as JSON, and is
answered by a line: `{"ready": {name: port}, "cut": [names], "slow": {name: seconds}}`. Ends when
stdin does.
"""

import asyncio
import contextlib
import json
import re
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

HEAD_BYTES = 65536
_HOP = re.compile(rb"\r\n(?:connection|keep-alive|proxy-connection):[^\r]*", re.IGNORECASE)
_NUMBER = re.compile(rb"\r\nx-request-id:\s*(\d+)", re.IGNORECASE)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


@dataclass
class State:
    """Who may get requests, and whose bytes do not pass."""

    ledger: TextIO
    ready: dict[str, int] = field(default_factory=dict)
    turn: int = 0
    flows: dict[str, asyncio.Event] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)

    def update(self, ready: dict[str, int], cut: list[str], slow: dict[str, float]) -> None:
        """Take over a new state; what is under way goes on."""
        self.ready, self.slow = ready, slow
        for name in {*ready, *self.flows}:
            flow = self.flows.setdefault(name, asyncio.Event())
            flow.clear() if name in cut else flow.set()

    def next(self) -> tuple[str, int] | None:
        """The replica whose turn it is; None if none is ready."""
        if not self.ready:
            return None
        self.turn += 1
        names = sorted(self.ready)
        name = names[self.turn % len(names)]
        return name, self.ready[name]


async def serve_client(
    state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Requests of one client connection, one after the other."""
    gone = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)
    with contextlib.suppress(*gone), contextlib.closing(writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            answer = await _answer(state, head, body)
            if answer is None:
                _reset(writer)
                return
            writer.write(answer)
            await writer.drain()


async def _answer(state: State, head: bytes, body: bytes) -> bytes | None:
    """The answer for the client; None if the replica broke before it was complete."""
    found = state.next()
    if found is None:
        return _own(b"503 Service Unavailable", b"no replica is ready")
    name, port = found
    if (number := _NUMBER.search(head)) is not None:
        state.ledger.write(f"{int(number[1])} {name}\n")
    try:
        await asyncio.sleep(state.slow.get(name, 0.0))
        answer = await _exchange(state.flows[name], port, head, body)
    except OSError:
        return None
    split = answer.find(b"\r\n\r\n") + 4
    length = _LENGTH.search(answer[:split])
    if split < 4 or (length is not None and len(answer) - split < int(length[1])):
        return None
    if length is None or len(answer) - split > int(length[1]):
        return _own(b"502 Bad Gateway", name.encode() + b" gave no answer of a known length")
    return _HOP.sub(b"", answer[: split - 4]) + answer[split - 4 :]


async def _exchange(flow: asyncio.Event, port: int, head: bytes, body: bytes) -> bytes:
    """The whole answer, on a connection of its own: none can be stale."""
    await flow.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(writer):
        writer.write(_HOP.sub(b"", head[:-4]) + b"\r\nConnection: close\r\n\r\n" + body)
        answer = await reader.read(-1)
        await flow.wait()
        return answer


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close the client's connection as the kernel does for a process that was killed: RST."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


def _own(status: bytes, reason: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(reason), reason)


async def main() -> None:
    """Serve until stdin ends."""
    # Who started it ends it, by closing stdin: after the replicas, not together with them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Path(sys.argv[1]).open("w", encoding="ascii", buffering=1) as ledger:
        await _serve(State(ledger))


async def _serve(state: State) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: serve_client(state, reader, writer),
        "127.0.0.1",
        0,
        limit=HEAD_BYTES,
        backlog=1024,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    loop, stdin = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        news = json.loads(line)
        state.update(news["ready"], news["cut"], news["slow"])
        print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
