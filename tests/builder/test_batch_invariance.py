import http.client
import json
from pathlib import Path

import numpy as np
import pytest

from builder.batch_invariance import BatchInvariance, Probabilities, batches, compare, sample
from builder.build import Request, build
from builder.check import Check, Limits, require
from builder.golden import golden_for
from builder.model import resolve
from deploy.local import Server
from variants._errors import OptbuildError
from variants._spec import compose

TEXTS = [f"film {number} " + "is long " * (number % 7) for number in range(50)]
TINY = "synthetic:roberta-tiny"


def steady(texts: list[str]) -> Probabilities:
    positive = np.array([len(text) % 10 / 10 for text in texts], dtype=np.float32)
    return np.stack([1 - positive, positive], axis=1)


def test_every_text_is_in_a_mixed_batch_and_some_beside_the_longest() -> None:
    found = list(batches(TEXTS))
    mixed = [batch for batch in found if len(batch) > 4]
    assert [text for batch in mixed for text in batch] == TEXTS
    longest = max(TEXTS, key=len)
    beside = [batch for batch in found if len(batch) <= 4]
    assert all(batch[-1] == longest for batch in beside)
    assert [text for batch in beside for text in batch[:-1]] == TEXTS


def test_who_answers_each_text_by_itself_does_not_drift() -> None:
    assert compare(steady, TEXTS) == BatchInvariance(len(TEXTS), 0, 0.0)


def test_flips_and_drift_are_those_of_the_worst_batch() -> None:
    moved = {TEXTS[3]: 0.25, TEXTS[40]: -0.75}

    def swayed(texts: list[str]) -> Probabilities:
        rows = np.array([[0.375, 0.625]] * len(texts), dtype=np.float32)
        if len(texts) > 1:
            for row, text in zip(rows, texts, strict=True):
                row += np.float32(moved.get(text, 0)) * np.array([-0.5, 0.5], dtype=np.float32)
        return rows

    assert compare(swayed, TEXTS) == BatchInvariance(len(TEXTS), 1, 0.375)


def test_a_text_that_comes_twice_counts_once() -> None:
    assert compare(steady, ["a", "b", "a"]).texts == 2


def test_the_sample_is_fixed_whatever_the_order() -> None:
    many = [f"text {number}" for number in range(1000)]
    assert sample(many) == sample(many[::-1])
    assert len(sample(many)) == 256


@pytest.mark.parametrize(
    ("flips", "drift", "passes"), [(2, 0.25, True), (3, 0.04, False), (0, 0.26, False)]
)
def test_the_gate_is_at_the_limits(flips: int, drift: float, passes: bool) -> None:
    check = Check("test", 100, 0, 0.0, None, None, BatchInvariance(100, flips, drift))
    assert Check.from_json(check.to_json()) == check
    if passes:
        require(check, Limits(), "onnx+quantized")
        return
    moved = {0.25: "25", 0.04: "4", 0.26: "26"}[drift]
    said = (
        rf"{flips} of 100 labels differ \({flips}\.00%, limit 2\.00%\), "
        rf"largest drift of a probability {moved} points \(limit 25\)"
    )
    with pytest.raises(OptbuildError, match=said) as caught:
        require(check, Limits(), "onnx+quantized")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("drift", "limit", "said"),
    [
        (0.0057, 0.001, r"0\.57 points \(limit 0\.1\)"),  # as --max-batch-drift 0.1 gives it
        (0.254, 0.25, r"25\.4 points \(limit 25\)"),
        (6e-5, 0.0, r"0\.006 points \(limit 0\)"),
    ],
)
def test_a_drift_and_its_limit_are_in_the_options_unit(
    drift: float, limit: float, said: str
) -> None:
    check = Check("test", 100, 0, 0.0, None, None, BatchInvariance(100, 0, drift))
    with pytest.raises(OptbuildError, match=said):
        require(check, Limits(batch_drift=limit), "onnx+quantized")


def test_a_check_of_before_batch_invariance_is_read() -> None:
    content = Check("test", 100, 1, 0.1, None, None).to_json()
    del content["batch_invariance"]
    assert Check.from_json(content).batch_invariance is None


@pytest.mark.thorough
@pytest.mark.parametrize("spec", ["onnx+quantized", "onnx+quantized=static"])
def test_a_real_server_is_swayed_as_much_as_its_check_says(home: Path, spec: str) -> None:
    made = build(compose(spec), Request(model=TINY), lambda stage: None)
    found = made.check.batch_invariance
    assert found is not None
    labels: list[str] = made.details["model"]["labels"]
    with Server(made.path, home / "batch_invariance.log") as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)

        def ask(texts: list[str]) -> Probabilities:
            connection.request("POST", "/predict", json.dumps({"texts": texts}).encode())
            answers = json.loads(connection.getresponse().read())
            rows = np.zeros((len(texts), 2), dtype=np.float32)
            for row, answer in zip(rows, answers, strict=True):
                row[:] = 1 - answer["score"]
                row[labels.index(answer["label"])] = answer["score"]
            return rows

        texts = sample(golden_for(resolve(TINY), None).texts)
        seen = compare(ask, texts)
        connection.close()
    assert (seen.texts, seen.label_flips) == (found.texts, found.label_flips)
    assert seen.largest_drift == pytest.approx(found.largest_drift, abs=1e-5)
    if spec.endswith("static"):
        assert (seen.label_flips, seen.largest_drift) == (0, pytest.approx(0, abs=1e-5))
    else:
        assert seen.largest_drift > 1e-4
