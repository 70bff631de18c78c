import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis._holm import holm

ps = st.lists(st.floats(0, 1), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        # the worked example of Wikipedia's article on the Holm-Bonferroni method
        ((0.01, 0.04, 0.03, 0.005), (0.03, 0.06, 0.06, 0.02)),
        # by hand: 5, 4, 3, 2, 1 times
        ((0.0001, 0.004, 0.019, 0.095, 0.201), (0.0005, 0.016, 0.057, 0.19, 0.201)),
        ((0.5, 0.9), (1.0, 1.0)),
        ((0.02,), (0.02,)),
        ((0.02, None, 0.03), (0.04, None, 0.04)),
        ((), ()),
    ],
)
def test_known_values(raw: tuple[float | None, ...], adjusted: tuple[float | None, ...]) -> None:
    assert holm(raw) == pytest.approx(adjusted)


@given(ps)
def test_never_below_the_raw_value_never_above_bonferroni_and_monotone(raw: list[float]) -> None:
    adjusted = holm(raw)
    for p, q in zip(raw, adjusted, strict=True):
        assert q is not None and p <= q <= min(1.0, p * len(raw)) + 1e-12
    by_raw = [q for _, q in sorted(zip(raw, adjusted, strict=True))]
    assert by_raw == sorted(by_raw)  # type: ignore[type-var]


@given(ps)
def test_rejects_what_the_stepwise_procedure_rejects(raw: list[float]) -> None:
    alpha, rejected = 0.05, set()
    for rank, p in enumerate(sorted(raw)):
        if p > alpha / (len(raw) - rank):
            break
        rejected.add(p)
    borderline = any(abs(p * (len(raw) - i) - alpha) < 1e-12 for i, p in enumerate(sorted(raw)))
    if not borderline:
        assert {p for p, q in zip(raw, holm(raw), strict=True) if q <= alpha} == rejected  # type: ignore[operator]
