import math
from dataclasses import replace
from pathlib import Path

import fake_disruptions
import pytest

from analysis.disruption import Impact, Span
from analysis.disruption_compare import contrasts, log_gain
from analysis.disruption_runs import load_disrupted
from analysis.disruption_words import effect, median_span, span

IMPACT = Impact(
    injected_s=4.0,
    ended_s=5.0,
    at_stake=100,
    ok=90,
    during=10,
    ok_during=0,
    lost=10,
    lost_in_flight=2,
    replicas_known=True,
    outcomes=(("reset", 10),),
    in_flight=2,
    detect_s=0.1,
    ready=Span(3.0),
    back=Span(3.0),
    window_s=2.0,
    steady_median_s=0.02,
    excess_latency_s=1.0,
    missing_goodput=12.0,
    phases=(("before", 50),),
)


def test_gains_are_logs_of_ratios_and_positive_is_better() -> None:
    better = replace(IMPACT, lost=0, missing_goodput=0.0, back=Span(0.0))
    assert log_gain(IMPACT, better, "lost") == pytest.approx(math.log(10.5 / 0.5))
    assert log_gain(IMPACT, better, "missing goodput") == pytest.approx(math.log(12.5 / 0.5))
    assert log_gain(IMPACT, better, "back within the SLO") == pytest.approx(math.log(4.0 / 1.0))
    assert log_gain(better, better, "lost") == 0.0


def test_swapping_the_variants_flips_the_sign() -> None:
    other = replace(IMPACT, lost=3, missing_goodput=7.0, back=Span(9.0, reached=False))
    for metric in ("lost", "missing goodput", "back within the SLO"):
        there = log_gain(IMPACT, other, metric)  # type: ignore[arg-type]  # the table's names
        back = log_gain(other, IMPACT, metric)  # type: ignore[arg-type]  # the table's names
        assert there == pytest.approx(-back)


def test_two_variants_that_lose_nothing_are_equivalent(tmp_path: Path) -> None:
    runs = load_disrupted(fake_disruptions.write(tmp_path, 8, ("pod-kill",)))
    kept = tuple(run for run in runs.runs if run.facts.spec != "onnx")
    lost, *_ = contrasts(replace(runs, runs=kept), "pod-kill")
    assert (lost.old, lost.new, lost.verdict) == (
        "onnx+replicas=2",
        "onnx+replicas=3",
        "equivalent",
    )
    assert effect(lost).startswith("1.00x")


def test_a_comparison_says_where_the_end_was_not_seen(tmp_path: Path) -> None:
    runs = load_disrupted(fake_disruptions.write(tmp_path, 2, ("pod-kill",)))
    unseen = tuple(
        replace(run, impact=replace(run.impact, back=Span(20.0, reached=False)))
        if (run.facts.spec, run.facts.block) == ("onnx", 1)
        else run
        for run in runs.runs
    )
    found = contrasts(replace(runs, runs=unseen), "pod-kill")
    back = next(one for one in found if one.metric == "back within the SLO")
    assert back.censored == 1
    assert effect(back).startswith("at least ")
    assert effect(back).endswith("1 block not recovered")


def test_variants_of_which_neither_recovers_are_not_called_equivalent(tmp_path: Path) -> None:
    runs = load_disrupted(fake_disruptions.write(tmp_path, 8, ("pod-kill",)))
    unseen = tuple(
        replace(run, impact=replace(run.impact, back=Span(20.0, reached=False)))
        for run in runs.runs
    )
    for one in contrasts(replace(runs, runs=unseen), "pod-kill"):
        if one.metric == "back within the SLO":
            assert one.verdict == "inconclusive"
            assert effect(one) == "unknown: not recovered by the end in 8 blocks"


def test_a_time_to_recover_of_which_the_end_was_not_seen_is_a_bound(tmp_path: Path) -> None:
    runs = load_disrupted(fake_disruptions.write(tmp_path, 8, ("pod-kill",)))

    def verdicts(unseen: str) -> list[str]:
        changed = tuple(
            replace(run, impact=replace(run.impact, back=Span(100.0, reached=False)))
            if (run.facts.spec == "onnx") == (unseen == "old")
            else replace(run, impact=replace(run.impact, back=Span(5.0)))
            for run in runs.runs
        )
        found = contrasts(replace(runs, runs=changed), "pod-kill")
        return [one.verdict for one in found if one.metric == "back within the SLO"]

    assert set(verdicts("old")) == {"improved"}
    assert set(verdicts("new")) == {"regressed"}


@pytest.mark.parametrize(
    ("value", "words"),
    [(Span(0.0), "0 s"), (Span(1.25), "1.25 s"), (Span(12.0, reached=False), "> 12.0 s")],
)
def test_spans_in_words(value: Span, words: str) -> None:
    assert span(value) == words


def test_what_was_not_reached_is_longer_than_what_was() -> None:
    censored = Span(5.0, reached=False)
    assert median_span([Span(1.0), censored, Span(9.0)]) == Span(9.0)
    assert median_span([Span(1.0), censored]) == censored
