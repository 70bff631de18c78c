"""Verdicts on two sides: of one directory, of two directories, of two machines."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_days import FACTORS, SPECS, compare, edit, later, write

from analysis.across import why
from analysis.sides import find_sides
from variants._errors import OptbuildError


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("runs") / "first")


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
    second = later(tmp_path / "second", {**FACTORS, "onnx": 0.6})
    across = compare(first, "onnx", f"{second}:onnx")
    assert (across.method, across.comparison.verdict) == ("paired blocks", "regressed")
    assert f"{second}:onnx against {first}:onnx" in why(across)
    assert across.days == pytest.approx(3)


def test_other_seeds_compare_whole_runs_unpaired(first: Path, tmp_path: Path) -> None:
    second = later(tmp_path / "second", {**FACTORS, "onnx": 0.25}, seed=2, blocks=6)
    across = compare(first, "onnx", f"{second}:onnx")
    assert across.method == "unpaired runs"
    assert (across.n_old, across.n_new) == (8, 6)
    assert across.comparison.verdict == "improved" and across.screening
    assert "8 and 6 runs, unpaired, each relative to baseline" in why(across)


def test_goodput_of_unpaired_runs_is_a_share(first: Path, tmp_path: Path) -> None:
    second = later(tmp_path / "second", seed=2)
    across = compare(first, "onnx", f"{second}:onnx", metric="goodput")
    assert across.comparison.verdict == "equivalent"


MACHINE: dict[str, Any] = {
    "cores": ("hardware", {"cores": 8}),
    "CPU": ("hardware", {"cpu_model": "Intel Xeon"}),
    "memory": ("hardware", {"memory_bytes": 4e9}),
    "host": ("hardware", {"host": "b" * 16}),
}


@pytest.mark.parametrize("name", MACHINE)
def test_another_machine_forbids_a_verdict(tmp_path: Path, name: str) -> None:
    first = write(tmp_path / "first")
    edit(first, lambda run: run["machine"].update(host="a" * 16))
    second = later(tmp_path / "second", {**FACTORS, "onnx": 0.05})
    edit(second, lambda run: run["machine"].update(host="a" * 16))
    kind, changes = MACHINE[name]
    edit(second, lambda run: run["machine"].update(changes))
    across = compare(first, "onnx", f"{second}:onnx")
    assert (across.comparison.verdict, across.exit_code) == ("inconclusive", 3)
    assert [(one.kind, one.name) for one in across.differs] == [(kind, name)]
    assert "the machines differ" in why(across) and name in why(across)
    assert "10.0x faster" in why(across)  # what was measured is still told


def test_a_new_library_under_the_same_variant_has_a_verdict(first: Path, tmp_path: Path) -> None:
    second = later(tmp_path / "second", {**FACTORS, "onnx": 0.6})
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
    second = later(tmp_path / "second")
    edit(second, change)
    across = compare(first, "baseline", f"{second}:onnx")
    assert across.exit_code == 3
    assert "changed together" in why(across)
    alone = compare(first, "onnx", f"{second}:onnx")
    another_model = alone.differs[0].kind == "model"  # and then no variant is common to both
    assert alone.comparison.verdict == ("inconclusive" if another_model else "equivalent")


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
    second = later(tmp_path / "second", **changes)
    with pytest.raises(OptbuildError, match=said):
        compare(first, "onnx", f"{second}:onnx")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"target": {"name": "local"}}, {"target": {"name": "docker"}}, "target local / docker"),
        ({}, {"texts": {"source": "mine.txt", "sha256": "ab" * 32}}, "texts 5e5e5e5e.* / abab"),
    ],
)
def test_another_target_and_other_texts_are_another_load(
    first: Path, tmp_path: Path, before: dict[str, Any], after: dict[str, Any], said: str
) -> None:
    one, other = write(tmp_path / "one"), later(tmp_path / "other")
    edit(one, lambda run: run.update(before))
    edit(other, lambda run: run.update(after))
    with pytest.raises(OptbuildError, match=f"not loaded alike .*{said}"):
        compare(one, "onnx", f"{other}:onnx")


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run["texts"].update(source="the same texts in another file"),
        lambda run: run["texts"].pop("sha256"),
        lambda run: run.update(target={"name": "docker"}),  # the first does not say
        lambda run: run["machine"].update(host="a" * 16),  # the first does not say
    ],
)
def test_what_is_not_known_of_both_is_not_compared(
    first: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    second = later(tmp_path / "second")
    edit(second, change)
    across = compare(first, "onnx", f"{second}:onnx")
    assert (across.differs, across.comparison.verdict) == ((), "equivalent")


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
    assert compare(first, "baseline", f"{copy}:onnx").reference is None


def test_p99_without_enough_requests_says_so(first: Path) -> None:
    with pytest.raises(OptbuildError, match="1000 requests"):
        compare(first, "baseline", "onnx", metric="p99")
