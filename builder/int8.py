"""The int8 graphs of a fused one, with activations scaled by batch or by calibrated ranges.

With calibrated scales an answer does not depend on what a text is batched with. ONNX Runtime's own
static quantization knows nothing of the fused attention, and leaves it in fp32: so the graph is
quantized dynamically, and its scales are fixed afterwards.

For some models 8 bits are too few at a handful of places: one channel of an activation is
hundreds of times the others, as in the late `output.dense` of a trained RoBERTa, and steps wide
enough for it are too coarse for the rest. Those operators can stay in fp32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import onnx
from onnx import ModelProto

from bentofiles import onnx_predictor
from builder import artifacts, digests
from builder.artifacts import Artifact
from builder.calibration import PERCENTILE, Calibration, ranges
from builder.export import GRAPH, operator_counts, running_counts
from builder.fixed_scales import Range, freeze
from builder.isa import Int8Target
from builder.machine import library_versions
from builder.prepare import Prepared
from builder.sensitivity import ranking
from variants._errors import OptbuildError

CODE = ("calibration.py", "export.py", "fixed_scales.py", "int8.py", "sensitivity.py")
LIBRARIES = ("onnx", "onnxruntime", "tokenizers")
# What multiplies integers; the others of an int8 graph only prepare and convert.
KERNELS = ("QAttention", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulInteger")


def quantized(
    graph: Artifact,
    target: Int8Target,
    prepared: Prepared,
    calibration: Calibration | None = None,
    kept: Sequence[str] = (),
) -> Artifact:
    """The int8 graph of a fused one, with the operators named in `kept` in fp32.

    Static with `calibration`, dynamic without. Facts: ISA, kernels, what stayed in fp32.
    """
    recipe = _recipe(graph) | {
        "isa": target.isa,
        "reduce_range": target.reduce_range,
        "calibration": calibration and digests.of_json(asdict(calibration)),
        "kept": list(kept),
    }

    def fill(folder: Path) -> dict[str, object]:
        made = folder / GRAPH
        limits = None if calibration is None else _ranges(graph, prepared, calibration)
        _write(graph.path / GRAPH, made, target, limits, kept)
        running = running_counts(made)
        return {
            "isa": target.isa,
            "weights": "int7" if target.reduce_range else "int8",
            "per_channel": True,
            "operators": operator_counts(made),
            "int8_kernels": {name: n for name, n in running.items() if name in KERNELS},
            "activations": "scaled by batch"
            if calibration is None
            else f"static, {PERCENTILE}% of values in range",
            "calibration": calibration
            and {"source": calibration.source, "count": len(calibration.texts)},
            "kept_fp32": list(kept),
        }

    return artifacts.make("int8-static" if calibration else "int8", recipe, fill)


def suffering(
    graph: Artifact, prepared: Prepared, texts: Calibration, static: bool
) -> tuple[str, ...]:
    """Names of a fused graph's operators, the one that suffers most from int8 first.

    As `texts` show. Takes seconds for the bundled model, minutes for RoBERTa-base.
    """
    recipe = _recipe(graph) | {"static": static, "texts": digests.of_json(texts.texts)}

    def fill(_: Path) -> dict[str, object]:
        fused = graph.path / GRAPH
        inputs = quantizable(onnx.load(str(fused)))
        limits = _ranges(graph, prepared, texts) if static else None
        return {"ranked": ranking(fused, inputs, limits, prepared, texts.texts)}

    return tuple(artifacts.make("suffering", recipe, fill).facts["ranked"])


def quantizable(fused: ModelProto) -> dict[str, str]:
    """Name of each operator that quantization turns to integers, and the activation it reads."""
    weights = {tensor.name for tensor in fused.graph.initializer}
    return {
        # The quantizer writes a Gemm as a MatMul of this name and an Add.
        f"{node.name}_MatMul" if node.op_type == "Gemm" else node.name: node.input[0]
        for node in fused.graph.node
        if node.op_type in ("Attention", "MatMul", "Gemm") and node.input[1] in weights
    }


def _recipe(graph: Artifact) -> dict[str, object]:
    here = Path(__file__)
    files = {name: here.with_name(name) for name in CODE}
    return {
        "graph": graph.content_digest,
        "libraries": library_versions(LIBRARIES),
        "code": digests.of_files(files | {"onnx_predictor.py": Path(onnx_predictor.__file__)}),
    }


def _write(
    fused: Path,
    made: Path,
    target: Int8Target,
    limits: Mapping[str, Range] | None,
    kept: Sequence[str],
) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        fused,
        made,
        per_channel=True,
        reduce_range=target.reduce_range,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(kept),
        # Shape inference stops at the fused operators; their inputs are floats.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    inputs = quantizable(onnx.load(str(fused)))
    model = onnx.load(str(made))
    if limits is not None:
        freeze(model, limits)
        onnx.save(model, str(made))
    _require(model, len(inputs) - len(kept))


def _ranges(graph: Artifact, prepared: Prepared, texts: Calibration) -> Mapping[str, Range]:
    """Of what the operators of a fused graph read, looked at once for all graphs made of it."""
    recipe = _recipe(graph) | {"texts": digests.of_json(texts.texts)}

    def fill(_: Path) -> dict[str, object]:
        fused = graph.path / GRAPH
        read = sorted(set(quantizable(onnx.load(str(fused))).values()))
        return dict(ranges(fused, read, prepared, texts.texts))

    found = artifacts.make("ranges", recipe, fill).facts
    return {tensor: (low, high) for tensor, (low, high) in found.items()}


def _require(model: ModelProto, integer_operators: int) -> None:
    """Raise OptbuildError unless that many operators multiply integers.

    What the quantizer does not recognize it leaves in fp32 without a word.
    """
    operators = [node.op_type for node in model.graph.node]
    if (found := sum(operators.count(name) for name in KERNELS)) != integer_operators:
        raise OptbuildError(
            f"quantization left {found} integer operators instead of {integer_operators}: "
            "install the versions of constraints.txt"
        )
