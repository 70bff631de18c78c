import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentofiles.packing import Costs, Size, measure, pack, size_of

CHEAP_CALLS = Costs(call_s=0.0001, token_s=0.0001)
DEAR_CALLS = Costs(call_s=0.1, token_s=0.0001)
SIZES = st.lists(
    st.builds(Size, st.integers(1, 8), st.floats(1, 512, allow_nan=False)), min_size=1, max_size=20
)


def singles(*tokens: float) -> list[Size]:
    return [Size(1, length) for length in tokens]


@pytest.mark.parametrize(
    ("costs", "waiting", "chosen"),
    [
        (DEAR_CALLS, singles(10), [0]),
        (DEAR_CALLS, singles(10, 400, 12), [0, 2, 1]),
        (CHEAP_CALLS, singles(10, 400, 10), [0, 2]),  # the padding of the second costs more
        (CHEAP_CALLS, singles(10, 12), [0]),
        (Costs(0.0, 0.001), singles(10, 10), [0]),  # nothing to save
    ],
)
def test_texts_run_together_where_that_is_cheaper(
    costs: Costs, waiting: list[Size], chosen: list[int]
) -> None:
    assert pack(waiting, costs, most_tokens=10_000, most_texts=32) == chosen


@given(SIZES, st.integers(16, 4096), st.integers(1, 32))
def test_a_batch_holds_the_oldest_and_keeps_to_its_bounds(
    waiting: list[Size], most_tokens: int, most_texts: int
) -> None:
    chosen = pack(waiting, DEAR_CALLS, most_tokens, most_texts)
    assert chosen[0] == 0
    assert len(set(chosen)) == len(chosen)
    if len(chosen) > 1:
        texts = sum(waiting[index].texts for index in chosen)
        assert texts <= most_texts
        assert texts * max(waiting[index].tokens for index in chosen) <= most_tokens


@given(SIZES)
def test_a_batch_never_costs_more_than_its_parts(waiting: list[Size]) -> None:
    chosen = [waiting[index] for index in pack(waiting, CHEAP_CALLS, 10_000, 32)]
    together = CHEAP_CALLS.of(sum(s.texts for s in chosen), max(s.tokens for s in chosen))
    assert together <= sum(CHEAP_CALLS.of(s.texts, s.tokens) for s in chosen) + 1e-12


def test_the_length_of_a_request_is_that_of_its_longest_text() -> None:
    assert size_of(["a" * 40, "b" * 400], 256) == Size(2, 102.0)
    assert size_of(["a" * 4000], 256).tokens == 256


def test_measured_costs_are_those_of_the_model() -> None:
    """A model whose passes take exactly what a Costs says, on a clock that it moves itself."""
    true = Costs(call_s=0.004, token_s=0.0002)
    now_s = itertools.count()
    clock = [float(next(now_s))]

    def run(texts: list[str]) -> None:
        clock[0] += true.of(len(texts), size_of(texts, 10**6).tokens)

    found = measure(run, lambda: clock[0])
    assert found.call_s == pytest.approx(true.call_s)
    assert found.token_s == pytest.approx(true.token_s)
