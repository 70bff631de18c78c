import math
from pathlib import Path

import fake_runs
import numpy as np
import pytest
from fake_runs import Experiment, planted

from analysis.findings import find
from analysis.noise import Noise, noise_of


def test_an_aa_tells_its_noise_by_scenario_and_metric(tmp_path: Path) -> None:
    experiment = Experiment(
        planted({"a": 1.0, "b": 1.0}, noise=0.05),
        specs=("a", "b"),
        scenarios=("steady", "bursty"),
        blocks=40,
        duration_s=2.0,
    )
    found = noise_of(find(fake_runs.write(tmp_path, experiment)))
    assert {(one.scenario, one.metric) for one in found} >= {("steady", "p95"), ("bursty", "p50")}
    for one in found:
        assert one.n == 40
        if one.metric != "goodput":
            assert one.sd == pytest.approx(0.05 * math.sqrt(2), rel=0.35)
            assert 0 <= one.shown < 0.05


def test_the_interval_of_the_noise_covers_it() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        sd = float(np.sqrt(np.mean(np.square(0.1 * rng.standard_normal(8)))))
        low, high = Noise("s", "p95", 8, sd, 0.0).sd_interval()
        covered += low <= 0.1 <= high
    assert covered / 1000 == pytest.approx(0.95, abs=0.02)
