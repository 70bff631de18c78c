"""The NodePort of a fake cluster: passes requests to ready pods, which take a moment each."""

import http.server
import json
import time

from fake_controllers import ready
from fake_http import Quiet, Server
from fake_store import Store

SERVICE_S = 0.01


class Front:
    """Answers where a pod does; a pod that is killed takes its requests along."""

    def __init__(self, store: Store) -> None:
        turn = iter(range(10**9))

        class Handler(Quiet, http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._serve(b"")

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                texts = json.loads(self.rfile.read(length))["texts"]
                self._serve(json.dumps([{"label": "positive", "score": 1.0}] * len(texts)).encode())

            def _serve(self, body: bytes) -> None:
                with store.changed:
                    able = [
                        pod["metadata"]["name"]
                        for pod in store.all("pods")
                        if ready(pod) and "deletionTimestamp" not in pod["metadata"]
                    ]
                if able:
                    pod = able[next(turn) % len(able)]
                    time.sleep(SERVICE_S)
                    if store.get("pods", pod) is None:  # it went without finishing this
                        self.close_connection = True
                        return
                self.send_response(200 if able else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = Server(Handler)
        self.port = self.server.server_port
        self.close = self.server.close
