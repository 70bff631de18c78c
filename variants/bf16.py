"""PyTorch with the weights and products of the model in bfloat16, where the CPU multiplies those.

A CPU without such instructions (AVX512-BF16, AMX or Arm's bf16) would convert each number there and
back, so the build refuses it. An int8 graph in ONNX Runtime needs half the memory again.
"""

from dataclasses import replace

from variants._layer import Layer, Values, Variant


def apply(variant: Variant, values: Values) -> Variant:
    """The same service on a model in bfloat16."""
    return replace(variant, precision="bf16")


LAYER = Layer(
    level="runtime",
    summary="PyTorch in bfloat16, on a CPU with instructions for it",
    apply=apply,
    slot="runtime",
)
