"""Where clients outside the cluster reach a release.

Through a NodePort, which every cluster has and every replica is behind. Not through a
port-forward: that goes to one pod, through the API server, and ends with that pod, so neither
replicas nor disruptions could be measured. An ingress or a load balancer is reached by --url.
"""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from deploy.apierrors import ApiError
from deploy.cluster import Cluster
from variants._errors import OptbuildError

REACHED_TIMEOUT_S = 60.0
POLL_S = 0.2
# As the load generator: a proxy would be measured too.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def address(cluster: Cluster, name: str) -> str:
    """URL of the Service's port on a node. Raises OptbuildError if it has none."""
    service = cluster.get("Service", name)
    ports = service["spec"]["ports"] if service else []
    if not ports or "nodePort" not in ports[0]:
        raise OptbuildError(
            f"'{name}' cannot be reached from outside the cluster: give --url, or deploy it "
            "without --cluster-ip"
        )
    host = _node(cluster)
    return f"http://{f'[{host}]' if ':' in host else host}:{ports[0]['nodePort']}"


def checked_url(url: str) -> str:
    """A URL that a user gave, without a slash at its end. Raises OptbuildError if it is none."""
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", url):
        raise OptbuildError(f"'{url}' is no URL: give one such as http://classifier.example")
    return url.rstrip("/")


def wait_until_reached(
    url: str,
    timeout_s: float = REACHED_TIMEOUT_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Block until `/readyz` answers 200 at a URL. Raises OptbuildError if it does not.

    Ready pods are not enough: every node has to learn of them first.
    """
    deadline_s = clock() + timeout_s
    while (reason := _unreached(url)) is not None:
        if clock() > deadline_s:
            raise OptbuildError(
                f"the replicas are ready, but {url} does not answer from here ({reason}): "
                "open the port on the node's firewall, or give --url",
                exit_code=1,
            )
        sleep(POLL_S)


def _node(cluster: Cluster) -> str:
    """A node's address; the API server's, which on one node is the same, if we may not list them.

    That is also the better one on this machine: its own address may be behind a firewall.
    """
    api = urlsplit(cluster.host).hostname or ""
    if api in ("127.0.0.1", "localhost", "::1"):
        return api
    try:
        nodes = cluster.select("Node")
    except ApiError:
        return api
    for kind in ("ExternalIP", "InternalIP"):
        for node in nodes:
            for entry in node["status"].get("addresses", []):
                if entry["type"] == kind:
                    return str(entry["address"])
    return api


def _unreached(url: str) -> str | None:
    try:
        with _DIRECT.open(f"{url}/readyz", timeout=2) as answer:
            return None if answer.status == 200 else f"HTTP {answer.status}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        return str(error)
