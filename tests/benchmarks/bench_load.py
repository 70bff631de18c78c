"""How late the load generator is, and how much memory it takes; exit code 1 if a bar is missed.

    python tests/benchmarks/bench_load.py [--rates 1000,3000] [--duration 20] [--plan 10000000]
        [--repeats 3]

Starts a server that does nothing but answer, in a process of its own, and plays `steady` against
it through Locust, record and certificate on. Then it plans `--plan` requests, interrupts that test
after a few seconds and has everything saved; all that in each of the repeats. Its figures mean
something on a quiet machine only. The server must keep up: it says how busy it was.
"""

import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from bars import Figure, judge

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from loadtests._calm import real_time  # noqa: E402

BODY = b'[{"label": "positive", "score": 0.9}]'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
AT_MOST_MS = {1000: 3.0, 3000: 10.0}  # lateness p99 that one process must keep to
AT_MOST_GB = {10_000_000: 1.5}  # peak memory for so many planned requests


def serve(listener: socket.socket) -> None:
    """Answer every request that fits one segment, which all of ours do."""
    import asyncio  # the child's business

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(ANSWER)

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, sock=listener)
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def serving() -> Iterator[str]:
    """The URL of a do-nothing server."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    pid = os.fork()
    if not pid:
        serve(listener)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        os.kill(pid, signal.SIGTERM)
        _, _, usage = os.wait4(pid, 0)
        print(f"  the server took {usage.ru_utime + usage.ru_stime:.1f} s of CPU")


def locust(folder: Path, url: str, *arguments: object) -> "subprocess.Popen[bytes]":
    """Start a headless test that leaves its record in `folder`."""
    texts = folder / "texts.txt"
    texts.write_text("\n".join(f"a text of a few words, number {n}" for n in range(500)))
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "steady.py")]
    options = ["--headless", "--only-summary", "--host", url, "--texts", texts]
    options += ["--loglevel", "ERROR", "--records", folder / "records.parquet", *arguments]
    with (folder / "locust.log").open("wb") as log:
        return subprocess.Popen(
            [*command, *map(str, options)],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def facts_of(folder: Path) -> dict[str, Any]:
    """What the test left; ends the benchmark with Locust's own words if it left nothing."""
    try:
        facts: dict[str, Any] = json.loads((folder / "load.json").read_text())
    except FileNotFoundError:
        raise SystemExit((folder / "locust.log").read_text()[-2000:]) from None
    return facts


def lateness(rate: int, duration_s: float, processes: int) -> float:
    """The p99 of the lateness in ms; prints the rest of it, and the certificate."""
    print(f"{rate} requests/s for {duration_s:g} s, {processes} process(es)")
    options = ["--rate", rate, "--duration", duration_s]
    options += ["--processes", processes] if processes > 1 else []
    with tempfile.TemporaryDirectory() as scratch, serving() as url:
        folder = Path(scratch)
        locust(folder, url, *options).wait()
        facts = facts_of(folder)
    figures = ", ".join(f"{k} {v * 1e3:.2f} ms" for k, v in facts["lateness_s"].items())
    print(f"  lateness: {figures}; CPU {facts['generator_cpu']:.0%}")
    certificate = facts["certificate"]
    print("  certificate: " + ("passed" if certificate["passed"] else "FAILED"))
    for reason in certificate["reasons"]:
        print(f"    {reason}")
    return float(facts["lateness_s"]["p99"]) * 1e3


def floor(rate: int, duration_s: float) -> float:
    """The p99 in ms of a loop at the generator's priority that waits for times and sends nothing.

    What it is late, the machine is late: timers, and whoever else has its processors.
    """
    with ProcessPoolExecutor(1) as pool:
        late_ms = pool.submit(_wait_only, rate, duration_s).result()
    print(f"{rate}/s, nothing sent: lateness p99 {late_ms:.2f} ms")
    return late_ms


def _wait_only(rate: int, duration_s: float) -> float:
    gaps_s = np.random.default_rng(1).exponential(1 / rate, int(rate * duration_s))
    late_s = []
    with real_time():
        for due_s in (time.perf_counter() + 0.1 + np.cumsum(gaps_s)).tolist():
            if (wait_s := due_s - time.perf_counter()) > 0:
                time.sleep(wait_s)
            late_s.append(time.perf_counter() - due_s)
    return float(np.quantile(late_s, 0.99)) * 1e3


def memory(planned: int, seconds: float) -> float:
    """Peak memory in GB of a test of `planned` requests that is interrupted and saved."""
    rate = 200
    print(f"{planned} planned requests, interrupted after {seconds:g} s, saved")
    with tempfile.TemporaryDirectory() as scratch, serving() as url:
        folder = Path(scratch)
        child = locust(folder, url, "--rate", rate, "--duration", planned / rate)
        time.sleep(seconds)
        child.send_signal(signal.SIGINT)
        began = time.perf_counter()
        _, _, usage = os.wait4(child.pid, 0)
        took_s = time.perf_counter() - began
        facts = facts_of(folder)
        size = (folder / "records.parquet").stat().st_size
    peak_gb = float(usage.ru_maxrss) * 1024 / 1e9
    print(f"  peak {peak_gb:.2f} GB, {took_s:.0f} s to the end")
    print(f"  {facts['sent']} sent of {facts['planned']}, record {size / 1e6:.0f} MB")
    return peak_gb


def main() -> int:
    """Measure in turn, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", default="1000,3000")
    parser.add_argument("--duration", type=float, default=20.0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--plan", type=int, default=10_000_000, help="0: no memory test")
    parser.add_argument("--interrupt-after", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 10_000)), hard))
    late_ms: dict[int, list[float]] = {int(one): [] for one in options.rates.split(",") if one}
    floors_ms: dict[int, list[float]] = {rate: [] for rate in late_ms}
    peaks_gb: list[float] = []
    for _ in range(options.repeats):
        for rate, found in late_ms.items():
            floors_ms[rate].append(floor(rate, options.duration))
            found.append(lateness(rate, options.duration, options.processes))
        if options.plan:
            peaks_gb.append(memory(options.plan, options.interrupt_after))
    figures = [
        Figure(f"lateness p99 at {rate}/s", "ms", found, AT_MOST_MS.get(rate))
        for rate, found in late_ms.items()
    ]
    figures += [
        Figure(f"of a loop that sends nothing, {rate}/s", "ms", found)
        for rate, found in floors_ms.items()
    ]
    if options.plan:
        name = f"peak memory, {options.plan} requests planned"
        figures.append(Figure(name, "GB", peaks_gb, AT_MOST_GB.get(options.plan)))
    return judge(figures)


if __name__ == "__main__":
    sys.exit(main())
