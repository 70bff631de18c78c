"""A share of the machine that each replica may not exceed."""

from dataclasses import replace

from variants._layer import Layer, Parameter, Values, Variant


def apply(variant: Variant, values: Values) -> Variant:
    """The same Bento in containers with these limits."""
    cores, memory_bytes = values["cpu"], values["memory"]
    assert cores is not None and memory_bytes is not None
    return replace(variant, cpu_limit=cores, memory_limit_bytes=int(memory_bytes))


LAYER = Layer(
    level="deployment",
    summary="CPU and memory that a replica may use; its threads follow the CPU limit",
    apply=apply,
    parameters=(
        Parameter(
            "cpu",
            help="cores of a replica, as Kubernetes writes them",
            default=1.0,
            minimum=0.1,  # below, BentoML takes minutes to start
            maximum=256.0,
            unit="cores",
            always_spelled=True,
        ),
        Parameter(
            "memory",
            help="memory of a replica, as Kubernetes writes it; beyond it the replica is killed",
            default=float(2**30),
            minimum=float(2**27),  # the interpreter and BentoML alone take about that
            maximum=float(2**40),
            unit="bytes",
            always_spelled=True,
        ),
    ),
)
