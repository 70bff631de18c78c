"""A release in a Kubernetes with a load generator beside it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.apierrors import ApiError
from deploy.cluster import Cluster
from deploy.diagnosis import blocked
from deploy.k3s import K3sTarget
from deploy.manifests.load import FOLDER, TEXTS, load_name, load_objects
from deploy.manifests.merge import Object
from deploy.manifests.release import Release, selector
from deploy.parcel import unwrap
from variants._errors import OptbuildError

START_WITHIN_S = 120.0  # its image may have to be pulled
MOST_TEXTS_BYTES = 1_000_000  # of the 1 MiB of a ConfigMap
LAST_LINES = 5


class K3sLoaded(K3sTarget):
    """A release whose load comes from a Job in the cluster, by the image `generator`.

    The generator has a clock of its own, by which both ends of each latency are told.
    """

    def __init__(self, cluster: Cluster, release: Release, generator: str, **options: Any) -> None:
        """`options` are those of K3sTarget."""
        super().__init__(cluster, release, **options)
        self.generator = generator

    def generate(
        self, scenario: str, options: Sequence[str], texts: Path, folder: Path, within_s: float
    ) -> None:
        """Run Locust in a Job; `folder` then has its results, copied out of its log."""
        content = texts.read_text(encoding="utf-8")
        if len(content.encode()) > MOST_TEXTS_BYTES:
            raise OptbuildError(
                f"the texts are more than a ConfigMap holds ({MOST_TEXTS_BYTES / 1e6:g} MB): "
                "give fewer --texts, or --load local"
            )
        deployment = self.cluster.get("Deployment", self.release.name)
        if deployment is None:
            raise OptbuildError(f"somebody has deleted '{self.release.name}' meanwhile", 1)
        words = [scenario, "--host", self._inside(), *options, "--texts", f"{FOLDER}/{TEXTS}"]
        most_s = math.ceil(within_s + START_WITHIN_S)
        self._clear()
        try:
            for item in load_objects(
                self.release, deployment["metadata"]["uid"], self.generator, words, content, most_s
            ):
                self.cluster.apply(item)
            pod = self._finished(most_s)
            log = unwrap(self.cluster.log(pod, lines=None), folder)
            (folder / "locust.log").write_text(log, encoding="utf-8")
        finally:
            self._delete()

    def _inside(self) -> str:
        """Base URL of the release inside the cluster; no name, for looking it up takes time."""
        service = self.cluster.get("Service", self.release.name)
        assert service is not None  # it is part of the release
        host, port = service["spec"]["clusterIP"], service["spec"]["ports"][0]["port"]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def _finished(self, most_s: float) -> str:
        """The pod of the Job, once that is complete. Raises OptbuildError that says why not."""
        name, clock = load_name(self.release.name), self.patience.clock
        deadline_s = clock() + most_s
        while True:
            job = self.cluster.get("Job", name)
            pods = self.cluster.select("Pod", selector(name))
            ended = _conditions(job)
            if "Complete" in ended:
                return str(pods[0]["metadata"]["name"])
            if job is None or "Failed" in ended or clock() > deadline_s:
                raise OptbuildError(self._why(ended.get("Failed", "not finished"), pods), 1)
            if (trouble := blocked(pods)) is not None:
                raise OptbuildError(f"no load: {trouble.what}; {trouble.remedy}", 1)
            self.patience.sleep(self.patience.poll_s)

    def _why(self, reason: str, pods: Sequence[Object]) -> str:
        try:
            name = pods[0]["metadata"]["name"]
            log = " | ".join(self.cluster.log(name, lines=LAST_LINES).strip().splitlines())
        except (ApiError, IndexError):  # it has not come to that
            log = "no log"
        return f"the load generator's Job failed ({reason}): {log}"

    def _clear(self) -> None:
        """Nothing of an earlier one: a Job cannot be changed."""
        deadline_s = self.patience.clock() + START_WITHIN_S
        self._delete()
        name = load_name(self.release.name)
        while self.cluster.get("Job", name) or self.cluster.select("Pod", selector(name)):
            if self.patience.clock() > deadline_s:
                raise OptbuildError(f"the Job '{name}' does not go: look at kubectl describe", 1)
            self.patience.sleep(self.patience.poll_s)

    def _delete(self) -> None:
        for kind in ("Job", "ConfigMap"):
            self.cluster.delete(kind, load_name(self.release.name))


def _conditions(job: Object | None) -> dict[str, str]:
    """How a Job has ended, and why; {} as long as it goes on."""
    found = [] if job is None else job.get("status", {}).get("conditions", [])
    return {one["type"]: one.get("reason", "") for one in found if one["status"] == "True"}
