import numpy as np
import pytest
from fake_runs import rows

from analysis.curves import REACH, latency_at, median_curve, run_quantiles
from analysis.gates import Gate
from analysis.records import OK, TIMEOUT, UNSENT
from analysis.timeline import MOST_BINS, Timeline
from analysis.timeline import timeline as timeline_of


class Facts:  # the few facts that a timeline reads
    spec, duration_s, timeout_s = "onnx", 4.0, 10.0
    gates = (Gate("lateness p99", 0.001, 0.002, "s", True),)


def timeline(latency_s: list[float], outcome: list[int], gap_s: float) -> Timeline:
    return timeline_of(Facts(), rows(latency_s, outcome, gap_s))  # type: ignore[arg-type]


def test_rates_integrate_to_the_requests() -> None:
    line = timeline([0.5] * 40, [OK] * 40, 0.1)
    width_s = np.diff(line.edges_s)
    assert (line.offered_rps * width_s).sum() == pytest.approx(40)
    assert (line.completed_rps * width_s).sum() == pytest.approx(40)
    # Little's law: the time in flight is the service time of all requests together
    assert (line.in_flight * width_s).sum() == pytest.approx(40 * (0.5 - 0.001))


def test_timeouts_stay_in_flight_and_the_unsent_never_are() -> None:
    line = timeline([float("nan")] * 2, [TIMEOUT, UNSENT], 1.0)
    assert line.edges_s[-1] >= 10.0
    assert (line.in_flight * np.diff(line.edges_s)).sum() == pytest.approx(10.0)
    assert line.completed_rps.sum() == 0


def test_nothing_sent_is_an_empty_timeline() -> None:
    line = timeline([float("nan")] * 5, [UNSENT] * 5, 0.1)
    assert line.in_flight.sum() == 0 and line.edges_s[-1] == 4.0


def test_lateness_is_the_latest_send_of_each_bin() -> None:
    line = timeline([0.5] * 40, [OK] * 39 + [UNSENT], 0.1)
    assert line.lateness_limit_s == 0.002
    assert np.nanmax(line.lateness_s) == pytest.approx(0.001)
    assert np.isnan(line.lateness_s[39])  # nothing was sent there


def test_an_answer_that_comes_next_year_does_not_fill_the_memory() -> None:
    line = timeline([0.1, 1e7], [OK, OK], 0.1)
    assert len(line.edges_s) == MOST_BINS + 1


def test_curve_is_the_median_of_the_runs_quantiles() -> None:
    runs = [rows(list(np.linspace(0, top, 200)), [OK] * 200, 0.01) for top in (1, 4, 2)]
    curve = median_curve("onnx", [run_quantiles(one, 10.0) for one in runs])
    assert curve is not None and curve.blocks == 3
    assert 35 < curve.reach[-1] <= 40  # five of 200 beyond
    assert curve.latency_s[-1] == pytest.approx(2 * (1 - 1 / curve.reach[-1]))
    assert latency_at(curve, 20) == pytest.approx(1.9, rel=0.01)
    assert latency_at(curve, 100) is None


def test_a_curve_ends_with_its_smallest_run() -> None:
    large, small = (rows([0.1] * n, [OK] * n, 0.001) for n in (5000, 100))
    curve = median_curve("onnx", [run_quantiles(one, 10.0) for one in (large, small)])
    assert curve is not None and 18 < curve.reach[-1] <= 20
    assert REACH[0] == 1 and REACH[20] == pytest.approx(10)


def test_no_curve_for_a_handful_of_requests() -> None:
    assert median_curve("onnx", []) is None
    few = run_quantiles(rows([0.1] * 9, [OK] * 9, 0.01), 10.0)
    assert median_curve("onnx", [few]) is None
