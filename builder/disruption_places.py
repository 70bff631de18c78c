"""Where disrupted replicas run: what each place needs first, and what it makes of a build."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from builder import places
from builder.build import Build
from builder.cluster_options import Reach
from deploy.docker_fleet import DockerFleet
from deploy.engine import connect
from deploy.image import Options
from deploy.local_fleet import LocalFleet
from deploy.replica import bento_process
from variants._errors import OptbuildError
from variants._layer import Variant


class Place(Protocol):
    """One way to run replicas that can be disrupted."""

    def require(self, variants: Sequence[Variant]) -> None:
        """Raise OptbuildError if it cannot run one of them; asked before anything is built."""
        ...

    def prepare(self, builds: Sequence[Build]) -> None:
        """Make what is needed before the first run."""
        ...

    def serve(self, build: Build, log: Path) -> Any:
        """A context manager that is the target (deploy/disruptable.py)."""
        ...


class Local:
    """Processes of this machine, which the replicas share without limits."""

    def require(self, variants: Sequence[Variant]) -> None:
        """No limits."""
        for variant in variants:
            if (variant.cpu_limit, variant.memory_limit_bytes) != (None, None):
                raise OptbuildError(
                    f"'{variant.spec}' has limits, which a local process cannot have: "
                    "choose --target docker or --target k3s, or drop them"
                )

    def prepare(self, builds: Sequence[Build]) -> None:
        """Nothing: a build is all that it needs."""

    def serve(self, build: Build, log: Path) -> Any:
        """Several `bentoml serve`."""
        return LocalFleet(bento_process(build.path, log), build.variant.replicas, log)


class Docker(places.Docker):
    """Containers of a local engine, from images of the builds."""

    def serve(self, build: Build, log: Path) -> Any:
        """A container for each replica, kept alive."""
        reference = self.images[build.tag].reference
        return DockerFleet(self.client, reference, build.variant, log)


TARGETS = ("local", "docker", "k3s")


@contextmanager
def place(target: str, options: Options, reach: Reach) -> Iterator[Place]:
    """The place of that name, connected as long as the context lasts."""
    if target == "docker":
        with connect(options.engine) as client:
            yield Docker(client, options)
    elif target == "k3s":
        with _k3s(options, reach) as found:
            yield found
    else:
        yield Local()


@contextmanager
def _k3s(options: Options, reach: Reach) -> Iterator[Place]:
    """Pods of a Kubernetes, from images of the builds."""
    # Here: the client takes most of a second to import, and the other places do without.
    from builder.k3s_place import K3s, connected
    from deploy.k3s_fleet import K3sFleet

    class Pods(K3s):
        def serve(self, build: Build, log: Path) -> Any:
            return K3sFleet(self.cluster, self.release(build), url=self.reach.url)

    with connected(options, reach, Pods) as found:
        yield found
