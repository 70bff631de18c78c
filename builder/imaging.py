"""The images of a build, with a line on stderr for each stage and a record of what came out."""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from docker import DockerClient
from rich.console import Console
from rich.markup import escape

from builder.build import Build
from builder.files import locked, write_json
from builder.paths import cache_dir
from builder.terminal import notes
from deploy import recipe
from deploy.coldstart import ColdStart, cold_starts
from deploy.engine_build import Say
from deploy.image import Image, Options, image


@dataclass(frozen=True)
class Made:
    """An image, and its cold starts if they were asked for."""

    image: Image
    cold_starts: tuple[ColdStart, ...] = ()


def image_of(
    client: DockerClient, build: Build, options: Options, by: recipe.Name = "optbuild"
) -> Image:
    """The image of a build, made unless the engine has it; two calls at a time make it once.

    The facts of our own recipe's are then in `record(build)`, where a deployment finds them.
    """
    bento = recipe.Bento(build.tag, build.path)
    lock = cache_dir() / "locks" / f"image-{_slug(build)}-{by}.lock"
    with saying(f"{build.tag}: looking for its image") as say, locked(lock):
        made = image(client, bento, options, lambda stage: say(f"{build.tag}: {stage}"), by)
    if by == "optbuild":
        write_json(record(build), {"format": 1, **asdict(made)})
    return made


def images_of(
    client: DockerClient,
    build: Build,
    options: Options,
    recipes: Sequence[recipe.Name],
    measure: bool,
) -> list[Made]:
    """The image of a build by each recipe; to `measure` is to start each a few times."""
    made = [image_of(client, build, options, by) for by in recipes]
    if not measure:
        return [Made(one) for one in made]
    log = cache_dir() / "logs" / f"image-{_slug(build)}.log"
    with saying("") as say:
        starts = []
        for one in made:
            say(f"{one.reference}: cold starts")
            starts.append(cold_starts(client, one.reference, build.variant, log))
    return [Made(one, tuple(times)) for one, times in zip(made, starts, strict=True)]


def record(build: Build) -> Path:
    """The file that says which image of this Bento was made last: `reference` and more."""
    return cache_dir() / "images" / f"{_slug(build)}.json"


def as_values(made: Made) -> dict[str, Any]:
    """An image, JSON-ready."""
    return {
        **asdict(made.image),
        "cold_starts_s": [start.ready_s for start in made.cold_starts],
        "cold_starts_with_creation_s": [start.created_s for start in made.cold_starts],
    }


def image_lines(made: Made) -> list[str]:
    """An image, a line for each fact."""
    one = made.image
    how = "cached" if one.cached else f"built in {one.seconds:.0f} s"
    lines = [
        f"{one.reference} ({how})",
        f"  Bento       {one.bento}, by the recipe of {one.recipe}",
        f"  size        {one.size_bytes / 1e6:.0f} MB, with the base image {one.base}",
    ]
    if made.cold_starts:
        ready_s = [start.ready_s for start in made.cold_starts]
        created_s = statistics.median(start.created_s for start in made.cold_starts)
        lines.append(
            f"  cold start  {statistics.median(ready_s):.1f} s from the container's start to the "
            f"first 200 of /readyz (median of {len(ready_s)}, {min(ready_s):.1f} to "
            f"{max(ready_s):.1f} s; {created_s:.1f} s with its creation)"
        )
    return [*lines, f"  run it      docker run --rm -p 3000:3000 {one.reference}"]


@contextmanager
def saying(first: str) -> Iterator[Say]:
    """A status line on a terminal, plain lines elsewhere."""
    console = notes()
    if not console.is_terminal:
        yield partial(_print, console)
        return
    with console.status(first) as status:
        yield lambda line: status.update(escape(line))


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False)


def _slug(build: Build) -> str:
    return build.tag.replace(":", "-")
