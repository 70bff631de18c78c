"""A K3s, or any Kubernetes, as a place where an ablation's servers run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docker import DockerClient

from builder.build import Build
from builder.imaging import image_of, saying
from builder.terminal import notes
from deploy.bring import bring
from deploy.cluster import Cluster
from deploy.handover import push, save
from deploy.image import Image, Options
from deploy.k3s import K3sTarget
from deploy.manifests.release import Release
from deploy.target import Target
from deploy.threads import over_budget
from variants._layer import Variant

NAME = "optbuild-run"  # of its objects: what is deployed for users is not touched


class K3s:
    """A Deployment for each run, from images of the builds; gone after the run.

    With `registry` the images are pushed there, else imported into the K3s of this machine.
    """

    name = "k3s"

    def __init__(
        self,
        cluster: Cluster,
        client: DockerClient,
        options: Options,
        *,
        registry: str | None = None,
        url: str | None = None,
    ) -> None:
        self.cluster = cluster
        self.client = client
        self.options = options
        self.registry = registry
        self.url = url
        self.images: dict[str, Image] = {}  # by the Bento's tag
        self.references: dict[str, str] = {}  # likewise: what the nodes call them

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
            reference = self.images[build.tag].reference
            with saying(f"{build.tag}: bringing its image into the cluster") as say:
                if self.registry is None:
                    bring(reference, self.cluster, save, say)
                else:
                    reference = push(reference, self.registry)
            self.references[build.tag] = reference

    def serve(self, build: Build, log: Path) -> Target:
        """A rollout, warm and reached; its pods' log stays with the cluster."""
        release = Release(NAME, self.references[build.tag], build.variant)
        return K3sTarget(self.cluster, release, url=self.url)

    def facts(self, build: Build) -> Mapping[str, Any]:
        """Its name, the cluster's version, the image and its size."""
        image = self.images[build.tag]
        facts = {"image": self.references[build.tag], "image_id": image.id}
        return {
            "name": self.name,
            "kubernetes": self.cluster.version(),
            **facts,
            "image_bytes": image.size_bytes,
            "base_image": image.base,
        }
