"""Quantization of a real fused graph, run by ONNX Runtime."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.numpy_helper import from_array, to_array

from bentofiles.isa import cpu_flags
from builder import export, int8
from builder.artifacts import Artifact
from builder.calibration import Calibration, calibration_for, open_graph
from builder.export import GRAPH
from builder.fixed_scales import scale_and_zero
from builder.golden import golden_for
from builder.isa import int8_target
from builder.model import resolve
from builder.prepare import Prepared, prepare
from builder.sensitivity import probabilities
from loadtests._texts import generated_sentences, split_of
from variants._errors import OptbuildError

TINY = "synthetic:roberta-tiny"
TEXTS = Calibration("generated", generated_sentences(48, seed=5))


@pytest.fixture(scope="module")
def prepared(home: Path) -> Prepared:
    return prepare(resolve(TINY))


@pytest.fixture(scope="module")
def fused(prepared: Prepared) -> Artifact:
    return export.fused(prepared, resolve(TINY).digest)


def quantized(
    graph: Artifact, prepared: Prepared, kept: Sequence[str] = (), static: bool = True
) -> Artifact:
    target = int8_target(cpu_flags())
    return int8.quantized(graph, target, prepared, TEXTS if static else None, kept)


@pytest.mark.parametrize(
    ("limits", "scale", "zero"),
    [
        ((-1.0, 3.0), 4 / 255, 64),
        ((0.0, 255.0), 1.0, 0),
        ((2.0, 5.1), 0.02, 0),  # zero is always within
        ((-5.1, -2.0), 0.02, 255),
        ((0.0, 0.0), 1.0, 0),
    ],
)
def test_a_range_of_8_bits_holds_zero(limits: tuple[float, float], scale: float, zero: int) -> None:
    found = scale_and_zero(limits)
    assert found[0] == pytest.approx(scale)
    assert found[1] == zero
    assert (found[0].dtype, found[1].dtype) == (np.float32, np.uint8)


@pytest.mark.thorough
def test_every_product_runs_on_integers_with_a_fixed_scale(
    prepared: Prepared, fused: Artifact
) -> None:
    made = quantized(fused, prepared)
    # Two layers of one attention and three products, and two products in the classifier.
    assert made.facts["int8_kernels"] == {"QAttention": 2, "MatMulIntegerToFloat": 8}
    operators = export.operator_counts(made.path / GRAPH)
    assert not {"DynamicQuantizeLinear", "MatMulInteger", "MatMul", "Gemm"} & set(operators)
    assert (operators["LayerNormalization"], operators["BiasGelu"]) == (5, 2)
    assert operators["Add"] == 7  # a bias is added by the product before it


@pytest.mark.thorough
def test_an_answer_does_not_depend_on_batch_mates_and_is_near_fp32s(
    prepared: Prepared, fused: Artifact
) -> None:
    texts = [*generated_sentences(12, seed=9), "very long " * 200]
    made = quantized(fused, prepared).path / GRAPH
    alone = probabilities(made, prepared, texts)
    together = open_graph(made, prepared).probabilities(texts)
    assert np.abs(alone - together).max() < 1e-5
    expected = probabilities(fused.path / GRAPH, prepared, texts)
    assert 1e-6 < np.abs(alone - expected).max() < 0.02


def spoil(fused: Path, made: Path) -> list[str]:
    """Write the graph with an outlier in what some operators read; returns the operators' names.

    One channel is thousands of times the others, and its reader's weights ignore it: in fp32 that
    changes nothing, and 8 bits hold nothing but that channel.
    """
    model = onnx.load(str(fused))
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = [one for one in model.graph.node if re.search(r"layer.\d/output/dense/M", one.name)]

    def change(key: str, value: float) -> None:
        changed = to_array(tensors[key]).copy()
        changed[7] = value
        tensors[key].CopyFrom(from_array(changed, key))

    for node in nodes:
        (gelu,) = [one for one in model.graph.node if node.input[0] in one.output]
        change(gelu.input[1], 2000.0)  # GELU lets what is large pass
        change(node.input[1], 0.0)
    onnx.save(model, str(made))
    return [str(node.name) for node in nodes]


@pytest.mark.thorough
@pytest.mark.parametrize("static", [True, False])
def test_operators_with_an_outlier_suffer_most_and_may_stay_in_fp32(
    static: bool, home: Path, tmp_path: Path
) -> None:
    bundled = resolve(None)  # random weights have nothing to get wrong
    prepared = prepare(bundled)
    names = spoil(export.fused(prepared, bundled.digest).path / GRAPH, tmp_path / GRAPH)
    spoilt = Artifact(tmp_path, {}, "spoilt")
    ranked = int8.suffering(spoilt, prepared, TEXTS, static)
    assert set(ranked[: len(names)]) == set(names)
    careless = quantized(spoilt, prepared, (), static)
    careful = quantized(spoilt, prepared, ranked[: len(names)], static)
    assert careless.facts["kept_fp32"] == []
    assert set(careful.facts["kept_fp32"]) == set(names)
    assert export.operator_counts(careful.path / GRAPH)["MatMul"] == len(names)
    exact, *rough = (
        probabilities(path, prepared, TEXTS.texts)
        for path in (tmp_path / GRAPH, careful.path / GRAPH, careless.path / GRAPH)
    )
    after, before = (np.abs(one - exact).mean() for one in rough)
    assert after < before / 10


def test_no_text_that_judges_is_calibrated_with() -> None:
    for name in (None, TINY):
        golden = golden_for(resolve(name), None)
        calibration = calibration_for(golden)
        assert len(calibration.texts) == 128
        assert not set(calibration.texts) & set(golden.texts)
        if "reviews" in calibration.source:
            assert {split_of(text) for text in calibration.texts} == {"train"}


def test_a_set_of_ones_own_is_left_out_of_calibration(tmp_path: Path) -> None:
    usual = calibration_for(golden_for(resolve(TINY), None))
    path = tmp_path / "own.csv"
    path.write_text('text\n"' + usual.texts[0].replace('"', '""') + '"\n', encoding="utf-8")
    assert usual.texts[0] not in calibration_for(golden_for(resolve(TINY), path)).texts


def test_texts_of_ones_own_calibrate_unless_they_judge(tmp_path: Path) -> None:
    golden = golden_for(resolve(TINY), None)
    own = tmp_path / "own.txt"
    own.write_text("\n".join([golden.texts[0], *(f"text {n}" for n in range(600))]))
    found = calibration_for(golden, own)
    assert found.texts == tuple(f"text {n}" for n in range(0, 600, 3))
    assert found.source == "of 601 in own.txt"
    own.write_text(golden.texts[0])
    with pytest.raises(OptbuildError, match="calibrate on others"):
        calibration_for(golden, own)


@pytest.mark.thorough
def test_every_attention_may_stay_in_fp32(prepared: Prepared, fused: Artifact) -> None:
    inputs = int8.quantizable(onnx.load(str(fused.path / GRAPH)))
    made = quantized(fused, prepared, [name for name in inputs if name.startswith("Attention")])
    assert export.operator_counts(made.path / GRAPH)["Attention"] == 2
    assert made.facts["int8_kernels"] == {"MatMulIntegerToFloat": 8}
