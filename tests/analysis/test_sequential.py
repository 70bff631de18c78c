import math
from pathlib import Path

import fake_runs
import pytest
from fake_runs import Experiment, edit_json, planted

from analysis._signedrank import Interval
from analysis.context import Context, context
from analysis.material import gather
from analysis.runs import Runs, load_runs
from analysis.sequential import EXTRA_BLOCKS, FEWEST_BLOCKS, WidthRule, half_width, narrow

FACTORS = {"baseline": 1.0, "onnx": 0.5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Twelve blocks of two variants under two loads; the noise of a log ratio is 2.8%."""
    out = tmp_path_factory.mktemp("sequential")
    experiment = Experiment(
        planted(FACTORS, noise=0.02),
        specs=tuple(FACTORS),
        scenarios=("steady", "bursty"),
        blocks=12,
        duration_s=2.0,
    )
    return load_runs(fake_runs.write(out, experiment))


def test_half_of_the_width_as_a_ratio() -> None:
    assert half_width(Interval(-0.1, 0.1, 0.95)) == pytest.approx(math.exp(0.1) - 1)
    assert half_width(Interval(0.5, 0.7, 0.95)) == pytest.approx(math.exp(0.1) - 1)


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([Interval(0, 0.05, 0.96)], True),
        ([Interval(0, 0.05, 0.96), Interval(0, 0.5, 0.96)], False),  # one is wide
        ([Interval(0, 0.05, 0.90)], False),  # attains too little
        ([Interval(0, 0.05, 0.96), None], False),
        ([], False),
    ],
)
def test_narrow_means_all(intervals: list[Interval | None], expected: bool) -> None:
    assert narrow(intervals, 0.05) == expected


def test_not_before_eight_blocks_and_two_more(runs: Runs) -> None:
    rule = WidthRule(10.0)  # anything is narrow enough
    stops = [block for block in range(1, 13) if rule.enough(runs, block)]
    assert stops[0] == FEWEST_BLOCKS + EXTRA_BLOCKS == 10


def test_a_width_that_is_not_reached_does_not_stop(runs: Runs) -> None:
    assert not WidthRule(0.001).enough(runs, 12)
    assert WidthRule(0.10).enough(runs, 12)


def test_later_blocks_change_no_earlier_decision(runs: Runs) -> None:
    first = [run for run in runs.runs if run.facts.block <= 10]
    shorter = Runs(runs.directory, runs.plan, tuple(first), (), ())
    for width in (0.01, 0.02, 0.03, 0.05):
        assert WidthRule(width).enough(shorter, 10) == WidthRule(width).enough(runs, 10)


def test_a_block_that_was_given_up_does_not_count(runs: Runs) -> None:
    fewer = tuple(r for r in runs.runs if (r.facts.block, r.facts.scenario) != (3, "bursty"))
    rule = WidthRule(10.0)
    assert not rule.enough(Runs(runs.directory, runs.plan, fewer, (), ()), 10)
    assert rule.enough(Runs(runs.directory, runs.plan, fewer, (), ()), 11)


def test_what_a_layer_is_worth_must_be_narrow_too(tmp_path: Path) -> None:
    """A block without one of the variants has no shares, though the chain is there."""
    chain = ("baseline", "onnx", "onnx+batching=8")
    specs = (*chain, "batching=8")
    factors = dict.fromkeys(specs, 1.0)
    experiment = Experiment(
        planted(factors, noise=0.02), specs=specs, scenarios=("steady",), blocks=10, duration_s=2.0
    )
    out = fake_runs.write(tmp_path, experiment)
    for folder in (out / "runs").iterdir():
        edit_json(folder, lambda facts: facts["plan"].update(design="shapley", chain=list(chain)))
    found = load_runs(out)
    assert WidthRule(0.2).enough(found, 10)
    lacking = tuple(
        one for one in found.runs if (one.facts.spec, one.facts.block) != ("batching=8", 3)
    )
    assert not WidthRule(0.2).enough(Runs(out, found.plan, lacking, (), ()), 10)


def test_the_effect_has_no_say(tmp_path: Path, runs: Runs) -> None:
    """The same noise around no effect stops at the same block."""
    experiment = Experiment(
        planted({"baseline": 1.0, "onnx": 1.0}, noise=0.02),
        specs=tuple(FACTORS),
        scenarios=("steady", "bursty"),
        blocks=12,
        duration_s=2.0,
    )
    equal = load_runs(fake_runs.write(tmp_path, experiment))
    for width in (0.015, 0.02, 0.025, 0.03):
        stops = [
            [block for block in range(8, 13) if WidthRule(width).enough(one, block)]
            for one in (runs, equal)
        ]
        assert stops[0] == stops[1]


def context_of(out: Path) -> Context:
    material = gather(out)
    assert material.findings is not None
    return context(material, material.findings)


def test_the_report_says_why_the_blocks_ended(tmp_path: Path) -> None:
    experiment = Experiment(
        planted(FACTORS), specs=tuple(FACTORS), scenarios=("steady",), blocks=10,
        planned_blocks=30, duration_s=2.0,
    )  # fmt: skip
    out = fake_runs.write(tmp_path, experiment)
    before = context_of(out)
    assert any("10 of 30 planned blocks" in one for one in before.warnings)
    for folder in (out / "runs").iterdir():
        edit_json(folder, lambda facts: facts["plan"].update(until_width=0.05))
    after = context_of(out)
    assert not any("planned blocks" in one for one in after.warnings)
    assert any("at the latest after 30" in one and "5.0%" in one for one in after.method)
