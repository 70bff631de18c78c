# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "mosec==0.9.8",
#     "numpy==2.4.6",
#     "onnxruntime==1.31.1",
#     "tokenizers==0.22.2",
# ]
# [tool.optbuild]
# settings = [
#     {workers = "cpus", threads = 1, batch = 1, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 2, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 4, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 8, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 8, pinned = 0},
#     {workers = "cpus+1", threads = 1, batch = 1, pinned = 0},
#     {workers = 1, threads = "cpus", batch = 1, pinned = 0},
#     {workers = 1, threads = "cpus", batch = 8, pinned = 0},
# ]
# ///
"""mosec: a web server in Rust that feeds Python workers: one for each CPU, or one with threads.

Its dynamic batching collects up to `batch` requests or for 1 ms, the shortest wait it takes. With
`pinned`, each worker stays on a CPU of its own.
"""

import json
import os
from typing import Any

from mosec import Server, Worker

from loadtests.peers._model import Answer, Model
from loadtests.peers._settings import HOST, pin, port, setting

LONGEST_WAIT_MS = 1
NUMBER = "PEER_NUMBER"  # of a worker


class Classifier(Worker):  # type: ignore[misc]  # mosec is not installed here
    """One worker process."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(setting("threads"))
        if setting("pinned"):
            pin(int(os.environ[NUMBER]))

    def serialize(self, data: Answer) -> bytes:
        """JSON without mosec's default indentation."""
        return json.dumps(data).encode()

    def forward(self, data: Any) -> Any:
        """Answer one request, or, with batching, a list of them."""
        if self.max_batch_size == 1:
            return self.model.predict(data["texts"])
        return self.model.predict_many([request["texts"] for request in data])


if __name__ == "__main__":
    # mosec reads its options from here or from the command line.
    os.environ |= {"MOSEC_ADDRESS": HOST, "MOSEC_PORT": str(port()), "MOSEC_LOG_LEVEL": "warning"}
    os.environ["MOSEC_TIMEOUT"] = "30000"
    server = Server()
    server.append_worker(
        Classifier,
        num=setting("workers"),
        max_batch_size=setting("batch"),
        max_wait_time=LONGEST_WAIT_MS,
        route="/predict",
        env=[{NUMBER: str(number)} for number in range(setting("workers"))],
    )
    server.run()
