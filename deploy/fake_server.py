"""`python -m deploy.fake_server PORT`: a server of the HTTP contract without a model.

It loads for `--load-s`, answers after `--service-s`, and on SIGTERM it finishes what is under way,
as the real one does. For trying disruptions out in seconds.
"""

import argparse
import http.server
import json
import signal
import threading
import time

ANSWER = {"label": "positive", "score": 1.0}


class Handler(http.server.BaseHTTPRequestHandler):
    """GET: alive and ready. POST: an answer for each text."""

    protocol_version = "HTTP/1.1"
    service_s = 0.0

    def do_GET(self) -> None:
        """`/livez`, `/readyz` and whatever else is asked."""
        self._say(b"")

    def do_POST(self) -> None:
        """`/predict`."""
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
        time.sleep(self.service_s)
        self._say(json.dumps([ANSWER] * len(texts)).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    """Closing it waits for the requests under way."""

    daemon_threads = False
    request_queue_size = 512


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--service-s", type=float, default=0.0)
    parser.add_argument("--load-s", type=float, default=0.0)
    options = parser.parse_args()
    Handler.service_s = options.service_s
    time.sleep(options.load_s)
    server = Server((options.host, options.port), Handler)
    # `shutdown` waits for the loop that this very thread runs, so another must call it.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    server.server_close()


if __name__ == "__main__":
    main()
