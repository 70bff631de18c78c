"""A thread budget instead of one host-sized pool in every worker."""

from dataclasses import replace

from variants._layer import Layer, Parameter, Values, Variant


def apply(variant: Variant, values: Values) -> Variant:
    """The same service with a fixed number of intra-op threads, which do not spin."""
    count = values["n"]
    return replace(variant, threads="auto" if count is None else int(count))


LAYER = Layer(
    level="runtime",
    summary="a fixed number of intra-op threads a worker, without spinning",
    apply=apply,
    parameters=(
        Parameter(
            "n",
            help="intra-op threads a worker; left out: the process's CPUs divided by the workers",
            default=None,
            minimum=1,
            maximum=256,
        ),
    ),
)
