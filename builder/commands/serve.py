"""`optbuild serve`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.image_options import image_options
from builder.options import model_options, target_option

if TYPE_CHECKING:
    from builder.check import Limits
    from deploy.image import Options


@click.command(epilog="Example: optbuild serve onnx+batching --port 3000")
@click.argument("spec")
@model_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True)
@target_option("local", "docker")
@image_options
def serve(
    spec: str,
    model: str | None,
    golden: Path | None,
    calibration: Path | None,
    limits: "Limits",
    host: str,
    port: int,
    target: str,
    image: "Options",
) -> None:
    """Serve SPEC in the foreground until Ctrl-C, building its Bento if need be."""
    from builder.build import Request
    from builder.serving import Address, serve_as_processes, serve_in_docker
    from variants._spec import compose

    variant, at = compose(spec), Address(host, port)
    request = Request(model, golden, limits, calibration=calibration)
    if target == "docker":
        serve_in_docker(variant, request, at, image, click.echo)
    else:
        serve_as_processes(variant, request, at, click.echo)
