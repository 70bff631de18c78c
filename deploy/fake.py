"""A target without BentoML or a model: answers the HTTP contract after a fixed time.

For tests of what stands around a server, and for trying an experiment out in seconds.
"""

import http.server
import json
import threading
import time
from typing import Self


class FakeTarget:
    """A threaded HTTP server in this process; each answer takes `service_s` seconds."""

    def __init__(self, service_s: float = 0.0) -> None:
        self.service_s = service_s

    @property
    def url(self) -> str:
        """Base URL, valid inside the context."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Listen on a free port."""
        service_s = self.service_s

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the name that http.server calls
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(service_s)
                texts = json.loads(body)["texts"]
                answer = json.dumps([{"label": "positive", "score": 1.0}] * len(texts)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a test's output is the test's."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
