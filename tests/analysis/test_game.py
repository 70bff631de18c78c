"""Shares and interactions against every order written out, and against games worked by hand."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis._game import Game, Set
from analysis._signedrank import Floats
from variants._design import designed
from variants._spec import layers_of

Needs = Mapping[str, str]  # a layer and what it must come after

NEEDS: list[tuple[str, Needs]] = [
    ("a", {}),
    ("ab", {}),
    ("ab", {"b": "a"}),
    ("abc", {}),
    ("abc", {"c": "a"}),
    ("abc", {"b": "a", "c": "b"}),
    ("abcd", {}),
    ("abcd", {"b": "a", "c": "a"}),
    ("abcd", {"b": "a", "d": "c"}),
    ("abcde", {"c": "a", "e": "c"}),
]


def feasible(layers: str, needs: Needs) -> list[Set]:
    return [
        frozenset(chosen)
        for size in range(len(layers) + 1)
        for chosen in combinations(layers, size)
        if all(needs.get(one) in {None, *chosen} for one in chosen)
    ]


def game(layers: str, needs: Needs, value: Callable[[Set], Floats]) -> Game:
    return Game({one: value(one) for one in feasible(layers, needs)})


def random_game(layers: str, needs: Needs, seed: int = 0) -> Game:
    rng = np.random.default_rng(seed)
    return game(layers, needs, lambda one: rng.normal(0, 1, 3) if one else np.zeros(3))


def orders(layers: str, needs: Needs) -> list[Sequence[str]]:
    return [
        order
        for order in permutations(layers)
        if all(order.index(before) < order.index(after) for after, before in needs.items())
    ]


@pytest.mark.parametrize(("layers", "needs"), NEEDS)
def test_a_share_is_the_mean_marginal_over_every_feasible_order(layers: str, needs: Needs) -> None:
    played = random_game(layers, needs)
    assert played.complete
    for layer in layers:
        gains = [
            played.values[frozenset(order[: at + 1])] - played.values[frozenset(order[:at])]
            for order in orders(layers, needs)
            for at in [order.index(layer)]
        ]
        assert played.shapley(layer) == pytest.approx(np.mean(gains, axis=0))


@pytest.mark.parametrize(("layers", "needs"), NEEDS)
def test_an_interaction_is_the_mean_over_orders_with_the_two_side_by_side(
    layers: str, needs: Needs
) -> None:
    played = random_game(layers, needs, seed=1)
    for first, second in combinations(layers, 2):
        differences = []
        for order in orders(layers, needs):
            at = order.index(first)
            before = frozenset(order[:at])
            swapped = before | {second}
            if order[at + 1 : at + 2] == (second,) and swapped in played.values:
                corners = before | {first, second}, before | {first}, swapped, before
                one, two, three, four = (played.values[corner] for corner in corners)
                differences.append(one - two - three + four)
        found = played.interaction(first, second)
        if differences:
            assert found == pytest.approx(np.mean(differences, axis=0))
        else:
            assert found is None


@pytest.mark.parametrize(("layers", "needs"), NEEDS)
def test_the_shares_of_a_block_add_up_to_its_total(layers: str, needs: Needs) -> None:
    played = random_game(layers, needs, seed=2)
    assert sum(played.shapley(layer) for layer in layers) == pytest.approx(played.total)


def test_layers_that_do_the_same_have_the_same_share() -> None:
    worth = {0: 0.0, 1: 0.3, 2: 1.0, 3: 1.1}
    played = game("abc", {}, lambda one: np.array([worth[len(one)]]))
    assert [float(played.shapley(layer)[0]) for layer in "abc"] == pytest.approx([1.1 / 3] * 3)


@pytest.mark.parametrize("needs", [{}, {"c": "a"}])
def test_a_layer_that_never_changes_anything_has_no_share(needs: Needs) -> None:
    value = random_game("ac", needs, seed=3).values
    played = game("abc", needs, lambda one: value[one - {"b"}])
    assert played.shapley("b") == pytest.approx(np.zeros(3))
    assert played.interaction("a", "b") == pytest.approx(np.zeros(3))


@given(st.integers(0, 2**32 - 1), st.sampled_from(NEEDS), st.floats(-3, 3))
def test_shares_of_added_and_scaled_games_add_and_scale(
    seed: int, shape: tuple[str, Needs], factor: float
) -> None:
    one, other = random_game(*shape, seed=seed), random_game(*shape, seed=seed + 1)
    both = Game({key: one.values[key] + factor * other.values[key] for key in one.values})
    for layer in shape[0]:
        expected = one.shapley(layer) + factor * other.shapley(layer)
        assert both.shapley(layer) == pytest.approx(expected, abs=1e-9)


def test_a_game_under_a_prerequisite_worked_by_hand() -> None:
    # q needs o. Orders: o q b, o b q, b o q.
    worth = {"": 0, "o": 6, "b": 1, "oq": 9, "bo": 10, "boq": 12}
    played = Game({frozenset(key): np.array([float(gain)]) for key, gain in worth.items()})
    assert played.complete
    shares = {layer: float(played.shapley(layer)[0]) for layer in "oqb"}
    assert shares == pytest.approx(
        {
            "o": (6 + 6 + 9) / 3,  # first, first, after b
            "q": (3 + 2 + 2) / 3,  # after o, after o and b twice
            "b": (3 + 4 + 1) / 3,  # after o and q, after o, first
        }
    )
    assert [float(gain[0]) for _, gain in played.marginals("b")] == [1, 4, 3]
    # o and b side by side: before q, in two of the orders, on nothing: 10 - 6 - 1.
    assert played.interaction("o", "b") == pytest.approx([3])
    # q and b side by side: on o, 12 - 9 - 10 + 6.
    assert played.interaction("q", "b") == pytest.approx([-1])
    assert played.interaction("o", "q") is None


def test_first_and_last_is_exact_where_only_pairs_interact() -> None:
    rng = np.random.default_rng(4)
    alone = {layer: rng.normal(0, 1, 4) for layer in "abcdef"}
    together = {pair: rng.normal(0, 1, 4) for pair in combinations("abcdef", 2)}

    def value(one: Set) -> Floats:
        parts = [alone[layer] for layer in one]
        parts += [gain for pair, gain in together.items() if set(pair) <= one]
        return np.sum(parts, axis=0) if parts else np.zeros(4)

    whole = game("abcdef", {}, value)
    ends = {frozenset[str](), frozenset("abcdef")}
    ends |= {frozenset(layer) for layer in "abcdef"}
    ends |= {frozenset("abcdef") - {layer} for layer in "abcdef"}
    part = Game({key: gain for key, gain in whole.values.items() if key in ends})
    assert whole.complete and not part.complete
    for layer in "abcdef":
        assert part.first_last(layer) == pytest.approx(whole.shapley(layer))


def test_first_and_last_of_a_design_with_a_prerequisite_leaves_nothing_of_pairs() -> None:
    spec = "onnx+quantized+threads=1+batching=8+workers=2"
    sets = [layers_of(variant.spec) for variant in designed(spec, "shapley")]
    layers = sorted(layers_of(spec))
    rng = np.random.default_rng(6)
    worth = {pair: rng.normal(0, 1, 2) for size in (1, 2) for pair in combinations(layers, size)}
    played = Game(
        {
            one: np.zeros(2) + sum(gain for pair, gain in worth.items() if set(pair) <= one)
            for one in sets
        }
    )
    assert not played.complete
    assert sum(played.first_last(layer) for layer in layers) == pytest.approx(played.total)


def test_first_and_last_leaves_what_three_layers_do_together() -> None:
    played = game("abcde", {}, lambda one: np.array([1.0 if set("abc") <= one else 0.0]))
    ends = {one: gain for one, gain in played.values.items() if len(one) in (0, 1, 4, 5)}
    shares = [float(Game(ends).first_last(layer)[0]) for layer in "abcde"]
    assert shares == pytest.approx([0.5, 0.5, 0.5, 0, 0])  # 1.5 of 1: the residual is -0.5


@pytest.mark.parametrize("gone", ["ab", "bc", "abc", "bcd"])
def test_a_game_without_one_of_its_larger_sets_is_incomplete(gone: str) -> None:
    values = dict(random_game("abcd", {}).values)
    del values[frozenset(gone)]
    assert not Game(values).complete
