"""BentoML's adaptive batching across requests."""

from dataclasses import replace

from variants._layer import Layer, Parameter, Values, Variant


def apply(variant: Variant, values: Values) -> Variant:
    """The same service with the texts of concurrent requests run as one batch."""
    size, wait_s = values["max"], values["wait"]
    assert size is not None and wait_s is not None
    return replace(variant, max_batch_size=int(size), max_batch_wait_s=wait_s)


LAYER = Layer(
    level="service",
    summary="BentoML's adaptive batching: concurrent requests share a forward pass",
    apply=apply,
    parameters=(
        # A maximum of 1 is no batching, and BentoML refuses it.
        Parameter("max", help="texts in a batch", default=32, minimum=2, maximum=1024),
        Parameter(
            "wait",
            help="a request that would wait longer is refused with 503 (BentoML's max_latency_ms)",
            default=10.0,
            minimum=0.001,
            maximum=60.0,
            unit="seconds",
        ),
    ),
    excludes=("lean",),  # which answers before BentoML's batcher sees a request
)
