# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.optbuild]
# settings = [{score = 1, die = 0}]
# ///
"""A peer without a model; its settings say what is wrong with it."""

import http.server
import json
import os
import sys

if os.environ["PEER_DIE"] == "1":
    sys.exit("there is no such accelerator")
SCORE = float(os.environ["PEER_SCORE"])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The whole answer in one write, or delayed acknowledgements make it one of 40 ms.
    wbufsize = -1

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["texts"]
        answer = json.dumps([{"label": "positive", "score": SCORE}] * len(texts)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    address = ("127.0.0.1", int(os.environ["PEER_PORT"]))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()
