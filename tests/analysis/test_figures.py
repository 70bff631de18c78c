import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import fake_designs
import fake_runs
import numpy as np
import pytest
from fake_runs import Experiment, planted
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis._chart import Chart, Line, View, chart_json
from analysis._drift import _marks, drifting
from analysis._figstyle import file_stem
from analysis._forest import Scale, forest, scale_of
from analysis._rates import medians, objective_ms
from analysis._shares import order_range, shares_figure
from analysis._waterfall import factor_ticks
from analysis.compare import Comparison, Pairs
from analysis.fidelity import fidelity
from analysis.figures import draw
from analysis.findings import Findings, find
from analysis.gates import Gate
from analysis.resources import resource_rows
from analysis.tables import gate_figures
from analysis.verdicts import screening_note
from analysis.views import shown_specs

SPECS = {"baseline": 1.0, "onnx": 0.5}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    out = tmp_path_factory.mktemp("figures")
    experiment = Experiment(planted(SPECS), tuple(SPECS), ("steady",), blocks=3, duration_s=5)
    return find(fake_runs.write(out, experiment))


def comparison(gain: float, half: float | None, verdict: str = "improved") -> Comparison:
    interval = None if half is None else fake_designs.around(gain, half)
    return Comparison(
        "steady", "p95", "a", "b", Pairs((1,), (gain,), ()), gain, interval, 0.01, 0.01, 1, 0.03,
        verdict,  # type: ignore[arg-type]  # a test's word
    )  # fmt: skip


@pytest.mark.parametrize(
    ("objective", "limit_ms"),
    [("p95 < 250 ms", 250), ("p95<250ms", 250), ("p99 <= 1.5 s", 1500), ("goodput >= 99%", None)],
)
def test_the_limit_is_read_from_the_objective(objective: str, limit_ms: float | None) -> None:
    assert objective_ms(objective) == limit_ms


def test_medians_are_per_rate_and_in_order() -> None:
    points = fake_designs.sweep({"onnx": 100.0}).points[::-1]
    at, middle = medians(points, [point.summary.p95_s for point in points])
    assert at == [25.0, 50.0, 70.0, 85.0, 95.0, 110.0]
    here = sorted(point.summary.p95_s for point in points if point.rate_rps == 50.0)
    assert middle[1] == here[1]


def test_the_small_intervals_share_a_scale_that_none_leaves() -> None:
    several = [comparison(math.log(2), 0.1), comparison(-0.2, 0.05), comparison(0.3, 50.0)]
    scale = scale_of(several)
    assert 0 < scale.percent(-0.25) < scale.percent(0.0) < scale.percent(math.log(2) + 0.1) < 100
    assert scale.percent(50) == 100  # a bound far outside does not press the others together
    assert scale_of([]).percent(0.0) == 50


def test_a_small_interval_is_hollow_where_nothing_is_decided() -> None:
    scale = Scale(-1, 1)
    assert 'fill="currentColor"' in forest(comparison(0.5, 0.1), scale)
    undecided = forest(comparison(0.5, None, "inconclusive"), scale)
    assert 'fill="currentColor"' not in undecided and 'cx="75.0%"' in undecided


@pytest.mark.parametrize(
    ("name", "stem"),
    [("steady", "k-steady"), ("../../x", "k-.._.._x"), ('a"b\n', "k-a_b_"), ("", "k")],
)
def test_a_stem_is_a_file_name_and_an_id(name: str, stem: str) -> None:
    assert file_stem("k", name) == stem


def test_chart_numbers_are_short_and_what_is_missing_is_null() -> None:
    view = View("v", "ms", (Line("a", 8, (1.23456789, None, float("nan"))),))
    made = chart_json(Chart("x", (1.0, 2.0, 3.0), (view,)))["views"][0]["lines"][0]
    assert made == {"name": "a", "colour": "v1", "dash": 1, "values": [1.2346, None, None]}


def test_drift_is_relative_to_the_run_s_own_kind_and_in_order_of_time(findings: Findings) -> None:
    runs = drifting(findings)
    started = [one.run.facts.started_at for one in runs]
    assert started == sorted(started) and len(runs) == 6
    for spec in SPECS:
        own = sorted(one.factor for one in runs if one.run.facts.spec == spec)
        assert own[1] == 1.0  # the median of three


def test_every_kind_of_figure_is_drawn_and_named_once(findings: Findings) -> None:
    shares = fake_designs.attributions(("steady",))
    figures = draw(replace(findings, attributions=shares), fake_designs.sweep({"onnx": 90.0}))
    names = [drawing.name for drawing in figures.all]
    assert names == [
        "waterfall-p95-steady", "waterfall-goodput-steady", "shares-steady",
        "percentiles-steady", "blocks-steady", "overtime-steady", "rates-steady", "drift",
    ]  # fmt: skip
    for drawing in figures.all:
        assert drawing.table is not None
        widths = {len(row) for row in drawing.table.rows}
        assert widths == {len(drawing.table.head)}
        ids = re.findall(r'\bid="([^"]+)"', drawing.svg())
        assert all(one.startswith(drawing.name) for one in ids)


def test_many_variants_beside_the_chain_stay_out_of_the_figures(findings: Findings) -> None:
    steps = tuple(step for step in findings.ablation.steps if step.new == "onnx")
    few = replace(findings, ablation=replace(findings.ablation, steps=steps))
    assert shown_specs(few) == ("baseline", "onnx")
    none = replace(findings, ablation=replace(findings.ablation, steps=()))
    assert shown_specs(none) == tuple(SPECS)  # nothing to choose by


def test_shares_say_their_range_over_the_orders() -> None:
    (attribution, *_) = fake_designs.attributions(("steady",))
    share = attribution.shares[2]
    assert order_range(share, "p50") == "1.25x slower to 1.05x slower"
    assert order_range(replace(share, low_order=None), "p50") == "–"
    nothing = replace(attribution, shares=(replace(share, gain=None),))
    assert shares_figure([nothing]) is None


def test_certificates_come_worst_first(findings: Findings) -> None:
    def run(late_s: float, passed: bool) -> object:
        one = findings.summaries[0]
        assert one.facts.certificate is not None
        made = replace(one.facts.certificate, lateness_p99_s=late_s, passed=passed)
        return replace(one, facts=replace(one.facts, id=f"{late_s:g}", certificate=made))

    several = tuple(run(*one) for one in ((0.001, True), (0.0005, False), (0.0015, True)))
    found = fidelity(replace(findings, summaries=several))  # type: ignore[arg-type]  # of the right kind
    assert [row.id for row in found.rows] == ["0.0005", "0.0015", "0.001"]
    assert found.summary.startswith("2 of 3 runs passed")
    assert "lateness p99 at most 1.50 ms" in found.summary


def test_a_certificate_of_nothing_sent_is_still_a_row(tmp_path: Path) -> None:
    experiment = Experiment(planted(SPECS), tuple(SPECS), ("steady",), blocks=1, duration_s=3)
    out = fake_runs.write(tmp_path, experiment)

    def blank(facts: dict[str, Any]) -> None:
        certificate = facts["generator"]["certificate"]
        certificate.update(target_rate=None, realised_rate=None, realised_cv=None, gaps_ks=None)
        certificate["lateness_s"] = {"p50": None, "p99": None, "max": None}

    for folder in (out / "runs").iterdir():
        fake_runs.edit_json(folder, blank)
    found = fidelity(find(out))
    assert found.summary == "2 of 2 runs passed."
    assert found.rows[0].rate == "– of –" and found.rows[0].lateness == "– / – / –"


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        (Gate("lateness p99", 0.0013, 0.002, "s", True), "1.30 ms of 2.00 ms"),
        (Gate("arrivals accounted", 1_234_567.0, 1_234_567.0, "requests", True),
         "1234567 of 1234567 requests"),
        (Gate("gaps off by", 0.0312345, 0.0812345, "KS distance", True),
         "0.0312 of 0.0812 KS distance"),
        (Gate("rate off by", None, 0.1, "", False), "– of 0.1"),
    ],
)  # fmt: skip
def test_gates_are_told_with_their_limits(gate: Gate, told: str) -> None:
    assert gate_figures(gate) == told


def test_what_serving_takes_is_per_right_answer(findings: Findings) -> None:
    first = resource_rows(findings)[0]
    assert (first.name, first.memory, first.throttled) == ("baseline", "410 MB", "–")
    assert first.cpu_per_answer == "16.5 ms"
    bare = tuple(replace(one, facts=replace(one.facts, server=None)) for one in findings.summaries)
    assert resource_rows(replace(findings, summaries=bare)) == ()


def test_a_run_of_one_block_draws_no_drift(tmp_path: Path) -> None:
    experiment = Experiment(planted(SPECS), tuple(SPECS), ("steady",), blocks=1, duration_s=3)
    assert draw(find(fake_runs.write(tmp_path, experiment))).drift == ()


@pytest.mark.parametrize("reach", [1.34, 2.5, 8.0, 60.0, 500.0])
def test_the_marks_of_the_drift_leave_each_other_room(reach: float) -> None:
    marks = np.log(_marks(reach))
    assert 0.0 in marks and marks.min() > -np.log(reach) and marks.max() < np.log(reach)
    assert len(marks) >= 3 and (np.diff(marks) > 0.12 * 2 * np.log(reach)).all()


@pytest.mark.parametrize("reach", [1.5, 6.0, 30.0, 250.0])
def test_the_factors_below_a_waterfall_do_not_run_into_each_other(reach: float) -> None:
    figure = Figure(figsize=(4.0, 2.0))
    axes = figure.add_axes((0.27, 0.2, 0.4, 0.7))
    axes.tick_params(labelsize=8.5)
    left, right = -np.log(reach), np.log(reach) / 3
    axes.set_xlim(left, right)
    factor_ticks(axes, left, right)
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in axes.get_xticklabels()]
    boxes.sort(key=lambda box: box.x0)
    assert len(boxes) >= 2
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


def test_screening_says_how_easily_luck_points_one_way(findings: Findings) -> None:
    assert "3 blocks point all one way 1 time in 4" in screening_note(findings)
