"""`optbuild sweep`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.options import FILE, model_options
from builder.percent import percent
from builder.within import Within

if TYPE_CHECKING:
    from builder.check import Limits


@click.command(
    epilog="Example: optbuild sweep baseline onnx+quantized --slo 'p95<250ms' --out runs/first"
)
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--slo", default="p95<250ms", show_default=True, help="What a run has to meet.")
@click.option(
    "--goodput",
    callback=percent,
    metavar="PERCENT",
    help="Ask instead that so many requests are right within the limit of --slo, such as 99%.",
)
@click.option("--scenario", default="steady", show_default=True)
@click.option(
    "--duration",
    type=Within(1, 3600),
    default=10.0,
    show_default=True,
    help="Seconds of a run.",
)
@click.option(
    "--from",
    "from_rate",
    default="auto",
    show_default=True,
    help="Requests a second at which to begin; nothing below is offered.",
)
@click.option(
    "--to", "to_rate", default="auto", show_default=True, help="Nothing above is offered."
)
@click.option(
    "--repeats",
    type=click.IntRange(2, 20),
    default=6,
    show_default=True,
    help="Runs in a row that confirm a bound: 6 give an interval of 95%.",
)
@click.option(
    "--resolution",
    default="5%",
    show_default=True,
    callback=percent,
    metavar="PERCENT",
    help="Between neighbouring rates.",
)
@click.option("--timeout", type=Within(0.1, 600), default=10.0, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True)
@click.option("--texts", type=FILE, help="Texts to send, one a line.")
@click.option("--resume", is_flag=True, help="Go on with the sweep in --out.")
@model_options
def sweep(
    specs: tuple[str, ...],
    out: Path,
    slo: str,
    goodput: float | None,
    scenario: str,
    duration: float,
    from_rate: str,
    to_rate: str,
    repeats: int,
    resolution: float,
    timeout: float,
    seed: int,
    texts: Path | None,
    resume: bool,
    model: str | None,
    golden: Path | None,
    calibration: Path | None,
    limits: "Limits",
) -> None:
    """Find the highest rate at which each SPEC meets an objective, and its latency on the way.

    The rate climbs until the objective is missed, the place is bisected, and both ends are
    confirmed by repeated runs with fresh schedules on fresh servers: one run alone is luck.
    """
    from analysis.objective import Objective
    from builder.build import Request
    from builder.plan import parse_rate, parse_slo
    from builder.sweep import Options
    from builder.sweep import sweep as run
    from builder.sweep_report import report

    parsed = parse_slo(slo)
    run(
        Options(
            specs=specs,
            request=Request(model, golden, limits, calibration=calibration),
            scenario=scenario,
            objective=Objective(parsed.quantile, parsed.limit_s, goodput),
            duration_s=duration,
            repeats=repeats,
            resolution=resolution,
            from_rps=parse_rate(from_rate),
            to_rps=parse_rate(to_rate),
            seed=seed,
            timeout_s=timeout,
            texts=texts,
            directory=out,
            resume=resume,
            command=shlex.join(["optbuild", *sys.argv[1:]]),
        )
    )
    report(out)
