"""A K3s, or any Kubernetes, as a place where an experiment's servers run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from docker import DockerClient

from builder.build import Build
from builder.cluster_options import LoadFrom, Reach
from builder.imaging import image_of, saying
from builder.terminal import notes
from deploy.bring import bring
from deploy.cluster import Cluster
from deploy.engine import connect
from deploy.handover import push, save
from deploy.image import Image, Options
from deploy.k3s import K3sTarget
from deploy.k3s_load import K3sLoaded
from deploy.kubeconfig import connect as reached
from deploy.load_image import load_image
from deploy.manifests.release import Release
from deploy.target import Target
from deploy.threads import over_budget
from variants._layer import Variant


class K3s:
    """A Deployment for each run, from images of the builds; gone after the run.

    The load comes from this machine, or from a Job beside each.
    """

    def __init__(
        self,
        cluster: Cluster,
        client: DockerClient,
        options: Options,
        reach: Reach,
        load: LoadFrom = "local",
    ) -> None:
        self.cluster = cluster
        self.client = client
        self.options = options
        self.reach = reach
        self.load = load
        self.generator = ""  # image
        self.images: dict[str, Image] = {}  # by the Bento's tag
        self.references: dict[str, str] = {}  # likewise: what the nodes call them

    @property
    def name(self) -> str:
        """With where the load comes from: runs of both kinds are not to be mixed."""
        return "k3s" if self.load == "local" else "k3s, load in a Job"

    def require(self, variants: Sequence[Variant]) -> None:
        """Any variant; says where its threads ask for more than its CPU limit."""
        for variant in variants:
            if warning := over_budget(variant):
                notes().print(f"{variant.spec}: {warning}", markup=False)

    def prepare(self, builds: Sequence[Build]) -> None:
        """An image for each Bento, where the nodes find it."""
        for build in builds:
            if build.tag in self.images:
                continue
            self.images[build.tag] = image_of(self.client, build, self.options)
            self.references[build.tag] = self._brought(self.images[build.tag].reference)
        if self.load == "job" and not self.generator:
            with saying("looking for the load generator's image") as say:
                made = load_image(self.client, self.options, say)
            self.generator = self._brought(made)

    def serve(self, build: Build, log: Path) -> Target:
        """A rollout, warm and reached; its pods' log stays with the cluster."""
        release, url = self.release(build), self.reach.url
        if self.load == "local":
            return K3sTarget(self.cluster, release, url=url)
        return K3sLoaded(self.cluster, release, self.generator, url=url)

    def release(self, build: Build) -> Release:
        """What is rolled out for a run."""
        return Release(self.reach.name, self.references[build.tag], build.variant)

    def facts(self, build: Build) -> Mapping[str, Any]:
        """Its name, the cluster's version, the image and its size."""
        image = self.images[build.tag]
        facts = {"image": self.references[build.tag], "image_id": image.id}
        return {
            "name": "k3s",
            "load": self.load,
            "kubernetes": self.cluster.version(),
            **facts,
            "image_bytes": image.size_bytes,
            "base_image": image.base,
        }

    def _brought(self, image: str) -> str:
        """What the nodes call it, where they find it."""
        with saying(f"{image}: bringing it into the cluster") as say:
            if self.reach.registry is not None:
                return push(self.client, image, self.reach.registry)
            bring(image, self.cluster, partial(save, self.client), say)
        return image


@contextmanager
def connected(
    options: Options, reach: Reach, kind: type[K3s] = K3s, load: LoadFrom = "local"
) -> Iterator[K3s]:
    """The place in a cluster that has answered, before anything is built."""
    cluster = reached(reach.kubeconfig, reach.context, reach.namespace)
    with connect(options.engine) as client:
        yield kind(cluster, client, options, reach, load)
