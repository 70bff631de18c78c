"""Disruptions from their options to their finished runs."""

from collections.abc import Sequence
from pathlib import Path

from analysis.compare import SCREENING_BELOW
from builder import probe
from builder.alone import alone
from builder.build import Build
from builder.build_all import build_all
from builder.disruption_options import Options
from builder.disruption_places import Place, place
from builder.disruption_plan import (
    CAPACITY_SHARE,
    Choices,
    Plan,
    load,
    require_same,
    require_steady,
    save,
)
from builder.disruption_runs import Disruptions, Serve
from builder.load import scenarios
from builder.model import resolve
from builder.plan import require_enough
from builder.progress import Progress
from builder.terminal import notes
from deploy.disruptions._disruption import longest_s, parse, require_target
from loadtests._texts import Texts, load_texts
from variants._errors import OptbuildError
from variants._layer import Variant
from variants._spec import compose

FOLDER = "disruptions"
RECOVERY_S = 5.0  # at least so much of a run comes after the fault's own waiting


def disrupt(options: Options) -> None:
    """Plan, build, and run what is not finished yet; the runs are then in the directory.

    Raises OptbuildError where something must be mended first; what is finished stays finished.
    """
    variants = _variants(options.specs)
    experiments = _experiments(options)
    scenario = _scenario(options.scenario)
    if options.rate_rps is not None:  # else it is known after the probe
        require_enough({scenario: options.rate_rps}, options.duration_s)
        require_steady(options.rate_rps, options.duration_s, options.slo)
    with place(options.target, options.image, options.reach) as where:
        where.require(variants)
        _disrupt(options, variants, experiments, scenario, where)


def _disrupt(
    options: Options,
    variants: Sequence[Variant],
    experiments: tuple[str, ...],
    scenario: str,
    where: Place,
) -> None:
    folder = options.directory / FOLDER
    with alone(folder):
        kept = _kept_plan(options, folder)
        texts = load_texts(options.texts)
        choices = _choices(options, [v.spec for v in variants], experiments, scenario, texts)
        if kept is not None:
            require_same(choices, kept.choices)
        builds = list(build_all(variants, options.request))
        where.prepare(builds)
        plan = kept or _plan(options, choices, builds, texts, where.serve, folder)
        if plan.tags != tuple(build.tag for build in builds):
            raise OptbuildError(
                "the Bentos are no longer those that the disruptions were started with: "
                "choose another --out"
            )
        console = notes()
        console.print(*_words(plan), sep="\n", markup=False)
        with Progress(console, plan.runs(), plan.estimated_s()) as progress:
            Disruptions(plan, builds, texts, folder, progress, where.serve).run()


def _variants(specs: Sequence[str]) -> list[Variant]:
    variants = [compose(spec) for spec in specs]
    for at, variant in enumerate(variants):
        if variant.spec in [other.spec for other in variants[:at]]:
            raise OptbuildError(f"'{variant.spec}' is given twice: drop one")
    return variants


def _scenario(asked: str) -> str:
    known, name = scenarios(), asked.replace("-", "_")
    if name not in known:
        raise OptbuildError(f"unknown scenario '{name}': known are {', '.join(known)}")
    if name == "trace":
        raise OptbuildError("a trace has its own times: choose a scenario that has a rate")
    return name


def _experiments(options: Options) -> tuple[str, ...]:
    """The canonical names; each fits the target and the length of the run."""
    parsed = [parse(text) for text in options.experiments]
    for experiment in parsed:
        require_target(experiment, options.target)
        least_s = (longest_s(experiment) + RECOVERY_S) / 0.6
        if options.duration_s < least_s:
            raise OptbuildError(
                f"'{experiment.spec}' in {options.duration_s:g} s leaves too little to recover "
                f"in: give --duration {least_s:.0f} or more"
            )
    return tuple(dict.fromkeys(experiment.spec for experiment in parsed))


def _plan(
    options: Options,
    choices: Choices,
    builds: Sequence[Build],
    texts: Texts,
    serve: Serve,
    folder: Path,
) -> Plan:
    capacity_rps, rate_rps = None, choices.rate_rps
    if rate_rps is None:
        notes().print(f"probing the capacity of {choices.specs[0]}", markup=False)
        log = folder / "logs" / "capacity.log"
        capacity_rps = probe.capacity_rps(serve, builds[0], log, texts.texts)
        rate_rps = float(f"{CAPACITY_SHARE * capacity_rps:.3g}")
    require_enough({choices.scenario: rate_rps}, choices.duration_s)
    require_steady(rate_rps, choices.duration_s, choices.slo)
    plan = Plan(
        choices=choices,
        tags=tuple(build.tag for build in builds),
        rate_rps=rate_rps,
        capacity_rps=capacity_rps,
        texts_source=texts.source,
        command=options.command,
    )
    save(plan, folder)
    return plan


def _choices(
    options: Options,
    specs: Sequence[str],
    experiments: tuple[str, ...],
    scenario: str,
    texts: Texts,
) -> Choices:
    return Choices(
        specs=tuple(specs),
        experiments=experiments,
        scenario=scenario,
        target=options.target,
        blocks=options.blocks,
        duration_s=options.duration_s,
        rate_rps=options.rate_rps,
        slo=options.slo,
        seed=options.seed,
        timeout_s=options.timeout_s,
        margin=options.margin,
        model=options.request.model,
        model_digest=resolve(options.request.model).digest,
        texts_sha256=texts.sha256,
    )


def _kept_plan(options: Options, folder: Path) -> Plan | None:
    kept = load(folder)
    if kept is not None and not options.resume:
        raise OptbuildError(
            f"{folder} holds disruptions: go on with --resume, or choose another --out"
        )
    return kept


def _words(plan: Plan) -> list[str]:
    """The plan in words, before it starts."""
    choices = plan.choices
    capacity = f" (the first answers {plan.capacity_rps:.3g}/s)" if plan.capacity_rps else ""
    few = choices.blocks < SCREENING_BELOW
    note = f"screening: fewer than {SCREENING_BELOW} blocks show a direction, but prove nothing"
    return [
        f"{len(choices.specs)} variants x {len(choices.experiments)} experiments x "
        f"{choices.blocks} blocks = {plan.runs()} runs of {choices.duration_s:g} s on "
        f"{choices.target}, about {max(1, round(plan.estimated_s() / 60))} min",
        f"offered load: {choices.scenario} {plan.rate_rps:g}/s{capacity}",
        *([note] if few else []),
    ]
