"""Fixed scales in an int8 graph, where `DynamicQuantizeLinear` takes one from each batch.

The rest of the graph is what ONNX Runtime's dynamic quantization made of it, and so are the
integer kernels: `QAttention` and `MatMulIntegerToFloat`. The second adds a bias by itself.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

import numpy as np
from onnx import ModelProto, NodeProto
from onnx.helper import make_node
from onnx.numpy_helper import from_array

Range = tuple[float, float]
LEVELS = 255  # steps of an 8-bit activation


def scale_and_zero(limits: Range) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of unsigned 8-bit values for a range, which is widened to hold zero.

    As `DynamicQuantizeLinear` has it (ONNX operators, opset 11).
    """
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    scale = np.float32((high - low) / LEVELS) or np.float32(1)  # an activation that is always 0
    return scale, np.uint8(np.clip(np.rint(-low / scale), 0, LEVELS))


def freeze(model: ModelProto, limits: Mapping[str, Range]) -> None:
    """Give the activations of a dynamically quantized graph fixed scales, in place."""
    graph = model.graph
    maker = {output: node for node in graph.node for output in node.output}
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    vectors = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 1}
    instead: dict[str, NodeProto] = {}
    gone: set[str] = set()
    for node in graph.node:
        if node.op_type == "DynamicQuantizeLinear":
            values, scale, zero = node.output
            fixed = scale_and_zero(limits[node.input[0]])
            graph.initializer.extend(map(from_array, map(np.array, fixed), (scale, zero)))
            instead[values] = make_node(
                "QuantizeLinear", [node.input[0], scale, zero], [values], node.name
            )
        elif node.op_type == "MatMulInteger":
            # ONNX Runtime finds this pattern by itself only while one of the scales is computed.
            (cast,) = readers[node.output[0]]
            (rescaled,) = readers[cast.output[0]]
            (both,) = [maker[name] for name in rescaled.input if name != cast.output[0]]
            a, b, a_zero, b_zero = node.input
            last, bias = _with_bias(rescaled, readers, vectors)
            gone |= {one.output[0] for one in (cast, rescaled, both, last)}
            instead[node.output[0]] = make_node(
                "MatMulIntegerToFloat",
                [a, b, *both.input, a_zero, b_zero, *bias],
                [last.output[0]],
                node.name,
                domain="com.microsoft",
            )
    nodes = [instead.get(node.output[0], node) for node in graph.node if node.output[0] not in gone]
    del graph.node[:]
    graph.node.extend(nodes)


def _with_bias(
    product: NodeProto, readers: Mapping[str, Sequence[NodeProto]], vectors: Set[str]
) -> tuple[NodeProto, list[str]]:
    """What ends a product, and its bias: the Add of one if that alone reads it, else itself."""
    after = readers[product.output[0]]
    alone = [reader.op_type for reader in after] == ["Add"]
    bias = [name for name in after[0].input if name in vectors] if alone else []
    return (after[0], bias) if bias else (product, [])
