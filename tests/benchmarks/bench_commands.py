"""How long the commands take that should feel instant; prints medians, judges nothing.

Run `make bench` on a quiet machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 11
OPTBUILD = Path(sys.executable).with_name("optbuild")
MODEL = ("--model", "synthetic:roberta-tiny")


def seconds(*arguments: str) -> list[float]:
    """Wall-clock seconds of RUNS calls, after one that is not counted."""
    taken = []
    for _ in range(RUNS + 1):
        started_s = time.perf_counter()
        subprocess.run([OPTBUILD, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started_s)
    return taken[1:]


def show(name: str, taken: list[float]) -> None:
    """One line: the median and the range."""
    median_s, low_s, high_s = statistics.median(taken), min(taken), max(taken)
    print(f"{name}: median {median_s:.3f} s ({low_s:.3f} to {high_s:.3f}, {RUNS} runs)")


def main() -> None:
    """Time the commands against a cache and a store of their own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"OPTBUILD_CACHE": f"{folder}/cache", "BENTOML_HOME": f"{folder}/bentoml"}
        show("optbuild --help", seconds("--help"))
        show("optbuild layers", seconds("layers"))
        show("optbuild variant onnx, cached", seconds("variant", "onnx", *MODEL))


if __name__ == "__main__":
    main()
