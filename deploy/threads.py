"""The threads that a replica's CPU limit has room for.

Libraries size their thread pools by the machine's cores and know nothing of a container's limit;
a pool that is larger than the limit is stopped by the kernel for most of each period.
"""

import math

from bentofiles.pinning import SHARED
from variants._layer import Variant

ENVIRONMENT = "BENTO_THREADS"  # what `bentofiles.predictor` reads


def threads_per_worker(variant: Variant) -> int | None:
    """Intra-op threads of each worker so that all workers together stay within the limit.

    None if there is no limit, or if the variant says how many: by the layer `threads`, or by
    lanes that follow the limit by themselves.
    """
    if variant.cpu_limit is None or isinstance(variant.threads, int):
        return None
    if variant.threads is None and variant.lanes == "auto":
        return None
    return max(1, math.floor(variant.cpu_limit) // (variant.workers * _lanes(variant)))


def environment(variant: Variant, shared: bool = False) -> dict[str, str]:
    """Environment of a replica's container; `shared`: others may run on the same CPUs."""
    threads = threads_per_worker(variant)
    found = {} if threads is None else {ENVIRONMENT: str(threads)}
    return found | ({SHARED: "1"} if shared and variant.lanes is not None else {})


def over_budget(variant: Variant) -> str | None:
    """A warning with the figures if the threads need more CPU than the limit gives, else None."""
    if variant.cpu_limit is None:
        return None
    threads = variant.threads if isinstance(variant.threads, int) else threads_per_worker(variant)
    threads = threads or 1
    lanes, shared = _lanes(variant), variant.runtime == "onnx"
    total = variant.workers * at_once(lanes, threads, shared)
    if total <= variant.cpu_limit:
        return None
    each = f"{threads} threads" if lanes == 1 else f"{lanes} lanes x {threads} threads"
    if shared and lanes > 1 and threads > 1:
        each = f"({lanes} lanes + {threads - 1} threads that they share)"
    return (
        f"{variant.workers} workers x {each} = {total} threads on "
        f"{variant.cpu_limit:g} cores: the kernel will stop them for a part of each period"
    )


def at_once(lanes: int, threads: int, shared: bool) -> int:
    """Threads of a worker that run at the same time, where each lane runs the model on `threads`.

    One of those is always the lane itself. The others are in ONNX Runtime a pool of the session,
    which all lanes share; in PyTorch a team of each lane's own.
    """
    return lanes + threads - 1 if shared else lanes * threads


def _lanes(variant: Variant) -> int:
    return variant.lanes if isinstance(variant.lanes, int) else 1
