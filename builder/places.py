"""Where an ablation's servers run: what each place needs first, and what it makes of a build."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from docker import DockerClient

from builder.build import Build
from builder.cluster_options import LoadFrom, Reach
from builder.experiment import facts_of_local, serve_locally
from builder.imaging import image_of
from builder.terminal import notes
from deploy.docker import Containers
from deploy.engine import connect
from deploy.image import Image, Options
from deploy.local import require_no_deployment
from deploy.target import Target
from deploy.threads import over_budget
from variants._layer import Variant


class Place(Protocol):
    """One way to run the servers of an experiment."""

    @property
    def name(self) -> str:
        """What tells it from others."""
        ...

    def require(self, variants: Sequence[Variant]) -> None:
        """Raise OptbuildError if it cannot run one of them; asked before anything is built."""
        ...

    def prepare(self, builds: Sequence[Build]) -> None:
        """Make what is needed before the first run."""
        ...

    def serve(self, build: Build, log: Path) -> Target:
        """The target of an experiment; it shares the machine with the generator.

        The generator goes first: a late send is an error of measurement, a late answer is a
        result. That is the same for every variant.
        """
        ...

    def facts(self, build: Build) -> Mapping[str, Any]:
        """What `run.json` says of it."""
        ...


class Local:
    """Processes of this machine."""

    name = "local"

    def require(self, variants: Sequence[Variant]) -> None:
        """No deployment layers."""
        require_no_deployment(variants)

    def prepare(self, builds: Sequence[Build]) -> None:
        """Nothing: a build is all that it needs."""

    def serve(self, build: Build, log: Path) -> Target:
        """`bentoml serve`."""
        return serve_locally(build, log)

    def facts(self, build: Build) -> Mapping[str, Any]:
        """Its name."""
        return facts_of_local(build)


class Docker:
    """Containers of a local engine, from images of the builds."""

    name = "docker"

    def __init__(self, client: DockerClient, options: Options) -> None:
        self.client = client
        self.options = options
        self.images: dict[str, Image] = {}  # by the Bento's tag

    def require(self, variants: Sequence[Variant]) -> None:
        """Any variant; says where its threads ask for more than its CPU limit."""
        for variant in variants:
            if warning := over_budget(variant):
                notes().print(f"{variant.spec}: {warning}", markup=False)

    def prepare(self, builds: Sequence[Build]) -> None:
        """An image for each Bento."""
        for build in builds:
            if build.tag not in self.images:
                self.images[build.tag] = image_of(self.client, build, self.options)

    def serve(self, build: Build, log: Path) -> Target:
        """A container for each replica."""
        image = self.images[build.tag].reference
        return Containers(self.client, image, build.variant, log, background=True)

    def facts(self, build: Build) -> Mapping[str, Any]:
        """Its name, the image and its size."""
        image = self.images[build.tag]
        facts = {"image": image.reference, "image_id": image.id, "image_bytes": image.size_bytes}
        return {"name": self.name, **facts, "base_image": image.base}


@contextmanager
def place(target: str, options: Options, reach: Reach, load: LoadFrom = "local") -> Iterator[Place]:
    """The place of that name, connected as long as the context lasts."""
    if target == "docker":
        with connect(options.engine) as client:
            yield Docker(client, options)
    elif target == "k3s":
        # Here: the client takes most of a second to import, and the other places do without.
        from builder.k3s_place import connected

        with connected(options, reach, load=load) as found:
            yield found
    else:
        yield Local()
