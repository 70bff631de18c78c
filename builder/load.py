"""One load run: Locust in a process of its own replays a schedule against a URL."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import loadtests
from deploy.child import Child
from deploy.parcel import require_room
from deploy.target import OwnGenerator
from variants._errors import OptbuildError

ROW_BYTES = 35  # of analysis.records.SCHEMA, hardly compressible
START_AND_DRAIN_S = 60.0  # generous: Locust starts in 2 s, and drains within the request timeout


@dataclass(frozen=True)
class Load:
    """What to send: a scenario at a rate, with a seed, for so long."""

    scenario: str
    rate_rps: float
    duration_s: float
    seed: int
    timeout_s: float
    texts: Path
    resend: bool = True  # not where servers are going to die: see loadtests/_http.py


def scenarios() -> list[str]:
    """Names of the scenarios: every locustfile of `loadtests/`."""
    folder = Path(next(iter(loadtests.__path__)))
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def draw(
    loads: Mapping[str, tuple[float, float]], schedules: int
) -> dict[str, npt.NDArray[np.float64]]:
    """So many schedules of each scenario at (requests/s, seconds), without sending anything.

    Arrays of shape (schedules, n): times as shares of the duration, infinite where none is left.
    Raises OptbuildError if a scenario cannot be drawn.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "arrivals.npz"
        words = [f"{name}:{rate_rps!r}:{time_s!r}" for name, (rate_rps, time_s) in loads.items()]
        command = [sys.executable, "-m", "loadtests._arrivals", str(file), str(schedules), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise OptbuildError(f"the arrivals of {', '.join(loads)} cannot be drawn: {last}")
        with np.load(file) as found:
            return {name: found[name] for name in loads}


def run_load(
    load: Load, url: str, folder: Path, meanwhile: Callable[[Child], None] = lambda generator: None
) -> dict[str, Any]:
    """Replay the schedule and return its facts; `records.parquet` and the log are in `folder`.

    `meanwhile` is called once the generator has been started, and whatever it takes, the
    generator goes on beside it.
    Raises OptbuildError if the generator itself fails. What the server does is a result.
    """
    locustfile = Path(next(iter(loadtests.__path__))) / f"{load.scenario}.py"
    options = {
        "-f": locustfile,
        "--host": url,
        "--texts": load.texts,
        "--records": folder / "records.parquet",
    }
    words = [*(str(word) for option in options.items() for word in option), *_options(load)]
    log = folder / "locust.log"
    with Child(["-m", "locust", "--headless", "--only-summary", *words], log) as child:
        meanwhile(child)
        try:
            code = child.process.wait(load.duration_s + load.timeout_s + START_AND_DRAIN_S)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            how = "hangs" if code is None else f"ended with code {code}"
            raise OptbuildError(f"the load generator {how}: {child.last_words(5)}", exit_code=1)
    return _facts(folder)


def run_beside(load: Load, target: OwnGenerator, folder: Path) -> dict[str, Any]:
    """The same by the target's own generator."""
    require_room(load.rate_rps * load.duration_s * ROW_BYTES)
    within_s = load.duration_s + load.timeout_s + START_AND_DRAIN_S
    target.generate(load.scenario, _options(load), load.texts, folder, within_s)
    return _facts(folder)


def _options(load: Load) -> list[str]:
    """What every generator is told."""
    options = {
        "--rate": load.rate_rps,
        "--duration": load.duration_s,
        "--seed": load.seed,
        "--timeout": load.timeout_s,
        "--resend": "stale" if load.resend else "never",
        "--loglevel": "WARNING",
    }
    return [str(word) for option in options.items() for word in option]


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "load.json").read_text(encoding="utf-8"))
    return facts
