"""Which cluster: from a kubeconfig file to a connection that answers."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes import config
from kubernetes.client import Configuration

from deploy.cluster import Cluster
from variants._errors import OptbuildError

K3S = Path("/etc/rancher/k3s/k3s.yaml")  # where K3s writes its own

# What the client raises for a file of which some part is missing or of another kind.
UNUSABLE = (
    *(config.ConfigException, yaml.YAMLError, OSError),
    *(AttributeError, KeyError, TypeError, ValueError),
)


def connect(
    kubeconfig: Path | None, context: str | None = None, namespace: str | None = None
) -> Cluster:
    """The cluster of a kubeconfig, after it has answered once.

    `kubeconfig` None: what KUBECONFIG names, else ~/.kube/config, else K3s's own file. `context`
    and `namespace` None: the file's. Raises OptbuildError where there is no such cluster.
    """
    file = find(kubeconfig)
    try:
        contexts, active = config.list_kube_config_contexts(str(file))
    except UNUSABLE as error:
        raise _unusable(file, error) from error
    chosen = active if context is None else _context(contexts, context, file)
    # Without urllib3's own retries: they hide why it failed.
    settings = Configuration(retries=False, no_proxy=_no_proxy())
    try:
        api = config.new_client_from_config(
            str(file), chosen["name"], persist_config=False, client_configuration=settings
        )
    except UNUSABLE as error:
        raise _unusable(file, error) from error
    cluster = Cluster(api, namespace or chosen["context"].get("namespace") or "default")
    cluster.version()
    return cluster


def find(kubeconfig: Path | None) -> str:
    """The kubeconfig to read: one path, or KUBECONFIG's list of them."""
    if kubeconfig is not None:
        return str(kubeconfig)
    if named := os.environ.get("KUBECONFIG"):
        return named
    for path in (Path("~/.kube/config").expanduser(), K3S):
        if path.exists():
            return str(path)
    raise OptbuildError(
        "no cluster: set KUBECONFIG (or give --kubeconfig FILE), "
        "or install K3s: curl -sfL https://get.k3s.io | sh -"
    )


def _no_proxy() -> str:
    """Hosts to reach directly: those of the environment, and this machine, as kubectl does."""
    named = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    return ",".join(filter(None, [named, "localhost", "127.0.0.1", "::1"]))


def _context(contexts: Sequence[Any], name: str, file: str) -> Any:
    for context in contexts:
        if context["name"] == name:
            return context
    known = ", ".join(context["name"] for context in contexts)
    raise OptbuildError(f"{file} has no context '{name}': choose --context from {known}")


def _unusable(file: str, error: Exception) -> OptbuildError:
    if isinstance(error, PermissionError):
        return OptbuildError(
            f"{file} may not be read: run it with sudo, or copy the file: "
            f"sudo install -o $USER -m 600 -D {file} ~/.kube/config"
        )
    return OptbuildError(f"{file} is no usable kubeconfig ({error}): give another --kubeconfig")
