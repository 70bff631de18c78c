"""What a machine does from one day to another is not taken for the variant's doing."""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_days import FACTORS, SPECS, compare, edit, later, write
from hypothesis import given
from hypothesis import strategies as st

from analysis.across import compare_sides, why
from analysis.compare import Metric
from analysis.sides import Side, Sides, find_sides
from analysis.summary import Summary


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("runs") / "first")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_slower_day_is_no_regression(first: Path, tmp_path: Path, seed: int) -> None:
    second = later(tmp_path / "second", slower=1.06, seed=seed)
    across = compare(first, "onnx", f"{second}:onnx")
    assert (across.comparison.verdict, across.exit_code) == ("equivalent", 0)
    assert across.reference == "baseline"
    assert "each relative to baseline in its own directory" in why(across)
    other = compare(first, "baseline", f"{second}:onnx")
    assert (other.reference, other.comparison.verdict) == (SPECS[2], "improved")


def test_a_regression_on_a_slower_day_is_one(first: Path, tmp_path: Path) -> None:
    second = later(tmp_path / "second", {**FACTORS, "onnx": 0.55}, slower=0.9)
    across = compare(first, "onnx", f"{second}:onnx")
    assert across.comparison.verdict == "regressed"
    assert across.comparison.gain == pytest.approx(math.log(0.5 / 0.55), abs=0.01)


def shifted(side: Side, log_factor: float) -> Side:
    """The same runs, all of them slower by a factor."""

    def slower(summary: Summary) -> Summary:
        factor = math.exp(log_factor)
        return replace(summary, p50_s=factor * summary.p50_s, p95_s=factor * summary.p95_s)

    return replace(side, runs=tuple(replace(one, summary=slower(one.summary)) for one in side.runs))


@pytest.fixture(scope="module")
def two_days(first: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sides]:
    folder = tmp_path_factory.mktemp("runs")
    factors = {**FACTORS, "onnx": 0.52}
    return {
        "paired blocks": find_sides(first, "onnx", f"{later(folder / 'same', factors)}:onnx"),
        "unpaired runs": find_sides(
            first, "onnx", f"{later(folder / 'other', factors, seed=2)}:onnx"
        ),
    }


@given(
    day=st.floats(-1, 1), method=st.sampled_from(["paired blocks", "unpaired runs"]),
    metric=st.sampled_from(["p50", "p95", "goodput"]),
)  # fmt: skip
def test_what_slows_a_whole_day_changes_nothing(
    two_days: dict[str, Sides], day: float, method: str, metric: Metric
) -> None:
    sides = two_days[method]
    assert sides.reference is not None
    old_reference, new_reference = sides.reference
    moved = replace(
        sides, new=shifted(sides.new, day), reference=(old_reference, shifted(new_reference, day))
    )
    before, after = (compare_sides(one, metric) for one in (sides, moved))
    assert after.method == before.method == method
    assert after.comparison.verdict == before.comparison.verdict
    assert after.comparison.gain == pytest.approx(before.comparison.gain, abs=1e-12)
    one, other = before.comparison.interval, after.comparison.interval
    assert one is not None and other is not None
    assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=1e-12)


def test_two_days_without_a_common_variant_have_no_verdict(first: Path, tmp_path: Path) -> None:
    second = later(tmp_path / "second", {**FACTORS, "onnx": 0.05}, specs=SPECS[:2])
    across = compare(first, "baseline", f"{second}:onnx")
    assert (across.comparison.verdict, across.exit_code) == ("inconclusive", 3)
    assert across.reference is None
    assert why(across).endswith(
        "measured on different days without a common variant: measure both in one run, "
        "or measure a common variant in both"
    )
    assert "faster" in why(across)  # what was measured is still told


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run["variant"].update(digest="ef" * 32),
        lambda run: run["model"].update(digest="ef" * 32),
        lambda run: run.update(started_at=run["started_at"].replace("-25T", "-22T")),
    ],
)
def test_other_settings_another_model_or_a_copy_are_no_common_variant(
    first: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """The last: with equal seeds and noise these are the runs of the first directory, copied."""
    second = later(tmp_path / "second", {**FACTORS, "onnx": 0.6})
    edit(second, lambda run: run["variant"]["spec"] == "onnx" or change(run))
    across = compare(first, "onnx", f"{second}:onnx")
    assert (across.reference, across.comparison.verdict) == (None, "inconclusive")


def test_the_common_variant_is_the_one_of_most_blocks(first: Path, tmp_path: Path) -> None:
    second = later(tmp_path / "second")
    shutil.rmtree(second / "runs" / "b003-steady-baseline")
    across = compare(first, "onnx", f"{second}:onnx")
    assert (across.reference, across.n_new) == (SPECS[2], 8)
