"""What the load image runs: `python -m deploy.generate SCENARIO OPTION...`, Locust's options.

Its results then stand in the log, for whoever started it (deploy/parcel.py).
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import loadtests
from deploy.parcel import wrap

RESULTS = ("records.parquet", "load.json")


def generate(scenario: str, options: Sequence[str]) -> int:
    """Replay the scenario's schedule; the exit code is Locust's."""
    locustfile = Path(next(iter(loadtests.__path__))) / f"{scenario}.py"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = ["-f", str(locustfile), "--records", str(folder / RESULTS[0]), *options]
        code = subprocess.run(
            [sys.executable, "-P", "-m", "locust", "--headless", "--only-summary", *words],
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode
        if code == 0:
            for line in wrap(folder / result for result in RESULTS):
                print(line)
    return code


if __name__ == "__main__":
    sys.exit(generate(sys.argv[1], sys.argv[2:]))
