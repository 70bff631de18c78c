"""A sweep from its options to its finished runs: each variant's search, one visit in turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.capacity import risk
from analysis.objective import Objective
from analysis.words import plural
from builder import probe
from builder.alone import alone
from builder.build import Build, Request
from builder.build_all import build_all
from builder.experiment import Serve, serve_locally
from builder.load import scenarios
from builder.model import resolve
from builder.progress import Progress
from builder.sweep_plan import (
    SweepChoices,
    SweepPlan,
    load,
    require_rates,
    require_same,
    save,
    start_rps,
)
from builder.sweeper import Sweeper
from builder.terminal import notes
from deploy.local import require_no_deployment
from loadtests._texts import Texts, load_texts
from variants._errors import OptbuildError
from variants._spec import compose

FOLDER = "sweep"  # below --out, so that an ablation has room beside it


@dataclass(frozen=True)
class Options:
    """What `optbuild sweep` was given."""

    specs: tuple[str, ...]
    request: Request
    scenario: str
    objective: Objective
    duration_s: float
    repeats: int
    resolution: float
    from_rps: float | None
    to_rps: float | None
    seed: int
    timeout_s: float
    texts: Path | None
    directory: Path
    resume: bool
    command: str


def sweep(options: Options, serve: Serve = serve_locally) -> None:
    """Plan, build, and search on from what is finished; the runs are then in DIR/sweep.

    Raises OptbuildError where something must be mended first; what is finished stays finished.
    """
    variants = list({one.spec: one for one in map(compose, options.specs)}.values())
    if serve is serve_locally:
        require_no_deployment(variants)
    texts = load_texts(options.texts)
    choices = _choices(options, [one.spec for one in variants], texts)
    require_rates(choices)
    folder = options.directory / FOLDER
    with alone(options.directory):
        kept = load(folder)
        if kept is not None and not options.resume:
            raise OptbuildError(
                f"{options.directory} holds a sweep: go on with --resume, or choose another --out"
            )
        if kept is not None:
            require_same(choices, kept.choices)
        console = notes()
        builds = list(build_all(variants, options.request))
        plan = kept or _plan(options, choices, builds, texts, console, serve)
        if plan.tags != tuple(build.tag for build in builds):
            raise OptbuildError(
                "the Bentos are no longer those that the sweep was started with: "
                "choose another --out"
            )
        console.print(*describe(plan), sep="\n", markup=False)
        total_s = plan.estimated_runs() * plan.estimated_run_s()
        with Progress(console, plan.estimated_runs(), total_s) as progress:
            Sweeper(plan, builds, texts, folder, progress, serve).run()


def describe(plan: SweepPlan) -> list[str]:
    """The plan in words, before it starts."""
    choices = plan.choices
    runs = plan.estimated_runs()
    minutes = max(1, round(runs * plan.estimated_run_s() / 60))
    begins = ", ".join(f"{spec} {rate:g}/s" for spec, rate in plan.starts_rps.items())
    return [
        f"{plural(len(choices.specs), 'variant')}, about {runs} runs of {choices.duration_s:g} s "
        f"under {choices.scenario}, about {minutes} min: where do they meet {choices.objective}?",
        f"the search begins at: {begins}",
        f"each bound is confirmed by {choices.repeats} runs in a row or more "
        f"(confidence {100 * (1 - 2 * risk(choices.repeats)):.0f}% for both)",
    ]


def _plan(
    options: Options,
    choices: SweepChoices,
    builds: Sequence[Build],
    texts: Texts,
    console: Console,
    serve: Serve,
) -> SweepPlan:
    capacities: dict[str, float] = {}
    if choices.from_rps is None:
        for build in builds:
            spec = build.variant.spec
            console.print(f"probing the capacity of {spec}", markup=False)
            log = options.directory / FOLDER / "logs" / f"capacity-{spec}.log"
            capacities[spec] = probe.capacity_rps(serve, build, log, texts.texts)
    plan = SweepPlan(
        choices=choices,
        tags=tuple(build.tag for build in builds),
        starts_rps={spec: start_rps(choices, capacities.get(spec)) for spec in choices.specs},
        capacities_rps=capacities,
        texts_source=texts.source,
        command=options.command,
    )
    save(plan, options.directory / FOLDER)
    return plan


def _choices(options: Options, specs: Sequence[str], texts: Texts) -> SweepChoices:
    scenario = options.scenario.replace("-", "_")
    known = [name for name in scenarios() if name != "trace"]  # that one has no rate of its own
    if scenario not in known:
        raise OptbuildError(
            f"unknown scenario '{options.scenario}' for a sweep: known are {', '.join(known)}"
        )
    given: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("objective", "duration_s", "repeats", "resolution", "from_rps", "to_rps")
    }
    return SweepChoices(
        specs=tuple(specs),
        scenario=scenario,
        seed=options.seed,
        timeout_s=options.timeout_s,
        model=options.request.model,
        model_digest=resolve(options.request.model).digest,
        texts_sha256=texts.sha256,
        **given,
    )
