# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "httptools==0.9.0",
#     "numpy==1.26.4",
#     "nvidia-pytriton==0.7.0",
#     "onnxruntime==1.31.1",
#     "tokenizers==0.22.2",
#     "uvicorn==0.54.0",
#     "uvloop==0.23.0",
# ]
# [tool.optbuild]
# settings = [
#     {workers = "cpus", threads = 1, batch = 1, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 2, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 4, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 8, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 4, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 8, pinned = 0},
#     {workers = "cpus+1", threads = 1, batch = 8, pinned = 0},
#     {workers = 1, threads = "cpus", batch = 1, pinned = 0},
#     {workers = 1, threads = "cpus", batch = 8, pinned = 0},
# ]
# ///
"""NVIDIA Triton through pytriton: instances of the model, dynamic batching without a delay.

Triton speaks its own protocol (KServe v2), so a front of ours translates `POST /predict`; see
`_triton_front.py`. What that costs is part of this peer's figures, because whoever wants this
contract from Triton pays for it: about 0.2 ms of CPU time a request, a fifteenth of what Triton
and the bundled model take. It runs in a process of its own. With `pinned`, each instance's thread
stays on a CPU of its own. (pytriton takes no numpy 2.)
"""

import multiprocessing
import os
import signal
import socket
import sysconfig
from collections.abc import Callable
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from loadtests.peers import _triton_front
from loadtests.peers._model import Model
from loadtests.peers._settings import HOST, pin, port, scratch, setting

Arrays = list[Any]


def instance(number: int) -> Callable[..., Arrays]:
    """A model of its own for one instance, whose calls all come on one thread of Triton's."""
    model = Model(setting("threads"))

    @batch  # type: ignore[untyped-decorator]  # pytriton is not installed here
    def infer(texts: Any) -> Arrays:
        """Texts as bytes, shape (n, 1), to label indices and scores, each of shape (n, 1)."""
        if setting("pinned"):
            pin(number)
        indices, scores = model.best([text.decode() for text in texts[:, 0]])
        return [
            np.array(indices, dtype=np.int32)[:, None],
            np.array(scores, dtype=np.float32)[:, None],
        ]

    found: Callable[..., Arrays] = infer
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        found: int = probe.getsockname()[1]
        return found


if __name__ == "__main__":
    # Triton's Python stub is linked with libpython: with this Python's, not with the system's.
    libraries = (sysconfig.get_config_var("LIBDIR"), os.environ.get("LD_LIBRARY_PATH"))
    os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, libraries))
    http_port = free_port()
    config = TritonConfig(
        http_address=HOST,
        http_port=http_port,
        allow_grpc=False,
        allow_metrics=False,
        log_verbose=0,
    )
    with Triton(config=config, workspace=str(scratch() / "triton")) as triton:
        most = setting("batch")
        triton.bind(
            model_name=_triton_front.MODEL,
            infer_func=[instance(number) for number in range(setting("workers"))],
            inputs=[Tensor(name="texts", dtype=np.bytes_, shape=(1,))],
            outputs=[
                Tensor(name="index", dtype=np.int32, shape=(1,)),
                Tensor(name="score", dtype=np.float32, shape=(1,)),
            ],
            config=ModelConfig(
                max_batch_size=most, batcher=DynamicBatcher(max_queue_delay_microseconds=0)
            ),
            strict=False,
        )
        triton.run()
        front = multiprocessing.get_context("spawn").Process(
            target=_triton_front.serve, args=(HOST, port(), http_port, most), daemon=True
        )
        front.start()

        def end(*_: object) -> None:
            """Take the front along."""
            front.terminate()
            os._exit(0)  # Triton ends with its parent; stopping it in order takes 15 s and more

        signal.signal(signal.SIGTERM, end)
        front.join()
