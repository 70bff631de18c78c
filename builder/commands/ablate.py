"""`optbuild ablate`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cluster_options import LoadFrom, Reach, reach_options
from builder.image_options import image_options
from builder.options import FILE, model_options, target_option
from builder.percent import percent
from builder.within import Within
from variants._design import DESIGNS, Design

if TYPE_CHECKING:
    from builder.check import Limits
    from deploy.image import Options as ImageOptions

SCENARIOS = ("steady", "bursty", "high_intensity")
QUICK_BLOCKS, QUICK_DURATION_S = 2, 4.0
MOST_BLOCKS_BY_WIDTH = 30  # if --until-width is given without --blocks


@click.command(epilog="Example: optbuild ablate onnx+quantized+batching --out runs/first")
@click.argument("spec")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--scenario", multiple=True, default=SCENARIOS, show_default=True)
@click.option("--blocks", type=click.IntRange(1, 1000), help="8 if left out, 2 with --quick.")
@click.option(
    "--detect",
    metavar="PERCENT",
    callback=percent,
    help="Choose the blocks that find such an effect on p95 with 80% probability, e.g. 10%.",
)
@click.option(
    "--until-width",
    metavar="PERCENT",
    callback=percent,
    help="Stop when all p95 intervals are this narrow to either side, e.g. 5%; at most --blocks, "
    "or 30.",
)
@click.option(
    "--duration",
    type=Within(1, 3600),
    help="Seconds of a run; if left out 20, or 4 with --quick, up to 120 for a slow model.",
)
@click.option("--rate", default="auto", show_default=True, help="Requests a second, or auto.")
@click.option("--slo", default="p95<250ms", show_default=True, help="Objective of the goodput.")
@click.option("--timeout", type=Within(0.1, 600), default=10.0, show_default=True)
@click.option(
    "--margin",
    type=Within(0, 100, min_open=True),
    default=3.0,
    show_default=True,
    help="Percent; an effect within it is as good as none. What the last A/A showed on p95 counts "
    "if it is more.",
)
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True)
@click.option("--texts", type=FILE, help="Texts to send, one a line.")
@click.option(
    "--design",
    type=click.Choice(DESIGNS),
    default="cumulative",
    show_default=True,
    help="cumulative adds one layer after the other. factorial measures every valid subset of the "
    "layers; shapley does so up to 4 layers, above that each layer first and last. Both also say "
    "what each layer is worth whatever the order.",
)
@click.option("--quick", is_flag=True, help="Few short blocks: a direction, not a proof.")
@click.option("--resume", is_flag=True, help="Go on with the ablation in --out.")
@model_options
@target_option("local", "docker", "k3s")
@click.option(
    "--load",
    type=click.Choice(["local", "job"]),
    default="local",
    show_default=True,
    help="For k3s: the load comes from this machine, or from a Job in the cluster.",
)
@reach_options
@image_options
def ablate(
    spec: str,
    out: Path,
    scenario: tuple[str, ...],
    blocks: int | None,
    detect: float | None,
    until_width: float | None,
    duration: float | None,
    rate: str,
    slo: str,
    timeout: float,
    margin: float,
    seed: int,
    texts: Path | None,
    design: Design,
    quick: bool,
    resume: bool,
    model: str | None,
    golden: Path | None,
    calibration: Path | None,
    limits: "Limits",
    target: str,
    load: LoadFrom,
    reach: Reach,
    image: "ImageOptions",
) -> None:
    """Measure what each layer of SPEC brings, and write the report."""
    from analysis.sequential import EXTRA_BLOCKS, FEWEST_BLOCKS
    from builder.ablate import Options
    from builder.ablate import ablate as run
    from builder.build import Request
    from builder.places import place
    from builder.plan import parse_rate, parse_slo
    from builder.reporting import report

    if load == "job" and target != "k3s":
        raise click.UsageError("--load job needs a cluster: give --target k3s")
    if blocks is not None and detect is not None:
        raise click.UsageError("--detect chooses the blocks: leave out --blocks")
    if until_width and blocks is not None and blocks <= (least := FEWEST_BLOCKS + EXTRA_BLOCKS):
        raise click.UsageError(
            f"--until-width can stop after {least} blocks at the earliest: "
            "give more --blocks, or leave them out"
        )
    if blocks is None and detect is None:
        blocks = MOST_BLOCKS_BY_WIDTH if until_width else QUICK_BLOCKS if quick else 8
    run(
        Options(
            spec=spec,
            request=Request(model, golden, limits, calibration=calibration),
            scenarios=scenario,
            blocks=blocks,
            detect=detect,
            until_width=until_width,
            duration_s=duration or (QUICK_DURATION_S if quick else 20.0),
            longer=duration is None,
            rate_rps=parse_rate(rate),
            slo=parse_slo(slo),
            seed=seed,
            timeout_s=timeout,
            margin=margin / 100,
            texts=texts,
            directory=out,
            resume=resume,
            command=shlex.join(["optbuild", *sys.argv[1:]]),
            design=design,
            place=place(target, image, reach, load),
        )
    )
    report(out, None)
