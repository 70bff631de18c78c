"""`optbuild variant`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.options import model_options

if TYPE_CHECKING:
    from builder.check import Limits


@click.command(epilog="Example: optbuild variant onnx+batching onnx+quantized")
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--force", is_flag=True, help="Build again even if the Bento is in the store.")
def variant(
    specs: tuple[str, ...],
    model: str | None,
    golden: Path | None,
    calibration: Path | None,
    limits: "Limits",
    as_json: bool,
    force: bool,
) -> None:
    """Build the Bento of each SPEC, check it against the baseline and print what came out."""
    from builder.build import Request
    from builder.build_all import build_all
    from builder.describe import build_as_json, build_lines
    from variants._spec import compose

    request = Request(model, golden, limits, force, calibration)
    builds = []
    try:
        for build in build_all([compose(spec) for spec in specs], request):
            builds.append(build_as_json(build))
            if not as_json:
                click.echo("\n".join(build_lines(build)))
    finally:  # what was built before one that failed is told all the same
        if as_json and builds:
            click.echo(json.dumps(builds, indent=1))
