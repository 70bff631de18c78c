"""What a connection writes to and is paused by, instead of a socket."""

import asyncio
from collections.abc import Awaitable, Callable

from uvicorn import Config
from uvicorn.server import ServerState

from bentofiles.asgi import App
from bentofiles.connection import Connection


class Wire(asyncio.Transport):
    """Keeps what is written, one by one."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.writes: list[bytes] = []
        self.closed = False
        self.reads = True
        self.unread_bytes = 1 << 17
        self.connection: Connection | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """As uvloop does, which sends nothing of a closed connection."""
        if self.closed:
            raise RuntimeError("the handler is closed")
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        """The connection hears of it later, as from an event loop."""
        if not self.closed and self.connection:
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


def connect(app: App) -> tuple[Connection, Wire]:
    """A connection to a server of this application, just opened."""
    config = Config(app, lifespan="off", log_config=None)
    config.load()
    connection, wire = Connection(config, ServerState(), {}), Wire()
    wire.connection = connection
    connection.connection_made(wire)
    return connection, wire


def converse(app: App, talk: Callable[[Connection, Wire], Awaitable[None]]) -> Wire:
    """What is left of a connection after all that `talk` has asked for is done."""

    async def run() -> Wire:
        connection, wire = connect(app)
        await talk(connection, wire)
        while connection.tasks:
            await asyncio.gather(*connection.tasks)
        return wire

    return asyncio.run(run())


async def settle() -> None:
    """Let tasks run until they wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)
