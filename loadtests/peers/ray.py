# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "numpy==2.4.6",
#     "onnxruntime==1.31.1",
#     "ray[serve]==2.60.0",
#     "tokenizers==0.22.2",
# ]
# [tool.optbuild]
# settings = [
#     {workers = "cpus", threads = 1, batch = 1, ha_proxy = 1, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 2, ha_proxy = 1, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 4, ha_proxy = 1, pinned = 1},
#     {workers = "cpus", threads = 1, batch = 8, ha_proxy = 1, pinned = 1},
#     {workers = "cpus+1", threads = 1, batch = 1, ha_proxy = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 1, ha_proxy = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 1, ha_proxy = 0, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 4, ha_proxy = 1, pinned = 0},
#     {workers = "cpus", threads = 1, batch = 8, ha_proxy = 1, pinned = 0},
#     {workers = 1, threads = "cpus", batch = 1, ha_proxy = 1, pinned = 0},
#     {workers = 1, threads = "cpus", batch = 8, ha_proxy = 1, pinned = 0},
# ]
# ///
"""Ray Serve: a replica for each CPU, or one with a thread for each, with `@serve.batch`.

`RAY_SERVE_THROUGHPUT_OPTIMIZED` and `RAY_SERVE_ENABLE_HA_PROXY` (HAProxy in the place of the proxy
in Python; `ray[serve]` brings it) are what Ray's guide for high throughput names; the access log
of proxies and replicas is off. A batch waits for 1 ms at most. A replica runs the model on a thread
of its own, so that its event loop stays free; with `pinned`, that stays on a CPU of its own.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from loadtests.peers._model import Answer, Model
from loadtests.peers._settings import HOST, cpus, number, pin, port, scratch, setting

# Read when serve is imported, in the replicas too: hence before the imports below.
os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] = "1"
os.environ["RAY_SERVE_ENABLE_HA_PROXY"] = str(setting("ha_proxy"))
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Ray writes the token of its cluster below the home directory; this one is gone afterwards.
os.environ["HOME"] = str(scratch())

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

LONGEST_WAIT_S = 0.001
LOGGING = {"enable_access_log": False}  # as of ours, and of every other peer but BentoML's tutorial
MOST_ONGOING = 256  # of a replica; above what the proxy is ever sent here
Asked = TypeVar("Asked")
Found = TypeVar("Found")


@serve.deployment(
    num_replicas=setting("workers"),
    max_ongoing_requests=MOST_ONGOING,
    ray_actor_options={"num_cpus": min(setting("threads"), cpus() / setting("workers"))},
)
class Classifier:
    """One replica."""

    def __init__(self) -> None:
        self.model = Model(setting("threads"))
        # One pass at a time: asyncio's own pool would begin several, which share the CPUs.
        self.lane = ThreadPoolExecutor(max_workers=1, initializer=self.settle)
        self.answer = self.alone if setting("batch") == 1 else self.together

    def settle(self) -> None:
        """On the thread that runs the model."""
        if setting("pinned"):
            pin(number())

    async def alone(self, texts: list[str]) -> Answer:
        """The answer to one request."""
        return await self.run(self.model.predict, texts)

    @serve.batch(  # type: ignore[untyped-decorator]  # ray is not installed here
        max_batch_size=max(2, setting("batch")), batch_wait_timeout_s=LONGEST_WAIT_S
    )
    async def together(self, requests: list[list[str]]) -> list[Answer]:
        """The answers to several requests."""
        return await self.run(self.model.predict_many, requests)

    async def run(self, what: Callable[[Asked], Found], about: Asked) -> Found:
        """Do this on the thread that runs the model."""
        return await asyncio.get_running_loop().run_in_executor(self.lane, what, about)

    async def __call__(self, request: Request) -> Any:
        """Answer a request."""
        return JSONResponse(await self.answer((await request.json())["texts"]))


if __name__ == "__main__":
    ray.init(
        num_cpus=cpus(),
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=str(scratch()),
    )
    serve.start(http_options={"host": HOST, "port": port()}, logging_config=LOGGING)
    application = Classifier.bind()  # type: ignore[attr-defined]  # `deployment` has made it one
    serve.run(application, route_prefix="/predict", logging_config=LOGGING)
    # Ray has its own handler, which ends in a core dump; interrupted, it leaves in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        serve.shutdown()
        ray.shutdown()
