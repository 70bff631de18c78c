"""Which operators suffer most from int8 activations, measured on what the model answers."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto
from onnx.helper import make_node
from onnx.numpy_helper import from_array

from builder.calibration import open_graph
from builder.check import Probabilities
from builder.fixed_scales import Range, scale_and_zero
from builder.prepare import Prepared

TEXTS = 24  # enough to rank operators: what hurts is off by orders of magnitude


def probabilities(graph: Path, prepared: Prepared, texts: Sequence[str]) -> Probabilities:
    """What a graph answers, (texts, labels), each text alone."""
    predictor = open_graph(graph, prepared)
    return np.concatenate([predictor.probabilities([text]) for text in texts])


def ranking(
    fused: Path,
    inputs: Mapping[str, str],
    limits: Mapping[str, Range] | None,
    prepared: Prepared,
    texts: Sequence[str],
) -> list[str]:
    """Operators of the fused graph, the one that moves the probabilities most first.

    `inputs`: the activation that each operator reads. One at a time is rounded to its 8 bits in
    the fp32 graph, by its range in `limits`, or None: by that of each batch; all else stays as it
    is.
    """
    few = texts[:: max(1, len(texts) // TEXTS)]
    expected = probabilities(fused, prepared, few)
    moved: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rounded.onnx"
        for tensor in set(inputs.values()):
            model = onnx.load(str(fused))
            round_tensor(model, tensor, None if limits is None else limits[tensor])
            onnx.save(model, str(path))
            moved[tensor] = float(np.abs(probabilities(path, prepared, few) - expected).mean())
    return sorted(inputs, key=lambda name: (-moved[inputs[name]], name))


def round_tensor(model: ModelProto, tensor: str, limits: Range | None) -> None:
    """Let the readers of a float tensor see it as 8 bits would hold it, in place.

    `limits`: the range that those span; None: that of the values in each batch.
    """
    names = [f"{tensor}_rounded_{part}" for part in ("scale", "zero", "bits", "float")]
    scale, zero, bits, rounded = names
    nodes = model.graph.node
    for node in nodes:
        node.input[:] = [rounded if name == tensor else name for name in node.input]
    if limits is None:
        quantize = make_node("DynamicQuantizeLinear", [tensor], [bits, scale, zero])
    else:
        fixed = map(np.array, scale_and_zero(limits))
        model.graph.initializer.extend(map(from_array, fixed, (scale, zero)))
        quantize = make_node("QuantizeLinear", [tensor, scale, zero], [bits])
    at = 1 + next(i for i, node in enumerate(nodes) if tensor in node.output)
    nodes.insert(at, quantize)
    nodes.insert(at + 1, make_node("DequantizeLinear", [bits, scale, zero], [rounded]))
