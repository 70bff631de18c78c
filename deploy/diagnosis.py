"""What a rollout is doing, and what keeps it from ending: read from the cluster's objects."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.apierrors import QUOTA_REMEDY
from deploy.manifests.merge import Object

_NO_IMAGE = "bring the image in first (K3s: k3s ctr images import), or push it with --registry"
# Reasons why a container waits that time alone does not mend.
_HOPELESS = {
    "ImagePullBackOff": _NO_IMAGE,
    "ErrImageNeverPull": _NO_IMAGE,
    "InvalidImageName": "give a reference such as NAME:TAG with --image",
    "CreateContainerConfigError": "the image does not fit the manifest; build it with optbuild",
    "CreateContainerError": "the image does not fit the manifest; build it with optbuild",
    "RunContainerError": "the image does not fit the manifest; build it with optbuild",
}
_CRASHES = 2  # one may be bad luck


@dataclass(frozen=True)
class Trouble:
    """What is wrong, what to do about it, and the pod whose log may tell more, if any."""

    what: str
    remedy: str
    pod: str | None = None
    crashed: bool = False  # the log to read is that of the container before the last restart


def complete(deployment: Object, pods: Sequence[Object]) -> bool:
    """Whether the Deployment's latest template runs everywhere and is available.

    The conditions of `kubectl rollout status`, and that the pods bear it out: the status of a
    Deployment does not know yet of a pod that has just been deleted.
    """
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    updated = status.get("updatedReplicas", 0)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and updated == wanted
        and status.get("replicas", 0) == updated
        and status.get("availableReplicas", 0) == updated
        and sum(map(is_ready, pods)) == wanted
    )


def progress(deployment: Object, pods: Sequence[Object]) -> str:
    """One line that says how far it is, and what the first pod that is not ready is doing."""
    wanted = deployment["spec"]["replicas"]
    current = list(_current(deployment, pods))
    ready = sum(map(is_ready, current))
    line = f"{ready} of {wanted} replicas ready"
    if waiting := next((pod for pod in current if not is_ready(pod)), None):
        line += f"; {waiting['metadata']['name']}: {_doing(waiting)}"
    elif ready >= wanted and len(pods) > len(current):
        line += f"; {len(pods) - len(current)} old ones are leaving"
    return line


def hopeless(deployment: Object, pods: Sequence[Object]) -> Trouble | None:
    """What more time would not mend; None while there is hope."""
    status = deployment.get("status", {})
    # Until the cluster has seen the latest template, its conditions are those of the one before.
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    for condition in status.get("conditions", []) if seen else []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            message = str(condition.get("message", "no pod can be made"))
            quota = "exceeded quota" in message
            return Trouble(message, QUOTA_REMEDY if quota else "mend that and deploy again")
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return unfinished(deployment, pods)
    return blocked(_current(deployment, pods))


def blocked(pods: Iterable[Object]) -> Trouble | None:
    """What keeps a container of these from ever running; None while there is hope."""
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            if trouble := _container_trouble(pod["metadata"]["name"], container):
                return trouble
    return None


def unfinished(deployment: Object, pods: Sequence[Object]) -> Trouble:
    """Why it did not end in time."""
    for pod in _current(deployment, pods):
        name = pod["metadata"]["name"]
        if message := _unschedulable(pod):
            return Trouble(
                f"no node has room for {name}: {message}",
                "ask for less (replicas, limits), or add a node",
            )
        if not is_ready(pod):
            return Trouble(
                f"{name} is not ready: {_doing(pod)}",
                "see its log, or give it longer with --timeout",
                name,
            )
    return Trouble("the cluster makes no pods", "see: kubectl get events")


def is_ready(pod: Object) -> bool:
    """Whether its readiness probe succeeds, and it is not leaving."""
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _current(deployment: Object, pods: Sequence[Object]) -> Iterator[Object]:
    """Pods of the latest template, as their labels tell, that are not leaving."""
    wanted = deployment["spec"]["template"]["metadata"]["labels"].items()
    for pod in pods:
        leaving = "deletionTimestamp" in pod["metadata"]
        if not leaving and wanted <= pod["metadata"].get("labels", {}).items():
            yield pod


def _container_trouble(pod: str, container: Object) -> Trouble | None:
    waiting: Any = container.get("state", {}).get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _HOPELESS:
        return Trouble(f"{pod}: {reason}: {message}".rstrip(": "), _HOPELESS[reason])
    ended: Any = container.get("lastState", {}).get("terminated") or {}
    if container.get("restartCount", 0) < _CRASHES or container.get("ready"):
        return None
    if ended.get("reason") == "OOMKilled":
        return Trouble(
            f"{pod} is killed for want of memory again and again",
            "raise it with limits:memory=...",
            pod,
            crashed=True,
        )
    return Trouble(
        f"{pod} ends with code {ended.get('exitCode', '?')} again and again",
        "try the same Bento with optbuild serve",
        pod,
        crashed=True,
    )


def _doing(pod: Object) -> str:
    if message := _unschedulable(pod):
        return f"no node has room ({message})"
    for container in pod.get("status", {}).get("containerStatuses", []):
        if waiting := container.get("state", {}).get("waiting"):
            return str(waiting.get("reason", "waiting"))
        if "running" in container.get("state", {}):
            return "running, loading the model"
    return "waiting for a node"


def _unschedulable(pod: Object) -> str | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition.get("reason") == "Unschedulable":
            return str(condition.get("message", "unschedulable"))
    return None
