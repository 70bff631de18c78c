"""A script in a pod's server container: the API's exec, over a WebSocket."""

import json
from typing import Any

from kubernetes.stream.ws_client import ERROR_CHANNEL, WSClient
from websocket import WebSocketBadStatusException, WebSocketException

from deploy.apierrors import no_answer, refusal
from deploy.cluster import Cluster
from variants._errors import OptbuildError

WITHIN_S = 20.0
_GONE = 404


def run(cluster: Cluster, pod: str, script: str, within_s: float = WITHIN_S) -> bool:
    """Run it to its end; False if the pod has gone. Raises OptbuildError that says what to do."""
    command = [("command", word) for word in ("/bin/sh", "-c", script)]
    _, url, headers, *_ = cluster.api.param_serialize(
        "GET",
        f"/api/v1/namespaces/{cluster.namespace}/pods/{pod}/exec",
        query_params=[*command, ("container", "server"), ("stdout", "true"), ("stderr", "true")],
        header_params={},
        auth_settings=["BearerToken"],
    )
    try:
        shell = WSClient(cluster.api.configuration, _websocket(url), headers, capture_all=True)
        shell.run_forever(within_s)
    except WebSocketBadStatusException as error:
        if error.status_code == _GONE:
            return False
        body = error.resp_body or b""
        raise refusal(error.status_code, body, f"exec in Pod {pod}", cluster.namespace) from error
    except (OSError, WebSocketException) as error:
        raise no_answer(cluster.host, error) from error
    try:
        status: dict[str, Any] = json.loads(shell.read_channel(ERROR_CHANNEL, timeout=0) or "{}")
    finally:
        shell.close()
    if status.get("status") == "Failure":
        said = " | ".join([str(status.get("message", "")), *shell.read_all().splitlines()[-3:]])
        raise OptbuildError(f"a script in pod '{pod}' failed: {said}", exit_code=1)
    return True


def _websocket(url: str) -> str:
    return url.replace("http", "ws", 1)
