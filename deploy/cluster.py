"""The Kubernetes API through the official client, as far as a rollout needs it."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import urllib3
from kubernetes.client import ApiClient

from deploy.apierrors import ApiError, no_answer, refusal
from deploy.manifests.merge import Object
from deploy.manifests.release import MANAGER

# Where a kind's objects are: the API's version and their name in it.
_KINDS = {
    "ConfigMap": ("api/v1", "configmaps"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Event": ("api/v1", "events"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v1", "horizontalpodautoscalers"),
    "Job": ("apis/batch/v1", "jobs"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "Node": ("api/v1", "nodes"),
    "Pod": ("api/v1", "pods"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "Service": ("api/v1", "services"),
}
_NO_SUCH_VERSION, _GONE, _BUDGET_KEEPS = 400, 404, 429  # what an eviction is answered
ATTEMPTS = 4
FIRST_PAUSE_S = 0.2
TIMEOUT_S = (5.0, 30.0)  # to connect, to answer

Query = Mapping[str, str | int]


class Cluster:
    """One namespace of a cluster. Every method raises ApiError with a line that says what to do."""

    def __init__(
        self, api: ApiClient, namespace: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.api = api
        self.namespace = namespace
        self.sleep = sleep

    @property
    def host(self) -> str:
        """The API's address."""
        return str(self.api.configuration.host)

    def version(self) -> str:
        """The cluster's version, as in `v1.33.4+k3s1`; the least that an answer can be."""
        return str(self._request("GET", "/version", "read the version")["gitVersion"])

    def apply(self, item: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply: create it, or change what differs; returns the live object.

        Takes over fields that somebody else has set: what is in the manifest is what holds.
        """
        query = {"fieldManager": MANAGER, "force": "true"}
        if dry_run:
            query["dryRun"] = "All"
        # JSON is YAML, and apply patches have to be called YAML.
        return self._object(
            "PATCH", item["kind"], item["metadata"]["name"], query, item, "apply-patch+yaml"
        )

    def get(self, kind: str, name: str) -> Object | None:
        """The object of that kind and name, None if there is none."""
        try:
            return self._object("GET", kind, name)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def select(self, kind: str, labels: str = "", fields: str = "") -> list[Object]:
        """The objects of a kind with these labels and fields (selectors)."""
        return self.snapshot(kind, labels, fields)[0]

    def snapshot(self, kind: str, labels: str = "", fields: str = "") -> tuple[list[Object], str]:
        """The same, and the version from which to watch on."""
        answer = self._object("GET", kind, "", _selectors(labels, fields))
        return answer["items"], str(answer["metadata"]["resourceVersion"])

    def delete(self, kind: str, name: str, grace_s: int | None = None) -> bool:
        """Delete it, and whatever belongs to it; False if there was none."""
        options: Object = {"propagationPolicy": "Background"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            self._object("DELETE", kind, name, body=options)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def scale(self, name: str, replicas: int) -> None:
        """Set the replicas of a Deployment; what else it has stays."""
        self._merge("Deployment", f"{name}/scale", {"spec": {"replicas": replicas}})

    def restart(self, name: str, at: str) -> None:
        """Have a Deployment replace all of its pods, as `kubectl rollout restart` does."""
        template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}}
        self._merge("Deployment", name, {"spec": {"template": template}})

    def close_node(self, name: str, *, closed: bool) -> None:
        """Whether new pods may come to a node: `kubectl cordon` and `uncordon`."""
        self._merge("Node", name, {"spec": {"unschedulable": closed}})

    def evict(self, pod: str) -> bool:
        """Delete a pod, as a drain does; False if a disruption budget keeps it for now."""
        try:
            try:
                self._evict(pod, "policy/v1")
            except ApiError as error:
                if error.status != _NO_SUCH_VERSION:
                    raise
                self._evict(pod, "policy/v1beta1")  # all that Kubernetes 1.21 knows
        except ApiError as error:
            if error.status not in (_GONE, _BUDGET_KEEPS):
                raise
            return error.status == _GONE
        return True

    def _evict(self, pod: str, version: str) -> None:
        metadata = {"name": pod, "namespace": self.namespace}
        body = {"apiVersion": version, "kind": "Eviction", "metadata": metadata}
        self._object("POST", "Pod", f"{pod}/eviction", body=body)

    def _merge(self, kind: str, name: str, patch: Object) -> None:
        self._object("PATCH", kind, name, {"fieldManager": MANAGER}, patch, "merge-patch+json")

    def log(self, pod: str, *, previous: bool = False, lines: int | None = 5) -> str:
        """The last lines of a pod's log, None for all; `previous`: as before the last restart."""
        path = f"{self._path('Pod', pod)}/log"
        query: dict[str, str | int] = {"previous": "true" if previous else "false"}
        if lines is not None:
            query["tailLines"] = lines
        return self._answer("GET", path, "read logs", query).decode(errors="replace")

    @contextlib.contextmanager
    def watch(self, kind: str, version: str, labels: str = "") -> Iterator["Watch"]:
        """Changes of a kind's objects since that version, as they happen."""
        query = {"watch": "true", "resourceVersion": version, **_selectors(labels, "")}
        with self._open("GET", self._path(kind, ""), f"watch {kind}s", query, read_s=None) as got:
            yield Watch(got)

    def _object(
        self,
        method: str,
        kind: str,
        name: str,
        query: Query | None = None,
        body: Object | None = None,
        content: str = "json",
    ) -> Object:
        what = f"{'apply' if 'apply' in content else method.lower()} {kind} {name}".rstrip()
        return self._request(method, self._path(kind, name), what, query, body, content)

    def _path(self, kind: str, name: str) -> str:
        version, plural = _KINDS[kind]
        where = "" if kind == "Node" else f"/namespaces/{self.namespace}"
        folder = f"/{version}{where}/{plural}"
        return f"{folder}/{name}" if name else folder

    def _request(self, *arguments: Any) -> Object:
        answer: Object = json.loads(self._answer(*arguments))
        return answer

    def _answer(
        self,
        method: str,
        path: str,
        what: str,
        query: Query | None = None,
        body: Object | None = None,
        content: str = "json",
    ) -> bytes:
        """The body of a 2xx answer. All that we ask for may be asked for twice: so it is."""
        for attempt in range(ATTEMPTS):
            try:
                with self._open(method, path, what, query, body, content) as answer:
                    return bytes(answer.read())
            except urllib3.exceptions.HTTPError as error:
                failure = no_answer(self.host, error)
            except ApiError as error:
                kept = method == "POST" and error.status == _BUDGET_KEEPS  # for longer than we wait
                if kept or not (error.passing or error.status == 409):
                    raise
                failure = error
            if attempt < ATTEMPTS - 1:
                self.sleep(FIRST_PAUSE_S * 2**attempt)
        raise failure

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        path: str,
        what: str,
        query: Query | None = None,
        body: Object | None = None,
        content: str = "json",
        read_s: float | None = TIMEOUT_S[1],
    ) -> Iterator[Any]:
        """A urllib3 response that is 2xx, not yet read."""
        headers = {"Accept": "*/*", "Content-Type": f"application/{content}"}
        request = self.api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self.api.call_api(*request, _request_timeout=(TIMEOUT_S[0], read_s)).response
        except urllib3.exceptions.HTTPError as error:
            raise no_answer(self.host, error.__cause__ or error) from error
        try:
            if not 200 <= answer.status < 300:
                raise refusal(answer.status, answer.read(), what, self.namespace)
            yield answer
        finally:
            answer.release_conn()


class Watch:
    """An open stream of changes; iterating blocks until the next one."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __iter__(self) -> Iterator[tuple[str, Object]]:
        """Pairs of `ADDED`, `MODIFIED`, `DELETED` or `ERROR`, and the object, until it ends."""
        rest = b""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            for chunk in self._response.stream(amt=None):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    change = json.loads(line)
                    yield change["type"], change["object"]

    def stop(self) -> None:
        """End it from another thread: closing alone would wait for the blocked reader."""
        connection = self._response.connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    given = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in given.items() if value}
