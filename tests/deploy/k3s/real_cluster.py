"""A real cluster for the tests marked `k3s`: any one that OPTBUILD_KUBECONFIG names.

OPTBUILD_TEST_IMAGE is an image of the `onnx` Bento that its nodes have or can pull; left out, one
is made with `optbuild image` and imported into the K3s of this machine.
"""

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deploy.bring import bring
from deploy.cluster import Cluster
from deploy.engine import connect as connect_engine
from deploy.handover import save
from deploy.kubeconfig import connect


@contextlib.contextmanager
def namespace() -> Iterator[Cluster]:
    """A connection to a namespace of its own, which is gone afterwards; skips without a cluster."""
    if not (kubeconfig := os.environ.get("OPTBUILD_KUBECONFIG")):
        pytest.skip("OPTBUILD_KUBECONFIG names no cluster")
    from kubernetes.client import CoreV1Api, V1Namespace, V1ObjectMeta

    name = f"optbuild-test-{uuid.uuid4().hex[:8]}"
    cluster = connect(Path(kubeconfig), namespace=name)
    api = CoreV1Api(cluster.api)
    api.create_namespace(V1Namespace(metadata=V1ObjectMeta(name=name)))
    try:
        yield cluster
    finally:
        api.delete_namespace(name)


def image(cluster: Cluster) -> str:
    """An image that the cluster's nodes have or can pull."""
    if given := os.environ.get("OPTBUILD_TEST_IMAGE"):
        return given
    optbuild = str(Path(sys.executable).with_name("optbuild"))
    made = subprocess.run([optbuild, "image", "onnx", "--json"], stdout=-1, text=True, check=True)
    reference: str = json.loads(made.stdout)[0]["reference"]
    with connect_engine() as client:
        bring(reference, cluster, partial(save, client), print)
    return reference
