"""The lean request path beside bare ASGI, both without a model: what is left of the framework.

    python tests/benchmarks/bench_lean.py [--spec onnx+lean] [--repeats 8] [--seconds 3]

A real Bento of the spec, built and served by BentoML, whose predictor is a stub that returns
constant rows; and an ASGI function that reads the body and sends a constant answer, one uvicorn
process on uvloop and httptools. The same closed loop at 16 and at 64 connections, interleaved; the
ratio with its exact signed-rank interval over the repeats. A benchmark, not a test.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from analysis._signedrank import hodges_lehmann, signed_rank_interval  # noqa: E402
from builder import bento  # noqa: E402
from builder._peers_probe import saturate  # noqa: E402
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
STUB = '''"""A predictor without a model."""

import numpy as np


class OnnxPredictor:
    def __init__(self, variant, threads):
        self.row = np.array([[0.25, 0.75]], dtype=np.float32)

    def probabilities(self, texts):
        return self.row.repeat(len(texts), axis=0)
'''

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


def build_stub(spec: str, folder: Path) -> Path:
    """A Bento of the spec that serves the stub."""
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
    (staged.sources / "bentofiles" / "onnx_predictor.py").write_text(STUB)
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


def show(connections: int, lean: list[float], plain: list[float], client_cpu: float) -> None:
    """Two lines: the rates, and their ratio."""
    logs = np.log(np.array(lean) / np.array(plain))
    interval = signed_rank_interval(logs)
    assert interval is not None
    print(
        f"{connections} connections: lean {median(lean):.0f}/s, bare ASGI {median(plain):.0f}/s; "
        f"the client took up to {client_cpu:.0%} of a core\n"
        f"  ratio {math.exp(hodges_lehmann(logs)):.3f} ({math.exp(interval.low):.3f} to "
        f"{math.exp(interval.high):.3f}, {interval.confidence:.1%}, {len(lean)} repeats)"
    )


def main() -> None:
    """Build, serve both, measure in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default="onnx+lean")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:  # in a process of its own: BentoML keeps the first service that it imports
        print(build_stub(options.spec, options.build))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        command = [sys.executable, __file__, "--spec", options.spec, "--build", scratch]
        path = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        served = Server(Path(path.splitlines()[-1]), folder / "lean.log")
        log = folder / "client.log"
        with served as server, serving_bare(folder / "bare.log") as url:
            for connections in CONNECTIONS:
                rps: dict[str, list[float]] = {server.url: [], url: []}
                cpu = 0.0
                for repeat in range(options.repeats):
                    for one in sorted(rps, reverse=bool(repeat % 2)):
                        found = saturate(one, ["A film."], connections, options.seconds, log)
                        if found.errors or not found.answered:
                            raise SystemExit(f"{one}: {found.first_error}")
                        rps[one].append(found.rps)
                        cpu = max(cpu, found.client_cpu_s * found.rps)
                show(connections, rps[server.url], rps[url], cpu)


if __name__ == "__main__":
    main()
