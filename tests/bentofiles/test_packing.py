from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bentofiles.packing import HAND_OVER_S, LONG, SHORT, Costs, Size, measure, pack, size_of, split
from builder.paths import BUNDLED_MODEL

CHEAP_CALLS = Costs(call_s=0.0001, token_s=0.0001)
DEAR_CALLS = Costs(call_s=0.1, token_s=0.0001)
SIZES = st.lists(
    st.builds(Size, st.integers(1, 8), st.floats(1, 512, allow_nan=False), st.just(0.0)),
    min_size=1,
    max_size=20,
)


def singles(*tokens: float) -> list[Size]:
    return [Size(1, length) for length in tokens]


@pytest.mark.parametrize(
    ("costs", "waiting", "chosen"),
    [
        (DEAR_CALLS, singles(10), [0]),
        (DEAR_CALLS, singles(10, 50, 12), [0, 2, 1]),
        (DEAR_CALLS, singles(10, 400, 12), [0, 2]),  # two would wait for the long one
        (CHEAP_CALLS, singles(10, 400, 10), [0]),  # nothing saved that is worth waiting for
        (CHEAP_CALLS, singles(10, 400, *[10] * 16), [0, 2, 3]),  # but for those behind it is
        (CHEAP_CALLS, singles(10, 12), [0]),
        (Costs(0.0, 0.001), singles(10, 10), [0]),  # nothing to save
        (Costs(0.0004, 0.001), singles(*[10] * 60), [0]),  # too little to be sure of
    ],
)
def test_texts_run_together_where_all_gain_by_it(
    costs: Costs, waiting: list[Size], chosen: list[int]
) -> None:
    assert pack(waiting, costs, most_tokens=10_000, most_texts=32) == chosen


def test_a_pass_holds_the_more_the_more_wait_for_each_lane() -> None:
    costs = Costs(call_s=0.0005, token_s=0.0001)
    held = [len(pack(singles(*[20] * many), costs, 10_000, 32)) for many in (2, 4, 8, 16, 64)]
    assert held == sorted(held)
    assert held[0] == 1 and held[-1] > 16
    shared = pack(singles(*[20] * 16), costs, 10_000, 32, lanes=8)
    longer = pack(singles(*[20] * 16), costs, 10_000, 32, lanes=8, beyond=112)
    assert len(shared) < held[3] < len(longer)


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
    assert size_of(["film " * 8, "film " * 80], 256) == Size(2, 102.0)
    assert size_of(["film " * 800], 256).tokens == 256


def test_what_is_cut_off_costs_time_and_no_tokens() -> None:
    beyond = size_of(["film " * 350, "short"], 256)
    assert (beyond.texts, beyond.tokens) == (2, 256)
    assert 0.0005 < CHEAP_CALLS.of(*beyond) - CHEAP_CALLS.of(2, 256) < 0.001
    # What is not read either costs nothing.
    assert size_of(["film " * 20_000], 256) == size_of(["film " * 2_000], 256)


@pytest.mark.parametrize(
    "text",
    [
        "A slow, warm and rather long film about a summer by the sea. " * 5,
        "Das überlange Künstlerporträt über die Müdigkeit läuft träge. " * 5,
        "Этот фильм очень хороший, я его люблю. " * 5,
        "\u8fd9\u90e8\u7535\u5f71\u975e\u5e38\u597d\u770b" * 40,
        "\U0001f600" * 300,
        "31415926535897932384" * 10,
        "?!" * 100,
        "kqzvxjwpgh" * 20,
        "a b c d " * 40,
        " " * 300,
    ],
)
def test_tokens_are_estimated_for_any_script(text: str) -> None:
    tokenizer = Tokenizer.from_file(str(BUNDLED_MODEL / "tokenizer.json"))
    tokenizer.no_truncation()
    real = len(tokenizer.encode(text).ids)
    assert 0.75 <= size_of([text], 10**6).tokens / real <= 2


@given(st.lists(st.floats(1, 256), min_size=1, max_size=64), st.integers(256, 4096))
def test_a_request_is_split_into_passes_within_the_bounds(
    tokens: list[float], most_tokens: int
) -> None:
    passes = split(tokens, DEAR_CALLS, most_tokens, 32)
    assert sorted(place for places in passes for place in places) == list(range(len(tokens)))
    for places in passes:
        assert len(places) <= 32
        assert len(places) * max(tokens[place] for place in places) <= most_tokens


def test_a_long_text_does_not_make_its_short_neighbours_long() -> None:
    assert split([10, 400, 10], CHEAP_CALLS, 10_000, 32) == [[1], [0, 2]]
    assert split([10, 400, 10], DEAR_CALLS, 10_000, 32) == [[1, 0, 2]]


def way(clock: list[float], cost: Costs) -> Callable[[list[str]], None]:
    """A model whose passes take exactly what a Costs says, on a clock that it moves itself."""

    def run(texts: list[str]) -> None:
        clock[0] += cost.of(len(texts), size_of(texts, 10**6).tokens)

    return run


@pytest.mark.parametrize("text_s", [0.0, 0.003])
def test_measured_costs_are_those_of_the_model(text_s: float) -> None:
    clock = [0.0]
    true = Costs(call_s=0.004, token_s=0.0002, text_s=text_s)
    found, _ = measure(way(clock, true), lambda: clock[0])
    for size in (Size(1, 10), Size(1, 500), Size(8, 30)):
        assert found.of(*size) == pytest.approx(true.of(*size) + HAND_OVER_S)


def test_what_a_pass_saves_is_not_told_by_one_lucky_moment() -> None:
    """A machine that is twice as fast for one pass of several."""
    clock, true = [0.0], Costs(call_s=0.004, token_s=0.0005)
    batches = 0

    def run(texts: list[str]) -> None:
        nonlocal batches
        batches += len(texts) > 1
        speed = 2 if len(texts) > 1 and batches == 3 else 1
        clock[0] += true.of(len(texts), size_of(texts, 10**6).tokens) / speed

    found, _ = measure(run, lambda: clock[0])
    assert found.call_s == pytest.approx(true.call_s + HAND_OVER_S)


@pytest.mark.parametrize(
    ("short_ms", "long_ms", "batch_ms"),
    [
        (1.0, 8.0, 3.7),  # attention: the line through both lengths begins below zero
        (1.0, 8.0, 4.7),  # and a batch takes longer than its parts
        (1.0, 4.0, 4.7),
        (1.0, 4.0, 0.5),  # a batch faster than one: a moment when the machine was slow
        (2.0, 1.0, 8.0),
    ],
)
def test_no_measured_pass_is_expected_to_be_shorter(
    short_ms: float, long_ms: float, batch_ms: float
) -> None:
    clock = [0.0]
    took_ms = {SHORT: short_ms, LONG: long_ms}

    def run(texts: list[str]) -> None:
        clock[0] += (batch_ms if len(texts) > 1 else took_ms[texts[0]]) / 1e3

    found, wide = measure(run, lambda: clock[0], run)
    assert wide and wide.of(1, 100) == pytest.approx(found.of(1, 100))
    for text, single_ms in took_ms.items():
        assert found.of(*size_of([text], 512)) >= single_ms / 1e3 + HAND_OVER_S - 1e-9
    assert min(found.call_s, found.token_s, found.text_s) >= 0


def test_two_ways_are_compared_by_the_length_of_a_text() -> None:
    """One is faster for short texts, the other for long ones."""
    costs = [Costs(0.001, token_s=0.0002), Costs(0.001, token_s=0.0001, text_s=0.003)]
    clock = [0.0]
    found = measure(way(clock, costs[0]), lambda: clock[0], way(clock, costs[1]))
    for measured, true in zip(found, costs, strict=True):
        assert measured is not None
        for size in (Size(1, 10), Size(1, 100), Size(1, 500), Size(8, 30)):
            assert measured.of(*size) == pytest.approx(true.of(*size) + HAND_OVER_S)
