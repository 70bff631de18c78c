"""A variant served in the foreground, as processes or as containers."""

from collections.abc import Callable
from dataclasses import dataclass

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


def serve_locally(variant: Variant, request: Request, at: Address, say: Say) -> None:
    """Build if need be, and serve until interrupted."""
    require_no_deployment([variant])
    free_port(at.host, at.port)  # before the build, which may take a minute
    build = _build(variant, request)
    log = cache_dir() / "logs" / f"serve-{build.path.parent.name}.log"
    with Server(build.path, log, host=at.host, port=at.port) as server:
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
        log = cache_dir() / "logs" / f"serve-{build.path.parent.name}.log"
        with Containers(client, image, variant, log, host=at.host, port=at.port) as containers:
            say(f"{image} at {containers.url}; Ctrl-C stops it")
            containers.wait()


def _build(variant: Variant, request: Request) -> Build:
    (build,) = build_all([variant], request)
    return build
