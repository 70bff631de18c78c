# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "fastapi[standard]==0.165.0",
#     "numpy==2.4.6",
#     "onnxruntime==1.31.1",
#     "tokenizers==0.22.2",
# ]
# [tool.optbuild]
# settings = [
#     {workers = "cpus", threads = 1, tokens = 1, pinned = 1},
#     {workers = "cpus", threads = 1, tokens = 40, pinned = 0},
#     {workers = "cpus", threads = 1, tokens = 1, pinned = 0},
#     {workers = 1, threads = 1, tokens = 40, pinned = 0},
#     {workers = 1, threads = 1, tokens = "cpus", pinned = 0},
#     {workers = 1, threads = "cpus", tokens = 40, pinned = 0},
#     {workers = 1, threads = "cpus", tokens = 1, pinned = 0},
# ]
# ///
"""FastAPI as its tutorial has it: the model in the lifespan, a pydantic body, a plain `def`.

A plain `def` runs in FastAPI's thread pool, so the event loop stays free. Its 40 threads are what
the tutorial leaves; as many passes at a time take the CPUs from each other, so that fewer `tokens`
of its limiter are tried too. FastAPI brings no batching. `fastapi run --workers N` is uvicorn with
uvloop and httptools, which is what is called here, without its access log. With `pinned`, what runs
the model in a worker stays on a CPU of its own. (Not the lanes of a single worker: the pool's
threads come and go, and have no numbers.)
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from pydantic import BaseModel

from loadtests.peers._model import Model
from loadtests.peers._settings import HOST, number, pin, port, setting

models: dict[str, Model] = {}


class Request(BaseModel):
    """The body of a request."""

    texts: list[str]


class Prediction(BaseModel):
    """The most probable label of a text and its probability."""

    label: str
    score: float


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request."""
    current_default_thread_limiter().total_tokens = setting("tokens")  # each event loop has its own
    models["classifier"] = Model(setting("threads"))
    yield
    models.clear()


app = FastAPI(lifespan=lifespan)


@app.post("/predict")  # type: ignore[untyped-decorator]  # fastapi is not installed here
def predict(request: Request) -> list[Prediction]:
    """The most probable label of each text."""
    if setting("pinned"):
        pin(number())  # by each thread: the pool starts one when it needs one
    return [Prediction(**item) for item in models["classifier"].predict(request.texts)]


if __name__ == "__main__":
    uvicorn.run(
        "loadtests.peers.fastapi:app",
        host=HOST,
        port=port(),
        workers=setting("workers"),
        access_log=False,
        log_level="warning",
    )
