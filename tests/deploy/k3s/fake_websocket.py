"""The end of a script in a pod, as the API tells it over a WebSocket."""

import base64
import hashlib
import http.server
import json

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
STDERR, ERROR = 2, 3


def accept(handler: http.server.BaseHTTPRequestHandler, failed: bool) -> None:
    key = handler.headers["Sec-WebSocket-Key"].encode()
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    accepted = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
    handler.send_header("Sec-WebSocket-Accept", accepted)
    handler.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
    handler.end_headers()
    status = {"status": "Success"}
    if failed:
        status = {"status": "Failure", "message": "command terminated with exit code 127"}
        frame(handler, 0x82, bytes([STDERR]) + b"sh: nproc: not found\n")
    frame(handler, 0x82, bytes([ERROR]) + json.dumps(status).encode())
    frame(handler, 0x88, (1000).to_bytes(2, "big"))


def frame(handler: http.server.BaseHTTPRequestHandler, kind: int, content: bytes) -> None:
    assert len(content) < 126
    handler.wfile.write(bytes([kind, len(content)]) + content)
