"""The lean request path beside bare ASGI, both without a model: what is left of the framework.

    python tests/benchmarks/bench_lean.py [--spec onnx+lean] [--repeats 8] [--seconds 3]

Three servers: a real Bento of the spec, built and served by BentoML, whose predictor is a stub that
returns constant rows (`predict`); the same Bento, whose middleware reads the body and sends a
constant answer (`endpoint`: what BentoML and uvicorn leave); and an ASGI function that does that,
one uvicorn process on uvloop and httptools (`bare`). The same closed loop at 16 and at 64
connections, interleaved; ratios with their exact signed-rank interval over the repeats. A
benchmark, not a test.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from ratios import ratio
from turns import in_turn, saturated

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from builder import bento  # noqa: E402
from builder.artifacts import Artifact  # noqa: E402
from builder.asking import predict  # noqa: E402
from builder.export import GRAPH, WEIGHTS  # noqa: E402
from builder.model import Model  # noqa: E402
from builder.prepare import Prepared  # noqa: E402
from deploy.child import Child  # noqa: E402
from deploy.local import Server, free_port  # noqa: E402
from variants._errors import OptbuildError  # noqa: E402
from variants._spec import compose  # noqa: E402

HOST = "127.0.0.1"
CONNECTIONS = (16, 64)
BODY = b'[{"label":"positive","score":0.75}]'
BAR = 0.6  # of bare ASGI, by an endpoint that does nothing
STUB = '''"""A predictor without a model."""

import numpy as np


class OnnxPredictor:
    tokenize = None

    def __init__(self, variant, threads):
        self.row = np.array([[0.25, 0.75]], dtype=np.float32)

    def probabilities(self, texts):
        return self.row.repeat(len(texts), axis=0)

    classify = probabilities
'''

NOTHING = """

from bentofiles.contract import send_answer
from bentofiles.lean import Lean


async def nothing(self, scope, receive, send):
    if scope["type"] != "http" or scope["path"] != "/predict":
        return await self.app(scope, receive, send)
    while (await receive()).get("more_body"):
        pass
    await send_answer(send, 200, %r)


Lean.__call__ = nothing
"""

Message = MutableMapping[str, Any]


async def bare(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]
) -> None:
    """Read the body, send a constant answer."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


def build_stub(spec: str, folder: Path, nothing: bool) -> Path:
    """A Bento of the spec that serves the stub, or nothing."""
    (folder / "model").mkdir()
    for name in ("tokenizer.json", GRAPH, WEIGHTS):
        (folder / "model" / name).write_text("{}")
    prepared = Prepared(folder / "model", 1, ("negative", "positive"), 512, 1, "<pad>")
    staged = bento.stage(
        folder / "sources",
        compose(spec),
        Model("stub", "synthetic", "stub" * 16, None),
        prepared,
        Artifact(folder / "model", {}, "stub"),
    )
    (staged.sources / "bentofiles" / "onnx_predictor.py").write_text(
        STUB + (NOTHING % BODY if nothing else "")
    )
    return bento.build(staged, folder / "home")


@contextmanager
def serving_bare(log: Path) -> Iterator[str]:
    """The URL of the ASGI function under uvicorn."""
    port = free_port(HOST, 0)
    options = [f"--app-dir={Path(__file__).parent}", f"--host={HOST}", f"--port={port}"]
    options += ["--loop=uvloop", "--http=httptools", "--lifespan=off", "--log-level=warning"]
    app = f"{Path(__file__).stem}:bare"
    with Child(["-m", "uvicorn", app, "--no-access-log", *options], log) as child:
        url = f"http://{HOST}:{port}"
        while child.process.poll() is None:
            try:
                predict(url, ["A film."])
                break
            except OptbuildError:  # not there yet
                time.sleep(0.1)
        yield url


def build_apart(spec: str, folder: Path, nothing: bool) -> Path:
    """`build_stub` in a process of its own: BentoML keeps the first service that it imports."""
    folder.mkdir()
    command = [sys.executable, __file__, "--spec", spec, "--build", str(folder)]
    command += ["--nothing"] if nothing else []
    path = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Path(path.splitlines()[-1])


def show(connections: int, rps: Mapping[str, Sequence[float]], client_cpu: float) -> float:
    """A line for each server; returns the endpoint's ratio to bare ASGI."""
    print(f"{connections} connections; the client took up to {client_cpu:.0%} of a core")
    print(f"  bare ASGI: {median(rps['bare']):.0f}/s")
    estimates = {}
    for name in ("endpoint", "predict"):
        found = ratio(rps[name], rps["bare"])
        print(f"  {name}: {median(rps[name]):.0f}/s, ratio {found.text(2)}")
        estimates[name] = found.estimate
    return estimates["endpoint"]


def main() -> int:
    """Build, serve all, measure in turn, print; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default="onnx+lean")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--nothing", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        print(build_stub(options.spec, options.build, options.nothing))
        return 0
    kept = True
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as servers:
        folder = Path(scratch)
        urls = {"bare": servers.enter_context(serving_bare(folder / "bare.log"))}
        for name in ("endpoint", "predict"):
            bento = build_apart(options.spec, folder / name, name == "endpoint")
            urls[name] = servers.enter_context(Server(bento, folder / f"{name}.log")).url
        for connections in CONNECTIONS:
            rps: dict[str, list[float]] = {name: [] for name in urls}
            cpu = 0.0
            for name in in_turn(urls, options.repeats):
                load = ["A film."], connections, options.seconds
                found = saturated(name, urls[name], *load, folder / "client.log")
                rps[name].append(found.rps)
                cpu = max(cpu, found.client_cpu_s * found.rps)
            kept &= show(connections, rps, cpu) >= BAR
    print(f"endpoint at least {BAR} of bare ASGI: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
