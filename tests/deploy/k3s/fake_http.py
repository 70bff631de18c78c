"""An HTTP server in a thread of this process."""

import http.server
import threading
from collections.abc import Callable

POLL_S = 0.02  # how soon it notices that it should end


class Server(http.server.ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1 until it is closed."""

    daemon_threads = True

    def __init__(self, handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, args=[POLL_S], daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that has gone is none."""


class Quiet:
    """For a handler: keeps connections, and its thoughts to itself."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client

    def log_message(self, format: str, *args: object) -> None:
        pass
