import subprocess
import sys
from pathlib import Path

import numpy as np

from loadtests._schedule import renewal


def test_drawn_schedules_are_those_that_the_scenarios_would_send(tmp_path: Path) -> None:
    file = tmp_path / "arrivals.npz"
    loads = ("bursty:30:10", "ramp:30:10", "diurnal:0.01:1")
    subprocess.run([sys.executable, "-m", "loadtests._arrivals", file, "40", *loads], check=True)
    with np.load(file) as found:
        arrivals = {name: found[name] for name in found.files}
    assert set(arrivals) == {"bursty", "ramp", "diurnal"}
    bursty = arrivals["bursty"]
    assert len(bursty) == 40
    own = renewal(30.0, 3.0, 10.0, seed=7, texts=1).planned_s / 10.0
    assert np.array_equal(bursty[7][np.isfinite(bursty[7])], own)
    halves = [np.sum(arrivals["ramp"] < x) for x in (0.5, 1.0)]
    assert halves[1] / 40 == np.isfinite(arrivals["ramp"]).sum() / 40
    assert 0.25 < halves[0] / halves[1] < 0.35  # 0.3 of the load comes in the first half
    assert arrivals["diurnal"].shape[1] >= 1  # even where a schedule is empty
