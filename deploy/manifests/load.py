"""A load generator beside a release: a Job, and the texts that it sends."""

from collections.abc import Sequence

from deploy.manifests.merge import Object
from deploy.manifests.release import INSTANCE, MANAGED_BY, MANAGER, Release
from deploy.manifests.render import UID

TEXTS = "texts.txt"
FOLDER = "/texts"  # where it finds them


def load_name(name: str) -> str:
    """Of the objects beside a release of that name; none of its own has it."""
    return f"{name}-load"


def load_objects(
    release: Release, owner: str, image: str, words: Sequence[str], texts: str, most_s: int
) -> list[Object]:
    """What to apply. `owner` is the uid of the release's Deployment, with which all of it goes.

    Its labels are not those of a replica: it gets no requests and counts for none.
    """
    name = load_name(release.name)
    labels = {
        "app.kubernetes.io/name": "load-generator",
        INSTANCE: name,
        "app.kubernetes.io/component": "load",
        MANAGED_BY: MANAGER,
    }
    goes_with = {"apiVersion": "apps/v1", "kind": "Deployment", "name": release.name, "uid": owner}
    metadata = {"name": name, "labels": labels, "ownerReferences": [goes_with]}
    container = {
        "name": "load",
        "image": image,
        "imagePullPolicy": "IfNotPresent",  # tags are made of contents
        "args": list(words),
        "env": [{"name": "HOME", "value": "/tmp"}],
        # As much as a replica without limits: a late send is an error of measurement.
        "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "texts", "mountPath": FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,  # nothing of it is wanted any more
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UID,
            "runAsGroup": UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {"podAntiAffinity": _elsewhere(release.name)},
        "containers": [container],
        "volumes": [
            {"name": "texts", "configMap": {"name": name}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    spec = {
        "backoffLimit": 0,  # a second try would be another measurement
        "activeDeadlineSeconds": most_s,
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {TEXTS: texts}},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec},
    ]


def _elsewhere(name: str) -> Object:
    """Not on a node that serves, where there is another."""
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {INSTANCE: name}},
    }
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {"preferredDuringSchedulingIgnoredDuringExecution": preferred}
