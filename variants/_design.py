"""Which variants an ablation measures: a chain, every valid subset, or each layer first and last.

Which subsets are valid is for the layers to say (`Layer.needs`): a set is valid if it holds
whatever its members need. Two layers that exclude each other cannot both be in a spec.
"""

from itertools import combinations, pairwise
from typing import Literal

from variants._errors import OptbuildError
from variants._layer import Variant
from variants._spec import compose, cumulative, layer_name, layers

Design = Literal["cumulative", "shapley", "factorial"]
DESIGNS: tuple[Design, ...] = ("cumulative", "shapley", "factorial")

EXACT_LAYERS = 4  # up to 16 variants; with more layers, `shapley` is first-in/last-in
FACTORIAL_LAYERS = 6  # up to 64 variants

Set = frozenset[str]  # of canonical spellings of layers


def designed(spec: str, design: Design) -> list[Variant]:
    """The variants that a design measures: first the chain of `cumulative`, then the rest by size.

    Raises OptbuildError for a spec that `cumulative` refuses, or for too many layers.
    """
    chain = cumulative(spec)
    parts = _in_order(chain)
    if design == "cumulative":
        return chain
    if design == "shapley" and len(parts) > EXACT_LAYERS:
        sets = _first_and_last(parts)
    elif len(parts) > FACTORIAL_LAYERS:
        raise OptbuildError(
            f"factorial over {len(parts)} layers is up to {2 ** len(parts)} variants: "
            f"give at most {FACTORIAL_LAYERS} layers, or --design shapley"
        )
    else:
        sets = _valid_subsets(parts)
    walked = [frozenset(variant.layers) for variant in chain]
    beside = [[part for part in parts if part in one] for one in sets.difference(walked)]
    beside.sort(key=lambda one: (len(one), [parts.index(part) for part in one]))
    return chain + [compose("+".join(one)) for one in beside]


def reading(design: Design, layer_count: int) -> str:
    """What a design measures, for people: "every valid subset of 3 layers"."""
    if design == "cumulative":
        return "the layers one after the other"
    if design == "shapley" and layer_count > EXACT_LAYERS:
        return f"each of {layer_count} layers first and last"
    return f"every valid subset of {layer_count} layer{'s' if layer_count != 1 else ''}"


def _in_order(chain: list[Variant]) -> list[str]:
    """The layers in the order in which the chain adds them."""
    return [
        next(part for part in after.layers if part not in before.layers)
        for before, after in pairwise(chain)
    ]


def _valid_subsets(parts: list[str]) -> set[Set]:
    needed = {part: _needed(part, parts) for part in parts}
    return {
        frozenset(chosen)
        for size in range(len(parts) + 1)
        for chosen in combinations(parts, size)
        if all(needed[part] <= set(chosen) for part in chosen)
    }


def _first_and_last(parts: list[str]) -> set[Set]:
    """Each layer added as early as it can be, and as late: both sides of the two additions.

    Without prerequisites that is each layer alone and everything without it. With them, the
    earliest is on top of what the layer needs, the latest below what needs the layer.
    """
    needed = {part: _needed(part, parts) for part in parts}
    sets: set[Set] = set()
    for part in parts:
        before = frozenset(parts) - {part} - {one for one in parts if part in needed[one]}
        sets |= {needed[part], needed[part] | {part}, before, before | {part}}
    return sets


def _needed(part: str, parts: list[str]) -> Set:
    """All layers of `parts` that a layer needs, and what those need."""
    direct = {one for one in parts if layer_name(one) in layers()[layer_name(part)].needs}
    return frozenset(direct).union(*(_needed(one, parts) for one in direct))
