"""What a server makes of twice the load that it can carry.

    python tests/benchmarks/bench_overload.py [--spec SPEC] [--slo-ms 250] [--repeats 8] [--shared]

Finds what a closed loop gets through, offers that and twice that as an open loop, in turn, to a
server that has come to rest between, and prints goodput at twice (answers within the SLO from the
planned send time, per second) over goodput at once and over what the closed loop got, with their
exact signed-rank intervals, and the p99 of the requests that were admitted and answered. The
capacity is found anew for each repeat, because that of a shared machine wanders.

The generator has a CPU of its own, the server has the others: twice the load costs a generator
twice as much, which a server beside it on the same CPUs would seem to lose. --shared leaves both
on all CPUs. A benchmark, not a test.
"""

import argparse
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from ratios import ratio

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from analysis.gates import check_run  # noqa: E402
from analysis.latency import is_ok  # noqa: E402
from analysis.records import read_records  # noqa: E402
from analysis.summary import summarize_records  # noqa: E402
from builder._peers_drain import drained, idle_s  # noqa: E402
from builder._peers_probe import saturate  # noqa: E402
from builder.asking import predict  # noqa: E402
from builder.build import Request  # noqa: E402
from builder.build_all import build_all  # noqa: E402
from builder.experiment import serve_locally  # noqa: E402
from builder.load import Load, run_load  # noqa: E402
from loadtests._texts import Texts, load_texts  # noqa: E402
from variants._spec import compose  # noqa: E402

SPEC = "onnx+quantized+lean+microbatch:deadline=200ms"
SHARES = (1.0, 2.0)
CONNECTIONS = 16  # more of them would wait for longer than the deadline, and be refused
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Outcome:
    """One run: answers within the SLO a second, p99 of the answered, share refused or failed."""

    goodput_rps: float
    admitted_p99_s: float
    refused: float
    gates: bool


def offer(
    url: str, rate_rps: float, seconds: float, seed: int, texts: Texts, slo_s: float
) -> Outcome:
    """One open-loop run."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "texts.txt").write_text("\n".join(texts.texts) + "\n", encoding="utf-8")
        load = Load("steady", rate_rps, seconds, seed, TIMEOUT_S, folder / "texts.txt")
        facts = run_load(load, url, folder)
        records = read_records(folder / "records.parquet")
    found = summarize_records(records, seconds, TIMEOUT_S, slo_s)
    answered_s = (records.done_s - records.planned_s)[is_ok(records)]
    return Outcome(
        found.goodput_rps,
        float(np.quantile(answered_s, 0.99)) if len(answered_s) else math.inf,
        found.error_rate,
        all(gate.passed for gate in check_run(facts, records)),
    )


def show(found: dict[float, list[Outcome]], carried_rps: list[float], slo_s: float) -> None:
    """A line for each load, then the ratios."""
    for share, runs in found.items():
        p99_s = [one.admitted_p99_s for one in runs]
        print(
            f"offered {share:g}x: goodput {median(one.goodput_rps for one in runs):.0f}/s, "
            f"p99 of the admitted {1e3 * median(p99_s):.0f} ms "
            f"({sum(one <= slo_s for one in p99_s)} of {len(p99_s)} within the SLO), "
            f"refused or failed {median(one.refused for one in runs):.0%}, "
            f"{sum(not one.gates for one in runs)} runs not driven as planned"
        )
    once, twice = (np.array([one.goodput_rps for one in found[share]]) for share in SHARES)
    show_ratio("goodput at twice over at once", twice, once)
    show_ratio("goodput at twice over the capacity", twice, np.array(carried_rps))


def show_ratio(name: str, over: npt.NDArray[np.float64], under: npt.NDArray[np.float64]) -> None:
    """The ratio of paired figures with its interval."""
    print(f"{name}: {ratio(np.maximum(over, 0.5), np.maximum(under, 0.5)).text(3)}")


def main() -> None:
    """Build, find the capacity, offer both loads in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", default=SPEC)
    parser.add_argument("--model")
    parser.add_argument("--slo-ms", type=float, default=250.0)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--shared", action="store_true")
    options = parser.parse_args()
    (build,) = build_all([compose(options.spec)], Request(options.model))
    texts = load_texts(None)
    slo_s = options.slo_ms / 1e3
    found: dict[float, list[Outcome]] = {share: [] for share in SHARES}
    cpus = sorted(os.sched_getaffinity(0))
    apart = len(cpus) > 1 and not options.shared
    carried_rps: list[float] = []
    if apart:
        os.sched_setaffinity(0, cpus[:-1])
    with (
        tempfile.TemporaryDirectory() as scratch,
        serve_locally(build, Path(scratch) / "log") as at,
    ):
        if apart:
            os.sched_setaffinity(0, cpus[-1:])
        url, log = at.url, Path(scratch) / "client.log"
        probe = partial(predict, url, texts.texts[:1])
        rest_s = idle_s(probe)
        for repeat in range(options.repeats):
            carried_rps.append(saturate(url, texts.texts, CONNECTIONS, options.seconds, log).rps)
            for share in SHARES[:: -1 if repeat % 2 else 1]:
                if not drained(probe, rest_s):
                    print("the server has not come to rest since the last load")
                rate = float(f"{share * carried_rps[-1]:.4g}")
                found[share].append(offer(url, rate, options.seconds, repeat, texts, slo_s))
    where = f"CPUs {cpus[:-1]}, the generator on {cpus[-1:]}" if apart else f"CPUs {cpus}, shared"
    print(f"{options.spec} on {where}: {median(carried_rps):.0f}/s in a closed loop")
    show(found, carried_rps, slo_s)


if __name__ == "__main__":
    main()
