"""Seconds and peak memory of a report over many records; exit code 1 if a bar is missed.

    python tests/benchmarks/bench_report.py [--records 1000000] [--large] [--repeats 3] [--keep DIR]

Writes run directories that hold the records between them, 8 blocks of 5 variants x 3 scenarios
(with --large 3 variants x 1 scenario and 10,000,000 records: 24 runs of 416,667), then times
`python -m analysis DIR` in processes of their own, imports included. The bars are for those many
records and no others.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "analysis")]

import fake_runs  # noqa: E402
from bars import Figure, judge  # noqa: E402

AT_MOST = {1_000_000: (20.0, 1.0), 10_000_000: (90.0, 2.0)}  # records: seconds, GB
FACTORS = (1.0, 0.5, 0.3, 0.25, 0.2)
BLOCKS = 8


def write_runs(out: Path, records: int, variants: int, scenarios: int) -> int:
    """About `records` rows over run directories of 60 s each; returns how many there are."""
    runs = variants * scenarios * BLOCKS
    specs, loads = fake_runs.SPECS[:variants], fake_runs.SCENARIOS[:scenarios]
    experiment = fake_runs.Experiment(
        fake_runs.planted(dict(zip(specs, FACTORS, strict=False)), noise=0.05),
        specs,
        loads,
        blocks=BLOCKS,
        duration_s=60,
        rates=dict.fromkeys(loads, records / runs / 60),
    )
    fake_runs.write(out, experiment)
    return runs


def measure(directory: Path) -> tuple[float, float]:
    """(wall seconds, peak resident bytes) of one report."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "analysis", str(directory)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"the report failed with exit code {child.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def main() -> int:
    """Generate, measure, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, help="default 1000000, with --large 10000000")
    parser.add_argument("--large", action="store_true", help="few runs, each of many requests")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="write the runs here and leave them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.keep or Path(scratch)
        records = options.records or (10_000_000 if options.large else 1_000_000)
        runs = write_runs(directory, records, *((3, 1) if options.large else (5, 3)))
        seconds, peaks_bytes = zip(
            *(measure(directory) for _ in range(options.repeats)), strict=True
        )
    at_most_s, at_most_gb = AT_MOST.get(records, (None, None))
    name = f"report over {records} records in {runs} runs"
    peaks_gb = [peak / 1e9 for peak in peaks_bytes]
    return judge(
        [
            Figure(f"{name}: time", "s", seconds, at_most_s),
            Figure(f"{name}: peak memory", "GB", peaks_gb, at_most_gb),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
