"""ONNX Runtime instead of PyTorch, on a graph with fused attention, layer norm and GELU."""

from dataclasses import replace

from variants._layer import Layer, Values, Variant


def apply(variant: Variant, values: Values) -> Variant:
    """The same service with the model run by ONNX Runtime."""
    return replace(variant, runtime="onnx")


LAYER = Layer(
    level="runtime",
    summary="ONNX Runtime on a fused fp32 graph instead of PyTorch eager",
    apply=apply,
    slot="runtime",
)
