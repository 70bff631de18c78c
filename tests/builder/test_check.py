from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from builder.check import Check, Limits, compare, require, wilson
from builder.golden import Golden, golden_for, label_indices
from builder.model import resolve
from variants._errors import OptbuildError

GOLDEN = Golden("test", tuple("abcd"), ("positive", "negative", "positive", "negative"))
BASELINE = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], dtype=np.float32)


def test_a_check_counts_flips_differences_and_accuracy() -> None:
    variant = np.array([[0.1, 0.9], [0.8, 0.2], [0.55, 0.45], [0.4, 0.6]], dtype=np.float32)
    check = compare(variant, BASELINE, GOLDEN, [1, 0, 1, 0])
    assert check.label_flips == 1
    assert check.flip_rate == 0.25
    assert check.largest_difference == pytest.approx(0.25)
    assert check.accuracy is not None and check.accuracy.value == 0.5
    assert check.accuracy_drop == pytest.approx(0.25)
    assert Check.from_json(check.to_json()) == check


def test_without_labels_there_is_no_accuracy() -> None:
    check = compare(BASELINE, BASELINE, GOLDEN, None)
    assert check.accuracy is None
    assert check.accuracy_drop == 0
    assert check.to_json()["golden"]["labelled"] == 0
    assert Check.from_json(check.to_json()) == check


def test_the_interval_is_wilsons() -> None:
    z, n, p = norm.ppf(0.975), 200, 0.9
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = wilson(np.arange(n) < p * n)
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half))


@pytest.mark.parametrize(
    ("flips", "limits", "passes"),
    [
        (2, Limits(), True),
        (3, Limits(), False),
        (3, Limits(flip_rate=0.03), True),
        (0, Limits(0, 0), True),
        (1, Limits(flip_rate=0), False),
    ],
)
def test_the_gate_is_at_the_limit(flips: int, limits: Limits, passes: bool) -> None:
    check = Check("test", 100, flips, 0.5, None, None)
    if passes:
        require(check, limits, "onnx")
        return
    with pytest.raises(OptbuildError, match=f"labels flip in {flips}.00%") as caught:
        require(check, limits, "onnx")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(("right", "passes"), [(85, True), (84, False)])
def test_accuracy_may_fall_by_a_point_and_no_more(right: int, passes: bool) -> None:
    before, after = wilson(np.arange(100) < 86), wilson(np.arange(100) < right)
    check = Check("test", 100, 0, 0.5, after, before)
    if passes:
        require(check, Limits(), "onnx")
    else:
        with pytest.raises(OptbuildError, match=r"accuracy falls by 2\.00%"):
            require(check, Limits(), "onnx")


def test_no_accuracy_is_made_up_where_there_are_no_labels() -> None:
    with pytest.raises(OptbuildError, match="accuracy unknown without labels, labels flip in 50"):
        require(Check("test", 2, 1, 0.5, None, None), Limits(), "onnx")


def test_a_set_of_ones_own_must_fit_the_model(tmp_path: Path) -> None:
    path = tmp_path / "golden.csv"
    path.write_text("\ufefftext,label\nfine,1\nbad,0\n", encoding="utf-8")
    golden = golden_for(resolve("synthetic:roberta-tiny"), path)
    assert golden.texts == ("fine", "bad")
    assert label_indices(golden, ["0", "1"]) == [1, 0]
    with pytest.raises(OptbuildError, match="write labels as the model does"):
        label_indices(golden, ["LABEL_0", "LABEL_1"])
    path.write_text("text,label\nfine,1\nbad,\n")
    with pytest.raises(OptbuildError, match="label all of them, or none"):
        golden_for(resolve("synthetic:roberta-tiny"), path)


def test_labels_are_found_by_name_whatever_their_case_and_order() -> None:
    assert label_indices(GOLDEN, ["NEGATIVE", "neutral", "Positive"]) == [2, 0, 2, 0]
    assert label_indices(GOLDEN, ["LABEL_0", "LABEL_1"]) is None
    assert label_indices(Golden("test", ("a",), None), ["negative", "positive"]) is None
