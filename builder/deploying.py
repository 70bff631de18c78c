"""What `deploy` and `undeploy` do: from a spec to replicas that answer, and back."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.build import Request, Say
from builder.build_all import build_all
from builder.terminal import notes
from deploy.manifests.kustomize import write
from deploy.manifests.release import Release
from deploy.manifests.render import objects, to_yaml
from deploy.threads import over_budget
from variants._errors import OptbuildError
from variants._spec import compose

if TYPE_CHECKING:  # the client takes most of a second to import, and manifests do without
    from deploy.cluster import Cluster


@dataclass(frozen=True)
class Where:
    """A cluster and a place in it; None: what the kubeconfig says."""

    kubeconfig: Path | None
    context: str | None
    namespace: str | None


@dataclass(frozen=True)
class Deployment:
    """What the user wants deployed, and where."""

    spec: str
    request: Request
    where: Where
    name: str
    image: str | None
    registry: str | None
    engine: str
    hpa_max: int | None
    node_port: bool
    url: str | None
    timeout_s: float
    keep_failed: bool

    @classmethod
    def from_options(cls, spec: str, options: Mapping[str, Any]) -> "Deployment":
        """From the options of the command."""
        if options["image"] is not None and options["calibration"] is not None:
            raise OptbuildError("--image needs no build: leave out --calibration")
        return cls(
            spec=spec,
            request=Request(
                options["model"],
                options["golden"],
                options["limits"],
                calibration=options["calibration"],
            ),
            where=Where(options["kubeconfig"], options["context"], options["namespace"]),
            name=options["name"],
            image=options["image"],
            registry=options["registry"],
            engine=options["engine"],
            hpa_max=options["hpa"],
            node_port=not options["cluster_ip"],
            url=options["url"],
            timeout_s=options["timeout"],
            keep_failed=options["keep_failed"],
        )

    def release(self, image: str) -> Release:
        """What is rolled out with that image."""
        return Release(self.name, image, compose(self.spec), self.hpa_max, self.node_port)


def manifests(deployment: Deployment, out: Path | None, echo: Say | None) -> None:
    """Write the manifests to a folder, or say them, or both. Needs no cluster."""
    deployment.release("to-be:known")  # a wrong option is said before a Bento is built
    release = deployment.release(_image(deployment))
    if deployment.registry is not None:
        from deploy.handover import name_in

        there = name_in(deployment.registry, release.image)
        remedy = f"docker tag {release.image} {there} && docker push {there}"
        notes().print(f"push the image before you apply: {remedy}", markup=False, soft_wrap=True)
        release = deployment.release(there)
    _warn(release)
    if echo is not None:
        echo(to_yaml(objects(release)).rstrip())
    if out is not None:
        overlay = write(release, out)
        notes().print(f"written: kubectl apply --kustomize {overlay}", soft_wrap=True)


def to_cluster(deployment: Deployment, echo: Say) -> None:
    """Bring the image in, roll it out, wait; say what has changed and where it answers."""
    from deploy.address import address, checked_url, wait_until_reached
    from deploy.rollout import Patience, roll_out

    began_s = time.monotonic()
    deployment.release("to-be:known")
    url = None if deployment.url is None else checked_url(deployment.url)
    cluster = _connect(deployment.where)  # before a build, which may take minutes
    release = deployment.release(_image(deployment))
    _warn(release)
    with _progress(release.variant.spec) as say:
        release = _bring(deployment, release, cluster, say)
        patience = Patience(deployment.timeout_s)
        changes = roll_out(cluster, release, say, patience, keep_failed=deployment.keep_failed)
        if url is None and deployment.node_port:
            url = address(cluster, release.name)
        if url is not None:
            say(f"waiting for {url}")
            wait_until_reached(url)
    for change in changes:
        echo(f"{change.kind}/{change.name} {change.what}")
    where = url or f"http://{release.name}.{cluster.namespace} inside the cluster"
    echo(f"{release.variant.spec} at {where}, ready after {time.monotonic() - began_s:.0f} s")


def from_cluster(spec: str, name: str, where: Where, echo: Say) -> None:
    """Remove the release of that name, if it is that spec; say what has gone."""
    from deploy.rollout import running
    from deploy.undo import remove, undeploy, wait_until_gone

    wanted = compose(spec).spec
    cluster = _connect(where)
    there = running(cluster, name)
    if there is not None and there.spec != wanted:
        remedy = undeploy(cluster, name, there.spec)
        raise OptbuildError(f"'{there.spec}' is deployed as '{name}', not '{wanted}': {remedy}")
    removed = remove(cluster, name)
    for item in removed:
        echo(f"{item} removed")
    if not removed:
        echo(f"nothing is deployed as '{name}' in namespace '{cluster.namespace}'")
    with _progress(wanted) as say:
        say("waiting for its pods to finish and leave")
        wait_until_gone(cluster, name)


def _connect(where: Where) -> "Cluster":
    from deploy.kubeconfig import connect

    return connect(where.kubeconfig, where.context, where.namespace)


def _image(deployment: Deployment) -> str:
    """The image that was given, else the one that `optbuild image` made of the spec's Bento."""
    if deployment.image is not None:
        return deployment.image
    from builder.imaging import record

    (build,) = build_all([compose(deployment.spec)], deployment.request)
    try:
        return str(json.loads(record(build).read_text(encoding="utf-8"))["reference"])
    except FileNotFoundError as error:
        raise OptbuildError(
            f"there is no image of {build.tag}: optbuild image '{deployment.spec}', "
            "or give one with --image"
        ) from error


def _bring(deployment: Deployment, release: Release, cluster: "Cluster", say: Say) -> Release:
    """The image to where the nodes find it; the release with its name there."""
    from deploy.bring import bring
    from deploy.engine import connect
    from deploy.handover import push
    from deploy.handover import save as saved

    def save(reference: str) -> Iterator[bytes]:
        with connect(deployment.engine) as client:
            yield from saved(client, reference)

    if deployment.registry is not None:
        say(f"pushing {release.image} to {deployment.registry}")
        with connect(deployment.engine) as client:
            return deployment.release(push(client, release.image, deployment.registry))
    if deployment.image is None:  # one that was given is where it should be
        bring(release.image, cluster, save, say)
    return release


def _warn(release: Release) -> None:
    if (warning := over_budget(release.variant)) is not None:
        notes().print(f"warning: {warning}", markup=False, soft_wrap=True)


@contextmanager
def _progress(spec: str) -> Iterator[Say]:
    """A line that changes on a terminal, else a line for each stage."""
    console = notes()
    if console.is_terminal:
        with console.status(spec) as status:
            yield lambda line: status.update(f"{spec}: {line}")
    else:
        yield lambda line: console.print(f"{spec}: {line}", markup=False, soft_wrap=True)
