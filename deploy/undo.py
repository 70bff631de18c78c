"""Taking a release out of the cluster, or putting the one before it back."""

import json
import time
from collections.abc import Callable, Sequence

from deploy.cluster import Cluster
from deploy.manifests.merge import Object, merge
from deploy.manifests.release import SPEC, selector
from variants._errors import OptbuildError

# On a Deployment: the objects of its release as JSON, to put them back as they were.
APPLIED = "optbuild/applied"
# The pods' owner first, and what reaches them last: they may finish their requests.
KINDS = (
    "HorizontalPodAutoscaler",
    "Deployment",
    "PodDisruptionBudget",
    "Service",
    "NetworkPolicy",
)
GONE_TIMEOUT_S = 120.0
POLL_S = 0.3


def remove(cluster: Cluster, name: str) -> list[str]:
    """Delete everything that carries the release's labels; returns what that was."""
    removed = []
    for kind in KINDS:
        for item in cluster.select(kind, selector(name)):
            if cluster.delete(kind, item["metadata"]["name"]):
                removed.append(f"{kind}/{item['metadata']['name']}")
    return removed


def undeploy(cluster: Cluster, name: str, spec: str) -> str:
    """The command that removes the release of that name."""
    return f"optbuild undeploy '{spec}' --name {name} --namespace {cluster.namespace}"


def wait_until_gone(
    cluster: Cluster,
    name: str,
    timeout_s: float = GONE_TIMEOUT_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Block until the last pod has left. Raises OptbuildError if one stays."""
    deadline_s = clock() + timeout_s
    while pods := cluster.select("Pod", selector(name)):
        if clock() > deadline_s:
            stuck = pods[0]["metadata"]["name"]
            raise OptbuildError(
                f"{stuck} has not left within {timeout_s:g} s: see kubectl describe pod {stuck}",
                exit_code=1,
            )
        sleep(POLL_S)


def restore(cluster: Cluster, name: str, applied: Sequence[Object]) -> str:
    """Apply what was applied before, delete what was not there then; returns its spec."""
    for item in applied:
        if item["kind"] == "Deployment":
            item = annotated(item, applied, cluster.get("Deployment", name))
            spec = str(item["metadata"]["annotations"][SPEC])
        cluster.apply(item)
    kept = {item["kind"] for item in applied}
    for kind in KINDS:
        if kind not in kept:
            cluster.delete(kind, name)
    return spec


def annotated(deployment: Object, applied: Sequence[Object], live: Object | None) -> Object:
    """The Deployment with the note of all that is applied with it.

    If an autoscaler is, it has as many replicas as that would leave to `live`, what runs now: not
    in the note, for they come and go.
    """
    note = json.dumps(applied, separators=(",", ":"))
    noted = merge(deployment, {"metadata": {"annotations": {APPLIED: note}}})
    scaler = next((one for one in applied if one["kind"] == "HorizontalPodAutoscaler"), None)
    if scaler is None:
        return noted
    # Leaving the number out would set it to 1 until the autoscaler looks.
    least, most = scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]
    now = least if live is None else live["spec"]["replicas"]
    return merge(noted, {"spec": {"replicas": min(max(now, least), most)}})
