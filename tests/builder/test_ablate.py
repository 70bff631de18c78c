"""Planning an ablation: what is shown before it starts, and who chooses the blocks."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.noise import Noise
from builder import aa_store, ablate
from builder.aa_store import Aa, keep
from builder.ablate import Options, describe, measure
from builder.build import Build, Request
from builder.check import Check
from builder.foresight import Foresight
from builder.model import resolve
from builder.places import Local
from builder.plan import Choices, Plan, Slo, load
from variants._errors import OptbuildError
from variants._spec import cumulative

MODEL = resolve("synthetic:roberta-tiny")
CHECK = Check("test", 2, 0, 0.0, None, None)
NOISE = (Noise("steady", "p95", 8, 0.08, 0.055),)
AA = Aa("2026-11-22", "baseline", 8, 20.0, {"steady": 30.0}, NOISE)
CHOICES = Choices(
    specs=("baseline", "onnx"),
    scenarios=("steady",),
    blocks=8,
    duration_s=20.0,
    rate_rps=30.0,
    slo=Slo("p95", 0.25),
    seed=1,
    timeout_s=10.0,
    margin=0.03,
    model=None,
    model_digest="d",
    texts_sha256="t",
)
PLAN = Plan(CHOICES, ("a:1", "b:1"), {"steady": 30.0}, None, "test", "optbuild ablate onnx")


def test_the_plan_tells_what_it_can_find_and_whence_it_knows() -> None:
    foresight = Foresight({"steady": 0.08}, "A/A of 2026-11-22", 0.0)
    lines = describe(replace(PLAN, foresight=foresight))
    assert "8 blocks, about 8 min, detects 14% on p95 (noise: A/A of 2026-11-22)" in lines
    assert not any("margin" in line for line in lines)
    measured = replace(foresight, noise_interval={"steady": (0.05, 0.15)})
    (line,) = (one for one in describe(replace(PLAN, foresight=measured)) if "detects" in one)
    assert "detects 14% (10 to 24%) on p95" in line


def test_blocks_that_an_effect_chose_are_said_to_rest_on_the_point_estimate() -> None:
    foresight = Foresight({"steady": 0.08}, "A/A of 2026-11-22", 0.0)
    plan = replace(PLAN, choices=replace(CHOICES, detect=0.14), foresight=foresight)
    assert (
        "blocks chosen to detect 14% by the point estimate of the noise, whatever its interval"
        in describe(plan)
    )


def test_too_few_blocks_are_said_before_they_are_run() -> None:
    foresight = Foresight({"steady": 0.08}, "A/A of 2026-11-22", 0.0)
    plan = replace(PLAN, choices=replace(CHOICES, blocks=3), foresight=foresight)
    assert "3 blocks, about 3 min, cannot prove any effect: too few blocks for so many tests" in (
        describe(plan)
    )


def test_a_margin_that_an_aa_raised_is_said() -> None:
    foresight = Foresight({"steady": 0.08}, "A/A of 2026-11-22", 0.055)
    plan = replace(PLAN, foresight=foresight)
    assert plan.margin == 0.055
    assert any(
        line.startswith("margin 5.5%, for every metric: the last A/A") for line in describe(plan)
    )
    wide = replace(plan, choices=replace(CHOICES, margin=0.1))
    assert wide.margin == 0.1


def test_a_width_makes_the_blocks_an_upper_bound() -> None:
    lines = describe(replace(PLAN, choices=replace(CHOICES, until_width=0.05)))
    assert any("at most 8 blocks" in line for line in lines)
    assert "until every p95 interval is within 5% of its middle" in lines


class Recorder:
    """Stands in for the Experiment: the plan is what these tests are about."""

    def __init__(self, *arguments: object) -> None: ...

    def run(self) -> None: ...


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.setenv("OPTBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ablate, "Experiment", Recorder)
    return Options(
        spec="onnx",
        request=Request("synthetic:roberta-tiny"),
        scenarios=("steady",),
        blocks=None,
        duration_s=20.0,
        rate_rps=30.0,
        slo=Slo("p95", 0.25),
        seed=1,
        timeout_s=5.0,
        margin=0.03,
        texts=None,
        directory=tmp_path / "out",
        resume=False,
        command="optbuild ablate onnx",
        detect=0.2,
    )


def plan_of(options: Options) -> Plan:
    builds = [
        Build(variant, MODEL, f"fake:{variant.spec}", Path(), CHECK, {}, True, 0.0)
        for variant in cumulative(options.spec)
    ]
    measure(options, [build.variant.spec for build in builds], lambda: builds, Local())
    kept = load(options.directory)
    assert kept is not None
    return kept


def test_the_blocks_are_chosen_for_the_effect_by_the_last_aa(options: Options) -> None:
    assert keep(AA, MODEL.digest)
    plan = plan_of(options)
    effect = plan.detectable()["steady"]
    assert effect is not None and effect <= 0.2
    interval = {"steady": NOISE[0].sd_interval()}
    assert plan.foresight == Foresight({"steady": 0.08}, "A/A of 2026-11-22", 0.055, interval)
    assert plan.margin == 0.055
    fewer = replace(plan, choices=replace(plan.choices, blocks=plan.choices.blocks - 1))
    assert plan.choices.blocks == 8 or (fewer.detectable()["steady"] or 9) > 0.2


def test_a_resumed_plan_keeps_its_blocks_and_margin_whatever_was_measured_since(
    options: Options,
) -> None:
    before = plan_of(options)
    assert before.foresight is not None and before.foresight.source.startswith("simulated queue")
    assert keep(AA, MODEL.digest)
    resumed = replace(options, resume=True)
    assert plan_of(resumed) == before
    assert before.margin == 0.03
    with pytest.raises(OptbuildError, match="another detect"):
        plan_of(replace(resumed, detect=0.1))
    with pytest.raises(OptbuildError, match="another until_width"):
        plan_of(replace(resumed, until_width=0.1))


def test_a_slow_model_gets_longer_runs_unless_a_length_was_asked_for(options: Options) -> None:
    slow = replace(options, blocks=3, detect=None, duration_s=5.0, rate_rps=4.0)
    with pytest.raises(OptbuildError, match="give --duration 13 or more"):
        plan_of(slow)
    plan = plan_of(replace(slow, longer=True))
    assert plan.choices.duration_s == 13.0
    assert plan_of(replace(slow, longer=True, resume=True)) == plan


def test_a_model_too_slow_even_for_that_is_one_line(options: Options) -> None:
    with pytest.raises(OptbuildError, match="give --duration 500 or more"):
        plan_of(replace(options, blocks=3, detect=None, rate_rps=0.1, longer=True))


def test_an_aa_at_another_rate_is_not_planned_by(options: Options) -> None:
    assert keep(AA, MODEL.digest)
    plan = plan_of(replace(options, rate_rps=45.0, blocks=8, detect=None))
    assert plan.foresight is not None and plan.margin == 0.03
    assert "had steady at 30/s, not 45/s" in plan.foresight.source


def test_an_absurd_effect_is_one_line_and_leaves_no_plan(options: Options) -> None:
    with pytest.raises(OptbuildError, match="more than 200 blocks at a noise of"):
        plan_of(replace(options, detect=0.031))
    with pytest.raises(OptbuildError, match="within the margin of 3%"):
        plan_of(replace(options, detect=0.02))
    assert load(options.directory) is None


def test_an_aa_looks_at_no_earlier_one(options: Options) -> None:
    assert keep(AA, MODEL.digest)
    plan = plan_of(replace(options, blocks=8, detect=None, foresee=False))
    assert plan.foresight is None and plan.margin == 0.03
    assert aa_store.last(MODEL.digest) == AA
