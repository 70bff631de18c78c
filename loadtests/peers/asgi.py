# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "httptools==0.9.0",
#     "numpy==2.4.6",
#     "onnxruntime==1.31.1",
#     "tokenizers==0.22.2",
#     "uvicorn==0.54.0",
#     "uvloop==0.23.0",
# ]
# [tool.optbuild]
# settings = [
#     {workers = 1, lanes = "cpus", batch = 1, pinned = 1},
#     {workers = 1, lanes = "cpus", batch = 2, pinned = 1},
#     {workers = 1, lanes = "cpus", batch = 4, pinned = 1},
#     {workers = 1, lanes = "cpus", batch = 8, pinned = 1},
#     {workers = 1, lanes = "cpus", batch = 4, pinned = 0},
#     {workers = 1, lanes = "cpus+1", batch = 1, pinned = 0},
#     {workers = 1, lanes = 1, batch = 1, pinned = 0},
#     {workers = 1, lanes = 1, batch = 8, pinned = 0},
#     {workers = "cpus", lanes = 1, batch = 1, pinned = 1},
#     {workers = "cpus", lanes = 1, batch = 2, pinned = 1},
#     {workers = "cpus", lanes = 1, batch = 8, pinned = 1},
#     {workers = "cpus", lanes = 1, batch = 1, pinned = 0},
#     {workers = "cpus", lanes = 1, batch = 8, pinned = 0},
# ]
# ///
"""Bare ASGI under uvicorn: no framework at all, and the simplest batcher that is worth having.

The model runs on threads of its own, never on the event loop. A free thread takes what waits, up
to `batch` requests, and never waits for more. uvloop and httptools, as uvicorn's documentation
recommends; no access log. Three shapes are tried: one process with a lane for each CPU, one with a
single lane whose passes take every CPU, and a process for each CPU with a socket of its own on the
same port (`SO_REUSEPORT`: of one shared socket, one process can take every connection). With
`pinned`, each lane stays on a CPU of its own.
"""

import asyncio
import json
import multiprocessing
import queue
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from multiprocessing.synchronize import Barrier
from typing import Any

import uvicorn

from loadtests.peers._model import Answer, Model
from loadtests.peers._settings import HOST, cpus, pin, port, setting

LONGEST_LOAD_S = 120.0
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Waiting = tuple[list[str], "asyncio.Future[Answer]"]


class Batcher:
    """Threads that run the model on whatever waits."""

    def __init__(
        self, process: int, lanes: int, most: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.waiting: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self.most = most
        self.loop = loop
        workers = setting("workers")
        self.model = Model(threads=max(1, cpus() // (workers * lanes)))
        for lane in range(lanes):
            number = process * lanes + lane
            threading.Thread(target=self._lane, args=(number,), daemon=True).start()

    async def predict(self, texts: list[str]) -> Answer:
        """The answer to one request."""
        answer: asyncio.Future[Answer] = self.loop.create_future()
        self.waiting.put((texts, answer))
        return await answer

    def _lane(self, number: int) -> None:
        if setting("pinned"):
            pin(number)
        while True:
            batch = [self.waiting.get()]
            while len(batch) < self.most:
                try:
                    batch.append(self.waiting.get_nowait())
                except queue.Empty:
                    break
            answers = self.model.predict_many([texts for texts, _ in batch])
            self.loop.call_soon_threadsafe(_tell, batch, answers)


def _tell(batch: list[Waiting], answers: list[Answer]) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if not future.cancelled():
            future.set_result(answer)


class App:
    """The ASGI application."""

    batcher: Batcher

    def __init__(self, process: int, loaded: Barrier) -> None:
        self.process = process
        self.loaded = loaded  # in every process: none listens before

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Load the model at startup, then answer `POST /predict`."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["path"] != "/predict":
            await _send(send, 404, b"{}")
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = await self.batcher.predict(json.loads(body)["texts"])
        await _send(send, 200, json.dumps(answer).encode())

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = (await receive())["type"]
            if event == "lifespan.startup":
                loop = asyncio.get_running_loop()
                self.batcher = Batcher(self.process, setting("lanes"), setting("batch"), loop)
                self.loaded.wait()
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return


async def _send(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(process: int, loaded: Barrier) -> None:
    """One process: serve until told to stop."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((HOST, port()))
    config = uvicorn.Config(
        App(process, loaded),
        loop="uvloop",
        http="httptools",
        lifespan="on",  # a model that does not load ends the process
        access_log=False,
        log_level="warning",
    )
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    # Uvicorn ends by the signal that it was told to end by: leave in order, and take the others.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    processes = multiprocessing.get_context("spawn")
    together = processes.Barrier(setting("workers"), timeout=LONGEST_LOAD_S)
    for process in range(1, setting("workers")):
        processes.Process(target=serve, args=(process, together), daemon=True).start()
    serve(0, together)
