"""Several copies of the whole server, each with its own processes."""

from dataclasses import replace

from variants._layer import Layer, Parameter, Values, Variant


def apply(variant: Variant, values: Values) -> Variant:
    """The same Bento deployed that many times."""
    count = values["n"]
    assert count is not None
    return replace(variant, replicas=int(count))


LAYER = Layer(
    level="deployment",
    summary="several containers or pods of the same Bento, each with its own limits",
    apply=apply,
    parameters=(
        Parameter(
            "n", help="containers or pods", default=2, minimum=1, maximum=64, always_spelled=True
        ),
    ),
)
