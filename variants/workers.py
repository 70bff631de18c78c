"""Several server processes behind one socket."""

from dataclasses import replace

from variants._layer import Layer, Parameter, Values, Variant


def apply(variant: Variant, values: Values) -> Variant:
    """The same service in that many processes, each with its own copy of the model."""
    count = values["n"]
    assert count is not None
    return replace(variant, workers=int(count))


LAYER = Layer(
    level="service",
    summary="several worker processes behind one socket, each with its own model",
    apply=apply,
    parameters=(
        Parameter(
            "n", help="worker processes", default=2, minimum=1, maximum=64, always_spelled=True
        ),
    ),
)
