"""A small HTTP server that does what the text of a request says."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

GOOD = json.dumps([{"label": "positive", "score": 0.9}]).encode()

# What the server does when it is asked for the text of this name; the rest is `ok`.
ANSWERS: dict[str, tuple[int, bytes]] = {
    "429": (429, b"{}"),
    "503": (503, b"{}"),
    "500": (500, b"oops"),
    "404": (404, b""),
    "two": (200, json.dumps([{"label": "a", "score": 1}] * 2).encode()),
    "html": (200, b"<html>"),
}


@dataclass
class Server:
    """Listens on a port of its own; `asked` holds (connection, text) in order of arrival."""

    port: int
    asked: list[tuple[int, str]] = field(default_factory=list)
    connections: int = 0
    numbers: list[str] = field(default_factory=list)  # X-Request-ID of each, empty if it had none

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving() -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    state = Server(listener.getsockname()[1])

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            state.connections += 1
            arguments = (state, connection, state.connections)
            threading.Thread(target=_converse, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield state
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _converse(state: Server, connection: socket.socket, number: int) -> None:
    served = 0
    with connection, connection.makefile("rb") as stream:
        while text := _read_request(state, stream):
            state.asked.append((number, text))
            served += 1
            if not _answer(connection, text, served):
                return


def _read_request(state: Server, stream: object) -> str:
    length, number = 0, ""
    try:
        while (line := stream.readline()) not in (b"\r\n", b""):  # type: ignore[attr-defined]
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            if line.lower().startswith(b"x-request-id:"):
                number = line.split(b":")[1].strip().decode()
        if length:
            state.numbers.append(number)
        return json.loads(stream.read(length))["texts"][0] if length else ""  # type: ignore
    except OSError:
        return ""


def _answer(connection: socket.socket, text: str, served: int) -> bool:
    """Do what the text says; False closes the connection."""
    status, body = ANSWERS.get(text, (200, GOOD))
    length = len(body)
    if text.startswith("slow "):
        time.sleep(float(text.split()[1]))
    if text == "hang":
        time.sleep(60)
    if text == "garbage":
        connection.sendall(b"this is not HTTP\r\n\r\n")
        return False
    if text == "begun reset":
        connection.sendall(b"HTTP/1.1 200")
        time.sleep(0.02)
    if text in ("reset", "begun reset"):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return False
    if text == "close" or (text == "stale" and served > 1):
        return False
    if text == "late close" and served > 1:
        time.sleep(0.2)
        return False
    if text == "cut":
        length += 10
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n".encode()
    try:
        connection.sendall(head + body)
    except OSError:
        return False
    if text == "idle close":
        time.sleep(0.05)
        return False
    return text != "cut"
