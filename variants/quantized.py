"""Weights in int8 per channel, activations quantized on the fly or with calibrated scales."""

from dataclasses import replace

from variants._layer import Layer, Values, Variant, choice

SCALES = ("dynamic", "static")


def apply(variant: Variant, values: Values) -> Variant:
    """The same service on the int8 graph."""
    scales = values["scales"]
    assert scales is not None
    static = SCALES[int(scales)] == "static"
    return replace(variant, quantization="int8-static" if static else "int8")


LAYER = Layer(
    level="runtime",
    summary="int8 weights per channel, int8 activations, kernels for this CPU's ISA",
    apply=apply,
    parameters=(
        choice(
            "scales",
            "of the activations: from each batch, or from calibration texts, so that a text's "
            "answer does not depend on the texts that it is batched with",
            SCALES,
        ),
    ),
    needs=("onnx",),
)
