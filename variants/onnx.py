"""ONNX Runtime instead of PyTorch, on a graph with fused attention and GELU.

Why there is no layer for OpenVINO (2026.4.1): on the same fp32 graph it is slower for a short text
and at best 7% faster; it has no rule for the QAttention of the int8 one; and its own int8, made of
the unfused graph by NNCF 3.4, takes twice as long as ours. CPU ms a call, one thread, AMD EPYC with
AVX2, interleaved medians, ONNX Runtime 1.31.1 / OpenVINO:

    model                b1 s16       b1 s128     b8 s32
    bundled, fp32        2.7 / 3.5    17 / 16     26 / 24
    RoBERTa-base, fp32   55 / 65      339 / 360   674 / 706
    bundled, int8        1.6 / 4.6    9.9 / 22    17 / 36
    RoBERTa-base, int8   28 / 72      183 / 379   371 / 761
"""

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
