"""Options of every command that makes images, gathered in one value."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from builder.options import FILE

Command = TypeVar("Command", bound=Callable[..., Any])

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

engine_option = click.option(
    "--engine",
    default="docker",
    show_default=True,
    envvar="OPTBUILD_ENGINE",
    help="docker (as DOCKER_HOST says), or an engine's address, "
    "e.g. unix:///run/podman/podman.sock.",
)
_OPTIONS = (
    engine_option,
    click.option(
        "--base-image",
        envvar="OPTBUILD_BASE_IMAGE",
        help="Image with Python and its venv to build on; python:3.X-slim if left out.",
    ),
    click.option(
        "--network", envvar="OPTBUILD_NETWORK", help="Network of the image's build, e.g. host."
    ),
    click.option(
        "--ca-bundle",
        type=FILE,
        envvar="OPTBUILD_CA_BUNDLE",
        help="Certificates to trust in the image's build; those of pip here if left out.",
    ),
    click.option(
        "--pip-conf",
        type=FILE,
        envvar="OPTBUILD_PIP_CONF",
        help="pip's configuration in the image's build; that of this machine if left out.",
    ),
    click.option(
        "--wheels",
        type=FOLDER,
        multiple=True,
        envvar="OPTBUILD_WHEELS",
        help="Folder of wheels to install from, beside the package index.",
    ),
)


def image_options(command: Command) -> Command:
    """Add the options; the command gets them as `image`, what `deploy.image.Options` takes.

    None of them ends in the image except what the base image brings. Each can also be set by an
    environment variable, OPTBUILD_BASE_IMAGE and so on.
    """

    @functools.wraps(command)
    def gathered(
        *args: Any,
        engine: str,
        base_image: str | None,
        network: str | None,
        ca_bundle: Path | None,
        pip_conf: Path | None,
        wheels: tuple[Path, ...],
        **kwargs: Any,
    ) -> Any:
        from deploy.image import DEFAULT_BASE, Options

        image = Options(
            base=base_image or DEFAULT_BASE,
            engine=engine,
            network=network,
            ca_bundle=ca_bundle,
            pip_conf=pip_conf,
            wheels=wheels,
        )
        return command(*args, image=image, **kwargs)

    decorated: Any = gathered
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    result: Command = decorated
    return result
