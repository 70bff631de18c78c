"""One front that feeds every CPU, beside workers that accept connections for themselves.

    python tests/benchmarks/bench_front.py [--spec SPEC] [--model M] [--repeats 8] [--seconds 3]

The same model and the same lean path in three arrangements, each a real Bento:

- `front`: one process, whose lanes (threads that run the model) take the CPUs;
- `shared`: a worker with one lane for each CPU, all accepting from one socket (`bentoml serve`);
- `reuseport`: the same workers, each with a socket of its own on the same port (SO_REUSEPORT):
  Linux deals out the connections by their hash.

Closed loops of a few connections, interleaved. Prints requests/s and p99, their ratios to `front`
with exact signed-rank intervals, and the share of the busiest worker in what the workers computed:
a kept connection stays with the worker that took it. A benchmark, not a test.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from ratios import ratio
from turns import in_turn, saturated

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from builder.build import Request  # noqa: E402
from builder.build_all import build_all  # noqa: E402
from deploy.child import end_with_parent  # noqa: E402
from deploy.local import START_TIMEOUT_S, Server, answers_ready  # noqa: E402
from loadtests._texts import load_texts  # noqa: E402
from variants._spec import compose  # noqa: E402

SPEC = "onnx+quantized+lean+microbatch"
HOST = "127.0.0.1"
CONNECTIONS = (4, 16, 64)
WORKER = "_bentoml_impl.worker.service"


@dataclass
class Found:
    """What the runs of one arrangement gave."""

    rps: list[float] = field(default_factory=list)
    p99_s: list[float] = field(default_factory=list)
    busiest: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Arrangement:
    """Where it listens, and the processes that run the model."""

    url: str
    processes: Sequence[psutil.Process]

    def cpu_s(self) -> list[float]:
        """User and system time of each process so far."""
        return [sum(one.cpu_times()[:2]) for one in self.processes]


@contextmanager
def served(bento: Path, log: Path) -> Iterator[Arrangement]:
    """By `bentoml serve`."""
    with Server(bento, log) as server:
        processes = [psutil.Process(number) for number in server.processes()]
        workers = [one for one in processes if WORKER in one.cmdline()]
        yield Arrangement(server.url, workers)


@contextmanager
def apart(bento: Path, log: Path, workers: int) -> Iterator[Arrangement]:
    """BentoML's own worker processes, each with a listening socket of its own."""
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        port, processes = 0, []
        for number in range(1, workers + 1):
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((HOST, port))
            listener.listen(2048)
            port = listener.getsockname()[1]
            options = [f"--fd={listener.fileno()}", f"--worker-id={number}", "--args={}"]
            worker = subprocess.Popen(
                [sys.executable, "-m", WORKER, ".", "--service-name=Classifier", *options],
                cwd=bento / "src",
                env={**os.environ, "BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "True"},
                pass_fds=[listener.fileno()],
                stdout=stack.enter_context(Path(f"{log}.{number}").open("wb")),
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )
            stack.callback(worker.wait)
            stack.callback(worker.terminate)
            processes.append(psutil.Process(worker.pid))
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not answers_ready(HOST, port):
            if time.monotonic() > deadline_s or not all(one.is_running() for one in processes):
                raise SystemExit(f"the workers are not ready: {Path(f'{log}.1').read_text()}")
            time.sleep(0.1)
        yield Arrangement(f"http://{HOST}:{port}", processes)


def show(connections: int, found: dict[str, Found]) -> None:
    """A line for each arrangement."""
    front = found["front"]
    for name, one in found.items():
        text = f"  {name}: {median(one.rps):.0f}/s, p99 {1e3 * median(one.p99_s):.0f} ms"
        if name != "front":
            text += f"; of front: {ratio(one.rps, front.rps).text(2)}"
            text += f", p99 {ratio(one.p99_s, front.p99_s).text(2)}"
            text += f"; busiest worker {median(one.busiest):.0%} ({max(one.busiest):.0%} at most)"
        print(text if name != "front" else f"{connections} connections\n{text}", flush=True)


def main() -> None:
    """Build, serve all three, measure in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default=SPEC)
    parser.add_argument("--model")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    specs = [options.spec, f"{options.spec}+workers={workers}"]
    one, several = build_all([compose(spec) for spec in specs], Request(options.model))
    texts = load_texts(None).texts
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        log = Path(scratch)
        servers = {
            "front": stack.enter_context(served(one.path, log / "front")),
            "shared": stack.enter_context(served(several.path, log / "shared")),
            "reuseport": stack.enter_context(apart(several.path, log / "reuseport", workers)),
        }
        for connections in CONNECTIONS:
            found = {name: Found() for name in servers}
            for name in in_turn(servers, options.repeats):
                at, before_s = servers[name], servers[name].cpu_s()
                run = saturated(name, at.url, texts, connections, options.seconds, log / "client")
                assert run.p99_s is not None  # where anything was answered
                took_s = np.array(at.cpu_s()) - before_s
                found[name].rps.append(run.rps)
                found[name].p99_s.append(run.p99_s)
                found[name].busiest.append(float(took_s.max() / took_s.sum()))
            show(connections, found)


if __name__ == "__main__":
    main()
