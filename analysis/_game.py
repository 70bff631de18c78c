"""What each layer is worth, whatever the order: marginal gains over sets of layers.

A set of layers is feasible if what they need is in it; an order is feasible if each of its
beginnings is. Everything here is per block; estimates over blocks are made of the results.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis._signedrank import Floats

Set = frozenset[str]


@dataclass(frozen=True)
class Game:
    """`values[set]`: the log gain (n,) of each measured set of layers against the empty one.

    The empty set and the set of all layers are among them. Every measured set is feasible.
    `censored` are those with a run whose quantile lies among failures.
    """

    values: Mapping[Set, Floats]
    censored: frozenset[Set] = frozenset()

    @property
    def blocks(self) -> int:
        """n, the length of every value."""
        return len(self.values[frozenset()])

    @property
    def total(self) -> Floats:
        """The gain (n,) of all layers together."""
        return self.values[max(self.values, key=len)]

    @cached_property
    def complete(self) -> bool:
        """Whether all feasible sets were measured: is a union of two measured ones always one?

        Each layer was measured together with no more than what it needs, and any feasible set is
        a union of such sets (Birkhoff 1937, Rings of sets).
        """
        return all(one | other in self.values for one in self.values for other in self.values)

    def marginals(self, layer: str) -> list[tuple[Set, Floats]]:
        """The set before and the gain (n,) of each measured addition, smallest set first."""
        found = [
            (before, self.values[before | {layer}] - self.values[before])
            for before in self.values
            if layer not in before and before | {layer} in self.values
        ]
        return sorted(found, key=lambda one: len(one[0]))

    def shapley(self, layer: str) -> Floats:
        """A layer's gain (n,), averaged over all feasible orders of a complete game.

        Source: Faigle and Kern (1992), The Shapley value for cooperative games under precedence
        constraints, Int. J. Game Theory 21, 249-266; without prerequisites it is Shapley's value
        (1953). An addition counts as often as orders contain it: the orders that lead to the set
        before it, times those that lead on from the set after it.
        """
        return _mean(
            [
                (self._orders_to[before] * self._orders_from[before | {layer}], gain)
                for before, gain in self.marginals(layer)
            ]
        )

    def first_last(self, layer: str) -> Floats:
        """A layer's gain (n,), the mean of its earliest and its latest addition.

        If the gains hold nothing beyond what pairs of layers do to each other, v(S) = sum a_i +
        sum b_ij, a layer's gain after S is a_i + the sum of b_ij over j in S: linear in S, so
        that without prerequisites the mean of the empty and the fullest S is the mean over all
        orders. What is then left of the total tells how far that is from the truth.
        """
        found = self.marginals(layer)
        return (found[0][1] + found[-1][1]) / 2

    def interaction(self, first: str, second: str) -> Floats | None:
        """What two layers bring together beyond the sum of each alone (n,); None if unmeasured.

        The second difference v(S+ij) - v(S+i) - v(S+j) + v(S), averaged over the feasible orders
        in which the two stand side by side: the Shapley interaction index (Grabisch and Roubens
        1999, Int. J. Game Theory 28, 547-565), here under prerequisites. Where only a part of
        the game was measured, the plain mean over the S that were. A layer and one that it needs
        cannot stand side by side either way round, and have none.
        """
        both = frozenset((first, second))
        corners = [frozenset((first,)), frozenset((second,)), both]
        terms = [
            (
                self._orders_to[before] * self._orders_from[before | both] if self.complete else 1,
                self.values[before | both]
                - self.values[before | {first}]
                - self.values[before | {second}]
                + self.values[before],
            )
            for before in self.values
            if not both & before and all(before | more in self.values for more in corners)
        ]
        return _mean(terms) if terms else None

    def separable(self, first: str, second: str) -> bool:
        """Whether two layers can stand side by side: neither needs the other.

        Each was measured with no more than what it needs, so that what it needs is in every set
        that holds it.
        """
        return not any(
            all(needed in one for one in self.values if layer in one)
            for layer, needed in ((first, second), (second, first))
        )

    @cached_property
    def _orders_to(self) -> dict[Set, int]:
        """For each set, how many feasible orders of its layers there are."""
        return _orders(self.values)

    @cached_property
    def _orders_from(self) -> dict[Set, int]:
        """For each set, in how many feasible orders the layers that it lacks can follow."""
        full = max(self.values, key=len)
        missing = _orders(full - one for one in self.values)
        return {one: missing[full - one] for one in self.values}


def _orders(sets: Iterable[Set]) -> dict[Set, int]:
    counts: dict[Set, int] = {}
    for one in sorted(sets, key=len):
        counts[one] = sum(counts.get(one - {layer}, 0) for layer in one) if one else 1
    return counts


def _mean(terms: Sequence[tuple[int, Floats]]) -> Floats:
    """The mean (n,) of arrays (n,), each with its weight."""
    weights, values = zip(*terms, strict=True)
    mean: Floats = np.average(values, axis=0, weights=weights)
    return mean
