"""`optbuild doctor`."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.options import FILE, model_options
from builder.within import Within

if TYPE_CHECKING:
    from builder.check import Limits

SCENARIOS = ("steady", "bursty", "high_intensity")
EXAMPLE = """\b
Example: optbuild doctor
Example: optbuild doctor --aa onnx --out runs/aa"""


@click.command(epilog=EXAMPLE)
@click.option(
    "--aa",
    "spec",
    metavar="[SPEC]",
    is_flag=False,
    flag_value="baseline",
    help="Measure a variant against itself (the baseline if none is given).",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="For the runs.")
@click.option("--blocks", type=click.IntRange(1, 1000), default=8, show_default=True)
@click.option("--duration", type=Within(1, 3600), default=20.0, show_default=True)
@click.option("--scenario", multiple=True, default=SCENARIOS, show_default=True)
@click.option("--rate", default="auto", show_default=True, help="Requests a second, or auto.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True)
@click.option("--texts", type=FILE, help="Texts to send, one a line.")
@click.option("--resume", is_flag=True, help="Go on with the A/A in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@model_options
def doctor(
    spec: str | None,
    out: Path | None,
    blocks: int,
    duration: float,
    scenario: tuple[str, ...],
    rate: str,
    seed: int,
    texts: Path | None,
    resume: bool,
    as_json: bool,
    model: str | None,
    golden: Path | None,
    calibration: Path | None,
    limits: "Limits",
) -> None:
    """Say whether this machine is quiet enough, or with --aa how small an effect it can show."""
    if spec is None:
        if calibration is not None:
            raise click.UsageError("--calibration is for a variant: give --aa SPEC")
        _examine(as_json)
        return
    from builder.aa import aa_as_json, aa_lines, measure_aa
    from builder.ablate import Options
    from builder.build import Request
    from builder.plan import DEFAULT_MARGIN, parse_rate, parse_slo

    if out is None:
        raise click.UsageError("--aa measures into a folder: give --out DIR")
    options = Options(
        spec=spec,
        request=Request(model, golden, limits, calibration=calibration),
        scenarios=scenario,
        blocks=blocks,
        duration_s=duration,
        rate_rps=parse_rate(rate),
        slo=parse_slo("p95<250ms"),
        seed=seed,
        timeout_s=10.0,
        margin=DEFAULT_MARGIN,
        texts=texts,
        directory=out,
        resume=resume,
        command=shlex.join(["optbuild", *sys.argv[1:]]),
    )
    aa, kept = measure_aa(options)
    if as_json:
        click.echo(json.dumps(aa_as_json(aa) | {"kept": kept}, indent=1))
    else:
        click.echo("\n".join(aa_lines(aa, kept)))


def _examine(as_json: bool) -> None:
    from dataclasses import asdict

    from builder.doctor import examine

    checks = list(examine())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=1))
        return
    for check in checks:
        remedy = "" if check.ok else f"; {check.remedy}"
        click.echo(f"{'ok  ' if check.ok else 'warn'}  {check.name:20} {check.found}{remedy}")
