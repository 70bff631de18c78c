"""A variant served in the foreground, as processes or as containers."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from builder.build import Build, Request
from builder.build_all import build_all
from builder.imaging import image_of
from builder.paths import cache_dir
from builder.terminal import notes
from deploy.docker import Containers
from deploy.engine import connect
from deploy.image import Options
from deploy.local import Server, free_port, require_no_deployment
from deploy.threads import over_budget
from variants._layer import Variant

Say = Callable[[str], None]


@dataclass(frozen=True)
class Address:
    """Where to listen; replicas take the ports that follow."""

    host: str
    port: int


def serve_as_processes(variant: Variant, request: Request, at: Address, say: Say) -> None:
    """Build if need be, and serve until interrupted."""
    require_no_deployment([variant])
    free_port(at.host, at.port)  # before the build, which may take a minute
    build = _build(variant, request)
    with (
        own_log(build.path.parent.name) as log,
        Server(build.path, log, host=at.host, port=at.port) as server,
    ):
        say(f"{build.tag} at {server.url}, log in {log}; Ctrl-C stops it")
        server.wait()


def serve_in_docker(
    variant: Variant, request: Request, at: Address, options: Options, say: Say
) -> None:
    """Build and make the image if need be, and serve until interrupted."""
    with connect(options.engine) as client:
        for number in range(variant.replicas if at.port else 0):
            free_port(at.host, at.port + number)
        if warning := over_budget(variant):
            notes().print(f"{variant.spec}: {warning}", markup=False)
        build = _build(variant, request)
        image = image_of(client, build, options).reference
        with (
            own_log(build.path.parent.name) as log,
            Containers(client, image, variant, log, host=at.host, port=at.port) as containers,
        ):
            say(f"{image} at {containers.url}; Ctrl-C stops it")
            containers.wait()


@contextmanager
def own_log(name: str) -> Iterator[Path]:
    """A log file that no other server writes to while this one does.

    The first one that is free, so that there are as many as servers ran at a time and no more; the
    lock goes with the process.
    """
    folder = cache_dir() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        log = folder / (f"serve-{name}.log" if number == 1 else f"serve-{name}.{number}.log")
        with log.open("ab") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield log
            return


def _build(variant: Variant, request: Request) -> Build:
    (build,) = build_all([variant], request)
    return build
