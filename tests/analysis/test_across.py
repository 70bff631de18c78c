"""Verdicts on two sides: of one directory, of two dates, of two machines."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_runs
import pytest
from fake_runs import Experiment, planted

from analysis.across import Across, compare_sides, why
from analysis.compare import Metric
from analysis.sides import find_sides
from variants._errors import OptbuildError

SPECS = ("baseline", "onnx", "onnx+batching:max=8,wait=1s")
FACTORS = {"baseline": 1.0, "onnx": 0.5, "onnx+batching:max=8,wait=1s": 1.0}
SETTINGS: dict[str, Any] = {
    "specs": SPECS,
    "scenarios": ("steady",),
    "blocks": 8,
    "duration_s": 10.0,
}


def write(
    out: Path, factors: dict[str, float] = FACTORS, noise: float = 0.004, **more: Any
) -> Path:
    return fake_runs.write(out, Experiment(planted(factors, noise), **(SETTINGS | more)))


def edit(out: Path, change: Callable[[dict[str, Any]], object]) -> None:
    for folder in (out / "runs").iterdir():
        fake_runs.edit_json(folder, change)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("runs") / "first")


def compare(
    directory: Path, old: str, new: str, metric: Metric = "p95", margin: float | None = None
) -> Across:
    return compare_sides(find_sides(directory, old, new), metric, margin)


@pytest.mark.parametrize(
    ("old", "new", "verdict", "code"),
    [
        ("baseline", "onnx", "improved", 0),
        ("onnx", "baseline", "regressed", 1),
        ("baseline", SPECS[2], "equivalent", 0),
        ("baseline", "batching:wait=1s,max=8+onnx", "equivalent", 0),
    ],
)
def test_one_directory_is_compared_in_blocks(
    first: Path, old: str, new: str, verdict: str, code: int
) -> None:
    across = compare(first, old, new)
    assert (across.comparison.verdict, across.exit_code) == (verdict, code)
    assert (across.method, across.n_new, across.days) == ("paired blocks", 8, None)
    assert "8 blocks in pairs" in why(across)


def test_a_margin_of_its_own_decides(first: Path) -> None:
    assert compare(first, "onnx", "baseline", margin=1.5).comparison.verdict == "equivalent"


def test_few_blocks_are_inconclusive_and_say_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path, blocks=4)
    across = compare(tmp_path, "baseline", "onnx")
    assert (across.comparison.verdict, across.exit_code) == ("inconclusive", 3)
    assert "at least 6 blocks" in why(across)


def test_two_directories_with_equal_seeds_are_paired(first: Path, tmp_path: Path) -> None:
    second = write(tmp_path / "second", {**FACTORS, "onnx": 0.6})
    across = compare(first, "onnx", f"{second}:onnx")
    assert (across.method, across.comparison.verdict) == ("paired blocks", "regressed")
    assert f"{second}:onnx against {first}:onnx" in why(across)
    assert across.days is not None


def test_other_seeds_compare_whole_runs_unpaired(first: Path, tmp_path: Path) -> None:
    second = write(tmp_path / "second", {**FACTORS, "onnx": 0.25}, seed=2, blocks=6)
    across = compare(first, "onnx", f"{second}:onnx")
    assert across.method == "unpaired runs"
    assert (across.n_old, across.n_new) == (8, 6)
    assert across.comparison.interval is not None
    paired = compare(first, "baseline", "onnx").comparison.interval
    assert paired is not None
    width = across.comparison.interval.high - across.comparison.interval.low
    assert width > 2 * (paired.high - paired.low)


def test_goodput_of_unpaired_runs_is_a_share(first: Path, tmp_path: Path) -> None:
    second = write(tmp_path / "second", seed=2)
    across = compare(first, "onnx", f"{second}:onnx", metric="goodput")
    assert across.comparison.verdict == "equivalent"


MACHINE: dict[str, Any] = {
    "cores": ("hardware", {"cores": 8}),
    "CPU": ("hardware", {"cpu_model": "Intel Xeon"}),
    "memory": ("hardware", {"memory_bytes": 4e9}),
}


@pytest.mark.parametrize("name", MACHINE)
def test_another_machine_forbids_a_verdict(first: Path, tmp_path: Path, name: str) -> None:
    second = write(tmp_path / "second", {**FACTORS, "onnx": 0.05})
    kind, changes = MACHINE[name]
    edit(second, lambda run: run["machine"].update(changes))
    across = compare(first, "onnx", f"{second}:onnx")
    assert (across.comparison.verdict, across.exit_code) == ("inconclusive", 3)
    assert [(one.kind, one.name) for one in across.differs] == [(kind, name)]
    assert "the machines differ" in why(across) and name in why(across)
    assert "10.0x faster" in why(across)  # what was measured is still told


def test_a_new_library_under_the_same_variant_has_a_verdict(first: Path, tmp_path: Path) -> None:
    second = write(tmp_path / "second", {**FACTORS, "onnx": 0.6})
    edit(second, lambda run: run["machine"]["libraries"].update(onnxruntime="1.32.0"))
    across = compare(first, "onnx", f"{second}:onnx")
    assert across.comparison.verdict == "regressed"
    assert [str(one) for one in across.differs] == ["onnxruntime 1.31.1 / 1.32.0"]


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run["machine"].update(kernel="6.12"),
        lambda run: run["machine"]["libraries"].update(torch="2.14.0"),
        lambda run: run["model"].update(digest="ef" * 32),
    ],
)
def test_two_things_that_changed_together_cannot_be_told_apart(
    first: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    second = write(tmp_path / "second")
    edit(second, change)
    across = compare(first, "baseline", f"{second}:onnx")
    assert across.exit_code == 3
    assert "changed together" in why(across)
    assert compare(first, "onnx", f"{second}:onnx").comparison.verdict == "equivalent"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rates": {"steady": 31.0}}, "rate 30/s / 31/s"),
        ({"duration_s": 12.0}, "duration 10 s / 12 s"),
        ({"timeout_s": 5.0}, "timeout 10 s / 5 s"),
    ],
)
def test_another_load_is_refused(
    first: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    second = write(tmp_path / "second", **changes)
    with pytest.raises(OptbuildError, match=said):
        compare(first, "onnx", f"{second}:onnx")


@pytest.mark.parametrize(
    ("old", "new", "scenario", "said"),
    [
        ("onx", "onnx", None, "it has baseline, onnx"),
        ("onnx", "onnx", None, "both sides are onnx"),
        ("onnx", "/nowhere:onnx", None, "OTHERDIR:SPEC"),
        ("onnx", "baseline", "bursty", "there is steady"),
    ],
)
def test_a_mistake_names_what_there_is(
    first: Path, old: str, new: str, scenario: str | None, said: str
) -> None:
    with pytest.raises(OptbuildError, match=said):
        find_sides(first, old, new, scenario)


def test_the_same_directory_by_another_name_is_the_same_directory(first: Path) -> None:
    again = first / ".." / first.name
    assert compare(first, "baseline", f"{again}:onnx").method == "paired blocks"
    with pytest.raises(OptbuildError, match="both sides"):
        find_sides(first, "onnx", f"{again}:onnx")


def test_a_copy_is_no_second_measurement(first: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(first, copy)
    with pytest.raises(OptbuildError, match="hold the same run"):
        compare(first, "onnx", f"{copy}:onnx")
    assert compare(first, "baseline", f"{copy}:onnx").comparison.verdict == "improved"


def test_p99_without_enough_requests_says_so(first: Path) -> None:
    with pytest.raises(OptbuildError, match="1000 requests"):
        compare(first, "baseline", "onnx", metric="p99")
