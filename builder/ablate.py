"""An ablation from its options to its finished runs."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from analysis.compare import SCREENING_BELOW
from builder import aa_store, probe
from builder.alone import alone
from builder.build import Build, Request
from builder.build_all import build_all
from builder.experiment import Experiment
from builder.foresight import blocks_for, family_of, foresee, in_words
from builder.load import scenarios
from builder.model import resolve
from builder.places import Local, Place
from builder.plan import (
    Choices,
    Plan,
    Slo,
    least_duration_s,
    load,
    rates,
    require_enough,
    require_same,
    save,
)
from builder.progress import Progress
from builder.terminal import notes
from loadtests._texts import Texts, load_texts
from variants._design import Design, designed, reading
from variants._errors import OptbuildError

LONGEST_UNASKED_S = 120.0  # of a run, if nobody said how long


@dataclass(frozen=True)
class Options:
    """What `optbuild ablate` was given."""

    spec: str
    request: Request
    scenarios: tuple[str, ...]
    blocks: int | None  # None: as many as `detect` takes
    duration_s: float
    rate_rps: float | None
    slo: Slo
    seed: int
    timeout_s: float
    margin: float
    texts: Path | None
    directory: Path
    resume: bool
    command: str
    design: Design = "cumulative"
    detect: float | None = None
    until_width: float | None = None
    foresee: bool = True  # an A/A looks at no earlier one
    longer: bool = False  # runs may last longer where a slow model's rate takes that
    place: AbstractContextManager[Place] = field(default_factory=lambda: nullcontext(Local()))


def ablate(options: Options) -> None:
    """Plan, build, and run what is not finished yet; the runs are then in the directory.

    Raises OptbuildError where something must be mended first; what is finished stays finished.
    """
    with options.place as place:
        _ablate(options, place)


def _ablate(options: Options, place: Place) -> None:
    variants = designed(options.spec, options.design)
    place.require(variants)
    specs = [variant.spec for variant in variants]
    measure(options, specs, lambda: list(build_all(variants, options.request)), place)


def measure(
    options: Options,
    specs: Sequence[str],
    build: Callable[[], Sequence[Build]],
    place: Place,
) -> None:
    """The same for variants named `specs`, in their order, that `build` builds."""
    chosen = _scenarios(options.scenarios)
    if options.rate_rps is not None and not options.longer:  # else it is known after the probe
        require_enough(dict.fromkeys(chosen, options.rate_rps), options.duration_s)
    with alone(options.directory):
        kept = _kept_plan(options)
        texts = load_texts(options.texts)
        choices = _choices(options, specs, chosen, texts, place.name)
        if kept is not None:
            if options.blocks is None:
                choices = replace(choices, blocks=kept.choices.blocks)
            if options.longer:
                choices = replace(choices, duration_s=kept.choices.duration_s)
            require_same(choices, kept.choices)
        console = notes()
        if choices.design != "cumulative":
            console.print(announce(choices), markup=False)
        builds = build()
        place.prepare(builds)
        plan = kept or _plan(options, place, choices, builds, texts, console)
        if plan.tags != tuple(build.tag for build in builds):
            raise OptbuildError(
                "the Bentos are no longer those that the ablation was started with: "
                "choose another --out"
            )
        console.print(*describe(plan), sep="\n", markup=False)
        with Progress(console, plan.runs(), plan.estimated_s()) as progress:
            Experiment(
                plan, builds, texts, options.directory, progress, place.serve, place.facts
            ).run()


def announce(choices: Choices) -> str:
    """What a design with many variants costs, before they are built."""
    return (
        f"design {choices.design}: {reading(choices.design, len(choices.chain) - 1)}, "
        f"{len(choices.specs)} Bentos to build or look up"
        # With --detect the blocks are chosen once the rates are known.
        f"{f', then about {_minutes(choices)} min of measuring' if choices.blocks else ''}"
    )


def _minutes(choices: Choices) -> int:
    return max(1, round(choices.estimated_s() / 60))


def describe(plan: Plan) -> list[str]:
    """The plan in words, before it starts."""
    choices = plan.choices
    offered = ", ".join(f"{name} {rate:g}/s" for name, rate in plan.rates_rps.items())
    capacity = f" (the baseline answers {plan.capacity_rps:.3g}/s)" if plan.capacity_rps else ""
    at_most = "at most " if choices.until_width is not None else ""
    return [
        f"{len(choices.specs)} variants x {len(choices.scenarios)} scenarios x "
        f"{at_most}{choices.blocks} blocks = {plan.runs()} runs of {choices.duration_s:g} s",
        f"offered load: {offered}{capacity}",
        f"{at_most}{choices.blocks} blocks, about {_minutes(choices)} min{_foreseen(plan)}",
        *(
            [
                f"blocks chosen to detect {100 * choices.detect:g}% by the point estimate of the "
                "noise, whatever its interval"
            ]
            if choices.detect is not None and plan.foresight is not None
            else []
        ),
        *(
            [f"until every p95 interval is within {100 * choices.until_width:g}% of its middle"]
            if choices.until_width is not None
            else []
        ),
        *(
            [
                f"margin {plan.margin:.1%}, for every metric: the last A/A showed that between "
                "equal variants on p95"
            ]
            if plan.margin > choices.margin
            else []
        ),
        *(
            [
                f"screening: fewer than {SCREENING_BELOW} blocks show a direction, but "
                "cannot prove a step"
            ]
            if choices.screening
            else []
        ),
    ]


def _foreseen(plan: Plan) -> str:
    if plan.foresight is None:
        return ""
    family = family_of(plan.choices.chain)
    words = in_words(plan.foresight, plan.choices.blocks, family, plan.margin)
    noise = "" if None in plan.detectable().values() else f" (noise: {plan.foresight.source})"
    return f", {words}{noise}"


def _plan(
    options: Options,
    place: Place,
    choices: Choices,
    builds: Sequence[Build],
    texts: Texts,
    console: Console,
) -> Plan:
    capacity_rps = None
    if choices.rate_rps is None:
        console.print("probing the capacity of the baseline", markup=False)
        log = options.directory / "logs" / "capacity.log"
        capacity_rps = probe.capacity_rps(place.serve, builds[0], log, texts.texts)
    offered = rates(choices, capacity_rps)
    if options.longer:
        needed_s = min(least_duration_s(offered), LONGEST_UNASKED_S)
        choices = replace(choices, duration_s=max(choices.duration_s, needed_s))
    require_enough(offered, choices.duration_s)
    foresight = None
    if options.foresee:
        aa = aa_store.last(choices.model_digest)
        foresight = foresee(offered, choices.duration_s, capacity_rps, choices.target, aa)
    if choices.detect is not None and foresight is not None:
        margin = max(choices.margin, foresight.margin)
        family = family_of(choices.chain)
        choices = replace(choices, blocks=blocks_for(choices.detect, foresight, family, margin))
    plan = Plan(
        choices=choices,
        tags=tuple(build.tag for build in builds),
        rates_rps=offered,
        capacity_rps=capacity_rps,
        texts_source=texts.source,
        command=options.command,
        foresight=foresight,
    )
    save(plan, options.directory)
    return plan


def _choices(
    options: Options, specs: Sequence[str], chosen: tuple[str, ...], texts: Texts, target: str
) -> Choices:
    return Choices(
        specs=tuple(specs),
        scenarios=chosen,
        blocks=options.blocks or 0,  # 0 until `detect` has chosen
        duration_s=options.duration_s,
        rate_rps=options.rate_rps,
        slo=options.slo,
        seed=options.seed,
        timeout_s=options.timeout_s,
        margin=options.margin,
        model=options.request.model,
        model_digest=resolve(options.request.model).digest,
        texts_sha256=texts.sha256,
        design=options.design,
        detect=options.detect,
        until_width=options.until_width,
        target=target,
    )


def _scenarios(asked: Sequence[str]) -> tuple[str, ...]:
    known = scenarios()
    names = tuple(dict.fromkeys(name.replace("-", "_") for name in asked))
    for name in names:
        if name not in known:
            raise OptbuildError(f"unknown scenario '{name}': known are {', '.join(known)}")
        if name == "trace":
            raise OptbuildError(
                "the scenario 'trace' replays a file, which an ablation does not take: choose "
                "another, or replay it with locust -f loadtests/trace.py --trace FILE"
            )
    return names


def _kept_plan(options: Options) -> Plan | None:
    kept = load(options.directory)
    if kept is not None and not options.resume:
        raise OptbuildError(
            f"{options.directory} holds an ablation: go on with --resume, or choose another --out"
        )
    return kept
