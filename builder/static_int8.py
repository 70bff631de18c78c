"""The int8 graph with calibrated scales: an answer does not depend on what a text is batched with.

ONNX Runtime's own static quantization knows nothing of the fused attention, and leaves it in fp32.
So the graph is quantized dynamically, and its scales are fixed afterwards.
"""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import ModelProto

from bentofiles import onnx_predictor
from builder import artifacts, digests
from builder.artifacts import Artifact
from builder.calibration import PERCENTILE, Calibration, ranges
from builder.export import GRAPH, int8_facts, quantize
from builder.fixed_scales import freeze
from builder.isa import Int8Target
from builder.machine import library_versions
from builder.prepare import Prepared
from builder.sensitivity import flip_rate, probabilities, ranking
from variants._errors import OptbuildError

CODE = ("calibration.py", "export.py", "fixed_scales.py", "sensitivity.py", "static_int8.py")
INT8 = ("QAttention", "MatMulIntegerToFloat")


def quantized(
    graph: Artifact,
    target: Int8Target,
    prepared: Prepared,
    calibration: Calibration,
    most_flips: float | None,
) -> Artifact:
    """The static int8 graph of a fused one; facts as the dynamic one's, and what stayed in fp32.

    If on the calibration texts a larger share than `most_flips` of labels differs from the fused
    graph's, the operators whose activations matter most stay in fp32, every attention if it comes
    to that. None: do not look.
    """
    here = Path(__file__)
    recipe = {
        "graph": graph.content_digest,
        "isa": target.isa,
        "reduce_range": target.reduce_range,
        "texts": digests.of_json(calibration.texts),
        "most_flips": most_flips,
        "libraries": library_versions(("onnx", "onnxruntime", "tokenizers")),
        "code": digests.of_files(
            {name: here.with_name(name) for name in CODE}
            | {"onnx_predictor.py": Path(onnx_predictor.__file__)}
        ),
    }

    def fill(folder: Path) -> dict[str, object]:
        fused = graph.path / GRAPH
        kept, flips = _search(
            fused, folder / GRAPH, target, prepared, calibration.texts, most_flips
        )
        return {
            **int8_facts(folder / GRAPH, target),
            "activations": f"static, {PERCENTILE}% of values in range",
            "calibration": {"source": calibration.source, "count": len(calibration.texts)},
            "calibration_flip_rate": flips,
            "kept_fp32": kept,
        }

    return artifacts.make("int8-static", recipe, fill)


def quantizable(fused: ModelProto) -> dict[str, str]:
    """Name of each operator that quantization turns to integers, and the activation it reads."""
    weights = {tensor.name for tensor in fused.graph.initializer}
    return {
        # The quantizer writes a Gemm as a MatMul of this name and an Add.
        f"{node.name}_MatMul" if node.op_type == "Gemm" else node.name: node.input[0]
        for node in fused.graph.node
        if node.op_type in ("Attention", "MatMul", "Gemm") and node.input[1] in weights
    }


def _search(
    fused: Path,
    made: Path,
    target: Int8Target,
    prepared: Prepared,
    texts: Sequence[str],
    most_flips: float | None,
) -> tuple[list[str], float | None]:
    """Write the int8 graph, keeping ever more operators in fp32 until few enough labels flip.

    First none, then the one that matters most, then two, four, ... At half of all it ends, because
    then little speed is left to gain; the check on the golden set has the last word. Returns the
    names of those kept, and the share of flips (None if not looked at).
    """
    inputs = quantizable(onnx.load(str(fused)))
    limits = ranges(fused, sorted(set(inputs.values())), prepared, texts)

    def write(kept: Sequence[str]) -> None:
        quantize(fused, made, target, kept)
        model = onnx.load(str(made))
        freeze(model, limits)
        onnx.save(model, str(made))
        _require(model, len(inputs) - len(kept))

    write([])
    if most_flips is None:
        return [], None
    expected = probabilities(fused, prepared, texts)
    flips = flip_rate(probabilities(made, prepared, texts), expected)
    kept: list[str] = []
    ranked = ranking(fused, inputs, limits, prepared, texts) if flips > most_flips else []
    while flips > most_flips and 2 * len(kept) < max(1, len(inputs) // 2):
        kept = ranked[: max(1, 2 * len(kept))]
        write(kept)
        flips = flip_rate(probabilities(made, prepared, texts), expected)
    return kept, flips


def _require(model: ModelProto, integer_operators: int) -> None:
    """Raise OptbuildError unless that many operators are integer ones, all with fixed scales."""
    operators = [node.op_type for node in model.graph.node]
    found = sum(operators.count(name) for name in INT8)
    if found != integer_operators or "DynamicQuantizeLinear" in operators:
        raise OptbuildError(
            f"static quantization left {found} integer operators instead of {integer_operators}: "
            "install the versions of constraints.txt, or use quantized=dynamic"
        )
