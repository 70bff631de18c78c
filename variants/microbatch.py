"""One front and a few threads that share the model: batches bounded by tokens, never waited for."""

from dataclasses import replace

from variants._layer import Layer, Parameter, Values, Variant


def apply(variant: Variant, values: Values) -> Variant:
    """The same service with one thread a CPU running the model, on requests of like length."""
    tokens, lanes, deadline_s = values["tokens"], values["lanes"], values["deadline"]
    assert tokens is not None and deadline_s is not None
    return replace(
        variant,
        max_batch_tokens=int(tokens),
        lanes="auto" if lanes is None else int(lanes),
        deadline_s=deadline_s,
    )


LAYER = Layer(
    level="service",
    summary="requests of like length run together where that pays, on one thread for each CPU",
    apply=apply,
    parameters=(
        Parameter(
            "tokens", help="padded tokens in a batch", default=2048, minimum=16, maximum=10**6
        ),
        Parameter(
            "lanes",
            help="threads that run the model; left out: CPUs by workers and intra-op threads",
            default=None,
            minimum=1,
            maximum=256,
        ),
        Parameter(
            "deadline",
            help="a request that cannot be answered within it is refused with 503",
            default=5.0,
            minimum=0.001,
            maximum=25.0,
            unit="seconds",
        ),
    ),
    needs=("lean",),
)
