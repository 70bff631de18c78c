"""Lanes that stay on a CPU each, beside lanes that run wherever the kernel puts them.

    python tests/benchmarks/bench_pinning.py [--spec SPEC] [--model M] [--repeats 12] [--seconds 2]

One server, whose lanes are let go and put back from outside before each run: two processes of the
same Bento differ by more than this does. Closed loops of a few connections. Prints requests/s, the
share of the machine's CPU time that was idle, what a request takes of it outside the lanes (on the
event loop and in the client), and the ratio with its exact signed-rank interval. A benchmark, not a
test.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from ratios import ratio
from turns import in_turn, saturated

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from builder._peers_probe import WARM_S  # noqa: E402
from builder.build import Request  # noqa: E402
from builder.build_all import build_all  # noqa: E402
from deploy.local import Server  # noqa: E402
from loadtests._texts import load_texts  # noqa: E402
from variants._spec import compose  # noqa: E402

SPEC = "onnx+quantized+lean+microbatch"
CONNECTIONS = (16, 64)


@dataclass
class Found:
    """What the runs of one placement gave."""

    rps: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    loop_s: list[float] = field(default_factory=list)
    client_s: list[float] = field(default_factory=list)


def threads(server: Server) -> list[tuple[int, Any]]:
    """Each process of the server with one of its threads, as psutil tells of it."""
    return [
        (number, thread)
        for number in server.processes()
        for thread in psutil.Process(number).threads()
    ]


def loops_s(server: Server) -> float:
    """User and system time of the server's event loops so far: its processes' first threads."""
    firsts = [thread for number, thread in threads(server) if thread.id == number]
    return sum(first.user_time + first.system_time for first in firsts)


def pinned_threads(server: Server) -> dict[int, set[int]]:
    """The CPU of each thread of the server that has one only."""
    placed = {thread.id: os.sched_getaffinity(thread.id) for _, thread in threads(server)}
    return {thread: cpus for thread, cpus in placed.items() if len(cpus) == 1}


def main() -> None:
    """Build, serve, measure in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default=SPEC)
    parser.add_argument("--model")
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    (build,) = build_all([compose(options.spec)], Request(options.model))
    texts, every = load_texts(None).texts, os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as scratch, Server(build.path, Path(scratch) / "log") as to:
        own = pinned_threads(to)
        if len(own) < 2:
            raise SystemExit("no lane of this server stays on a CPU of its own")
        placements: Mapping[str, dict[int, set[int]]] = {
            "a CPU each": own,
            "any CPU": dict.fromkeys(own, every),
        }
        client = Path(scratch) / "client"
        for connections in CONNECTIONS:
            found = {name: Found() for name in placements}
            for name in in_turn(placements, options.repeats):
                for thread, cpus in placements[name].items():
                    os.sched_setaffinity(thread, cpus)
                psutil.cpu_times_percent()
                before_s = loops_s(to)
                run = saturated(name, to.url, texts, connections, options.seconds, client)
                found[name].idle.append(psutil.cpu_times_percent().idle / 100)
                found[name].rps.append(run.rps)
                requests = run.rps * (options.seconds + WARM_S)
                found[name].loop_s.append((loops_s(to) - before_s) / requests)
                found[name].client_s.append(run.client_cpu_s)
            print(f"{connections} connections")
            for name, one in found.items():
                beside = (
                    f"{1e3 * median(one.loop_s):.2f} ms loop, {1e3 * median(one.client_s):.2f} ms"
                )
                idle = f"{median(one.idle):.1%} idle"
                print(f"  {name}: {median(one.rps):.0f}/s, {idle}, {beside} client")
            each, any_ = found.values()
            print(f"  ratio {ratio(each.rps, any_.rps).text(3)}", flush=True)


if __name__ == "__main__":
    main()
