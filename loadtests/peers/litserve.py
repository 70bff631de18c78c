# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "litserve==0.2.19",
#     "numpy==2.4.6",
#     "onnxruntime==1.31.1",
#     "tokenizers==0.22.2",
# ]
# [tool.optbuild]
# settings = [
#     {workers = "cpus", threads = 1, batch = 1, fast_queue = 1, fronts = 1, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 2, fast_queue = 1, fronts = 1, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 4, fast_queue = 1, fronts = 1, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 8, fast_queue = 1, fronts = 1, pinned = 1},
#     {workers = "cpus+1", threads = 1, batch = 1, fast_queue = 1, fronts = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 1, fast_queue = 0, fronts = "cpus", pinned = 0},
#     {workers = "cpus", threads = 1, batch = 1, fast_queue = 0, fronts = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 1, fast_queue = 1, fronts = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 4, fast_queue = 1, fronts = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 8, fast_queue = 1, fronts = 1, pinned = 0},
#     {workers = 1, threads = "cpus", batch = 1, fast_queue = 1, fronts = 1, pinned = 0},
#     {workers = 1, threads = "cpus", batch = 8, fast_queue = 1, fronts = 1, pinned = 0},
# ]
# ///
"""LitServe: a worker process for each CPU, or one with a thread for each, and its own batching.

`fast_queue` (ZeroMQ between the HTTP server and the workers) is tried with and without. LitServe
collects a batch until it is full or `batch_timeout` has passed: 1 ms, so that a lone request
hardly waits. One HTTP server (`fronts`) for each worker is its default; one alone leaves more of
the CPUs to the workers. With `pinned`, each worker stays on a CPU of its own.
"""

from typing import Any

import litserve

from loadtests.peers._model import Answer, Model
from loadtests.peers._settings import HOST, number, pin, port, setting

BATCH_TIMEOUT_S = 0.001


class Classifier(litserve.LitAPI):  # type: ignore[misc]  # litserve is not installed here
    """The model's API."""

    def setup(self, device: str) -> None:
        """Load the model in a worker."""
        self.model = Model(setting("threads"))
        if setting("pinned"):
            pin(number())

    def decode_request(self, request: dict[str, Any]) -> list[str]:
        """The texts of a request."""
        texts: list[str] = request["texts"]
        return texts

    def predict(self, texts: Any) -> Any:
        """Answer one request, or, with batching, a list of them."""
        if setting("batch") == 1:
            return self.model.predict(texts)
        return self.model.predict_many(texts)

    def batch(self, inputs: list[list[str]]) -> list[list[str]]:
        """Requests as they are: the model joins their texts."""
        return inputs

    def unbatch(self, output: list[Answer]) -> list[Answer]:
        """One answer a request."""
        return output

    def encode_response(self, output: Answer) -> Answer:
        """The answer as it is."""
        return output


if __name__ == "__main__":
    most = setting("batch")
    server = litserve.LitServer(
        Classifier(max_batch_size=most, batch_timeout=BATCH_TIMEOUT_S if most > 1 else 0.0),
        accelerator="cpu",
        workers_per_device=setting("workers"),
        fast_queue=bool(setting("fast_queue")),
    )
    server.run(
        host=HOST,
        port=port(),
        num_api_servers=setting("fronts"),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
