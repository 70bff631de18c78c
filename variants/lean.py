"""The request path without what the model does not need."""

from dataclasses import replace

from variants._layer import Layer, Values, Variant

DEADLINE_S = 25.0  # as long as the contract lets any variant take


def apply(variant: Variant, values: Values) -> Variant:
    """The same service with `/predict` answered in a small ASGI middleware under uvloop."""
    return replace(variant, lean=True, lanes=1, deadline_s=DEADLINE_S)


LAYER = Layer(
    level="service",
    summary="/predict in front of BentoML's request path: no per-request schema, no tracing",
    apply=apply,
)
