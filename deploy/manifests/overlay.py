"""What a variant changes of the base: patches, in Kubernetes' own words."""

import hashlib
from dataclasses import replace
from typing import Any

from deploy.manifests.merge import Object
from deploy.manifests.release import (
    IMAGE,
    INSTANCE,
    MANAGED_BY,
    MANAGER,
    OWNER,
    SPEC,
    VARIANT,
    Release,
)
from deploy.threads import environment
from variants._layer import Variant
from variants._quantity import spell

# A rolling update starts one replica more than there are: on a small node it finds a place only if
# the others have not reserved all that they may use. Memory cannot be shared out like that.
RESERVED_CPU = 0.5
BUSY_CPU = 0.7  # of what a replica may use; above it the autoscaler adds one


def patches(release: Release) -> list[Object]:
    """Patches of the base's objects, each found by its kind and name."""
    found = [_deployment(release)]
    if release.node_port:
        found.append(_patch("v1", "Service", release.name, {"spec": {"type": "NodePort"}}))
    return found


def additions(release: Release) -> list[Object]:
    """Objects that the base does not have: the autoscaler, if one is asked for."""
    if release.hpa_max is None:
        return []
    # Usage is measured against the request.
    busy = BUSY_CPU / (RESERVED_CPU if release.variant.cpu_limit else 1)
    labels = {
        "app.kubernetes.io/name": "text-classifier",
        INSTANCE: release.name,
        "app.kubernetes.io/component": "inference",
        MANAGED_BY: MANAGER,
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": release.name}
    spec = {
        "scaleTargetRef": target,
        "minReplicas": release.variant.replicas,
        "maxReplicas": release.hpa_max,
        "targetCPUUtilizationPercentage": round(busy * 100),
    }
    # v1, because every Kubernetes has it; v2 came with 1.23 and adds nothing that is used here.
    scaler = _patch("autoscaling/v1", "HorizontalPodAutoscaler", release.name, {"spec": spec})
    scaler["metadata"]["labels"] = labels
    return [scaler]


def _deployment(release: Release) -> Object:
    variant = release.variant
    version = release.image.rpartition("/")[2].partition("@")[0].partition(":")[2] or "latest"
    # Not part of a pod: more replicas of the same are no reason to replace those that are there.
    pod = replace(variant, replicas=1).digest[:16]
    labels = {
        "app.kubernetes.io/version": version[:63].strip("-._"),
        VARIANT: pod,
        # A reference has characters that a label may not have.
        IMAGE: hashlib.sha256(release.image.encode()).hexdigest()[:16],
    }
    surroundings = environment(variant, shared=True)  # with whatever else is on the node
    container: dict[str, Any] = {
        "name": "server",
        "image": release.image,
        "env": [{"name": name, "value": value} for name, value in surroundings.items()],
        "resources": _resources(variant),
    }
    if variant.workers > 1:
        # /livez is answered by any worker, /readyz by each for all: a dead one is not replaced
        # inside the container, so the container must be.
        container["livenessProbe"] = {"httpGet": {"path": "/readyz", "port": "http"}}
    container = {key: value for key, value in container.items() if value}
    spec: dict[str, Any] = {
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [container]},
        }
    }
    if release.hpa_max is None:  # else the autoscaler decides
        spec = {"replicas": variant.replicas, **spec}
    patch = _patch("apps/v1", "Deployment", release.name, {"spec": spec})
    notes = {SPEC: variant.spec} | ({OWNER: release.owner} if release.owner else {})
    patch["metadata"] |= {"labels": labels, "annotations": notes}
    return patch


def _resources(variant: Variant) -> Object:
    """Requests and limits; {} leaves the base's requests."""
    requests, limits = {}, {}
    if variant.cpu_limit is not None:
        requests["cpu"] = spell("cores", round(variant.cpu_limit * RESERVED_CPU, 3))
        limits["cpu"] = spell("cores", variant.cpu_limit)
    if variant.memory_limit_bytes is not None:
        requests["memory"] = limits["memory"] = spell("bytes", variant.memory_limit_bytes)
    return {"requests": requests, "limits": limits} if limits else {}


def _patch(version: str, kind: str, name: str, rest: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}
