"""`optbuild image`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.image_options import image_options
from builder.options import model_options

if TYPE_CHECKING:
    from builder.check import Limits
    from deploy.image import Options
    from deploy.recipe import Name


@click.command(epilog="Example: optbuild image onnx+quantized --base-image python:3.11-slim")
@click.argument("spec")
@model_options
@image_options
@click.option(
    "--recipe",
    type=click.Choice(["optbuild", "bentoml"]),
    default="optbuild",
    show_default=True,
    help="bentoml: as `bentoml containerize` has it.",
)
@click.option("--compare", is_flag=True, help="Sizes and cold starts of both recipes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def image(
    spec: str,
    model: str | None,
    golden: Path | None,
    calibration: Path | None,
    limits: "Limits",
    image: "Options",
    recipe: "Name",
    compare: bool,
    as_json: bool,
) -> None:
    """Make a container image of the Bento of SPEC; the second call finds it in the engine."""
    from builder.build import Request
    from builder.build_all import build_all
    from builder.imaging import as_values, image_lines, images_of
    from deploy.engine import connect
    from variants._spec import compose

    recipes: tuple[Name, ...] = ("optbuild", "bentoml") if compare else (recipe,)
    variant = compose(spec)
    with connect(image.engine) as client:  # before the build, which may take a minute
        (build,) = build_all([variant], Request(model, golden, limits, calibration=calibration))
        made = images_of(client, build, image, recipes, compare)
    if as_json:
        click.echo(json.dumps([as_values(one) for one in made], indent=1))
    else:
        click.echo("\n".join(line for one in made for line in image_lines(one)))
