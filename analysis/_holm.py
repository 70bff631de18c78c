"""Holm's step-down correction for a family of tests.

Source: S. Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J.
Statist. 6, 65-70.
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p-values in the order given; an entry that is None (no data) is no test.

    Rejecting those at or below alpha keeps the chance of even one false rejection at alpha,
    however the tests depend on each other.
    """
    known = sorted((p, at) for at, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, at) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[at] = highest
    return tuple(adjusted)
