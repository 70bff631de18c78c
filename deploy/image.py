"""An image of a Bento, made by a container engine and named by what is in it."""

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, ImageNotFound

from deploy import lock, pipconf, recipe
from deploy.engine import LOCAL
from deploy.engine_build import Say, build, exists
from deploy.pipconf import PipConf
from deploy.recipe import Bento, Installation
from variants._errors import OptbuildError

DEFAULT_BASE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
BENTO_LABEL = "optbuild.bento"


@dataclass(frozen=True)
class Options:
    """How images are made; of `ca_bundle`, `pip_conf` and `wheels` nothing ends in ours."""

    base: str = DEFAULT_BASE
    engine: str = LOCAL
    network: str | None = None
    ca_bundle: Path | None = None
    pip_conf: Path | None = None
    wheels: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Image:
    """An image in the engine; its size is with the base image's."""

    reference: str
    id: str
    size_bytes: int
    bento: str
    base: str
    recipe: str
    cached: bool
    seconds: float


def image(
    client: DockerClient,
    bento: Bento,
    options: Options,
    say: Say,
    by: recipe.Name = "optbuild",
) -> Image:
    """The image of a Bento by a recipe, built unless the engine has it.

    Raises OptbuildError with the engine's last lines if it cannot be built.
    """
    started_s = time.monotonic()
    base_id = find_base(client, options.base, say)
    pins = lock.pinned(bento.requirements)
    reference = image_reference(bento, base_id, pins, by)
    cached = exists(client, reference)
    if not cached:
        what = installation(pins, options)
        with tempfile.TemporaryFile() as archive:
            recipe.write_context(archive, by, bento, options.base, what)
            archive.seek(0)
            labels = {BENTO_LABEL: bento.tag}
            build(client, archive, reference, labels, options.network, say, what.pip.unseen)
    found = client.images.get(reference)
    return Image(
        reference=reference,
        id=str(found.id),
        size_bytes=int(found.attrs["Size"]),
        bento=bento.tag,
        base=options.base,
        recipe=by,
        cached=cached,
        seconds=time.monotonic() - started_s,
    )


def image_reference(bento: Bento, base_id: str, pins: Mapping[str, str], by: recipe.Name) -> str:
    """Name and tag from all that decides what is in the image."""
    content = json.dumps([bento.tag, base_id, dict(pins), by, recipe.digest(by)])
    digest = hashlib.sha256(content.encode()).hexdigest()
    return f"optbuild/{bento.tag.partition(':')[0]}:{digest[:16]}"


def find_base(client: DockerClient, base: str, say: Say) -> str:
    """Id of the base image, pulled if the engine does not have it."""
    try:
        return str(client.images.get(base).id)
    except ImageNotFound:
        say(f"pulling {base}")
    try:
        return str(client.images.pull(base).id)
    except APIError as error:
        raise OptbuildError(
            f"the engine has no image {base} and cannot pull it: "
            "give --base-image one that it has (see: docker images), with Python and its venv"
        ) from error


def installation(pins: Mapping[str, str], options: Options) -> Installation:
    """With pip's configuration that was given, else this machine's."""
    pip = (
        pipconf.of_host()
        if options.pip_conf is None
        else PipConf(options.pip_conf.read_text(encoding="utf-8"))
    )
    return Installation(pins, pip, options.wheels, options.ca_bundle)
