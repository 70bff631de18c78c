"""How long the commands take that should feel instant; exit code 1 if one misses its bar.

    python tests/benchmarks/bench_commands.py [--repeats 11]

Run `make bench` on a quiet machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bars import Figure, judge

OPTBUILD = Path(sys.executable).with_name("optbuild")
COMMANDS = {
    "optbuild --help": ("--help",),
    "optbuild layers": ("layers",),
    "optbuild variant onnx, cached": ("variant", "onnx", "--model", "synthetic:roberta-tiny"),
}
AT_MOST_S = {"optbuild --help": 0.3, "optbuild variant onnx, cached": 2.0}


def seconds(arguments: tuple[str, ...]) -> float:
    """Wall-clock seconds of one call."""
    started_s = time.perf_counter()
    subprocess.run([OPTBUILD, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started_s


def main() -> int:
    """Time the commands in turn, against a cache and a store of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"OPTBUILD_CACHE": f"{folder}/cache", "BENTOML_HOME": f"{folder}/bentoml"}
        rounds = [
            {name: seconds(arguments) for name, arguments in COMMANDS.items()}
            for _ in range(options.repeats + 1)
        ][1:]  # the first fills the caches
    return judge(
        [Figure(name, "s", [one[name] for one in rounds], AT_MOST_S.get(name)) for name in COMMANDS]
    )


if __name__ == "__main__":
    sys.exit(main())
