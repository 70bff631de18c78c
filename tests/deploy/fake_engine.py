"""A container engine as far as an image's build needs one: the API over HTTP, no containers."""

import http.server
import json
import threading
from typing import Self

BASE = "base:1"


class FakeEngine:
    """Has the base image and builds nothing: a build says `lines`, then ends or breaks off.

    `built`: whether the image is there after a build.
    """

    def __init__(
        self,
        lines: list[dict[str, str]],
        *,
        breaks: bool = False,
        built: bool = False,
        base: bool = True,
    ) -> None:
        self.lines = lines
        self.breaks = breaks
        self.built = built
        self.base = base
        self.contexts: list[bytes] = []
        self.queries: list[str] = []

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path.endswith("/_ping"):
                    self._answer(200, "OK")
                elif self.path.endswith("/version"):
                    self._answer(200, {"ApiVersion": "1.41", "MinAPIVersion": "1.12"})
                elif f"/images/{BASE}/json" in self.path and engine.base:
                    self._answer(200, {"Id": "sha256:ba5e", "Size": 1})
                elif "/images/optbuild/" in self.path and engine.built and engine.contexts:
                    self._answer(200, {"Id": "sha256:1", "Size": 300_000_000, "RepoTags": []})
                else:
                    self._answer(404, {"message": "No such image"})

            def do_POST(self) -> None:
                body = self._body()
                if "/build" not in self.path:  # a pull
                    self._answer(404, {"message": "no such image, and no registry"})
                    return
                engine.contexts.append(body)
                engine.queries.append(self.path)
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for line in engine.lines:
                    chunk = json.dumps(line).encode() + b"\r\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                if engine.breaks:
                    self.close_connection = True
                    return
                self.wfile.write(b"0\r\n\r\n")

            def _body(self) -> bytes:
                if "Content-Length" in self.headers:
                    return self.rfile.read(int(self.headers["Content-Length"]))
                body = b""
                while self.headers.get("Transfer-Encoding") == "chunked" and (
                    size := int(self.rfile.readline(), 16)
                ):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                return body

            def _answer(self, status: int, content: object) -> None:
                body = content if isinstance(content, str) else json.dumps(content)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
