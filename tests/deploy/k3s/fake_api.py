"""The HTTP API of a fake cluster, as far as a K3s answers it to us."""

import http.server
import json
import re
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import yaml
from fake_controllers import Controllers, Nature
from fake_front import Front
from fake_http import Quiet, Server
from fake_jobs import of_job
from fake_store import Object, Store, selected
from fake_websocket import accept

TOKEN = "a-token"
PATH = re.compile(
    r"/(?:api/v1|apis/[\w.]+/v\d)/(?:namespaces/(?P<ns>[\w-]+)/)?(?P<plural>\w+)"
    r"(?:/(?P<name>[\w.-]+))?(?:/(?P<sub>\w+))?"
)
NODE = {
    "metadata": {"name": "node"},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "nodeInfo": {"containerRuntimeVersion": "containerd://2.0.5-k3s1"},
    },
}


class Refusal(Exception):
    def __init__(self, status: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


class FakeCluster:
    """A cluster with the namespaces `default` and `leaving`; the latter is being deleted.

    `refuse` maps (method, plural) to what is answered instead, as often as it says.
    """

    def __init__(self, nature: Nature | None = None) -> None:
        self.store = Store()
        self.nature = nature or Nature()
        self.controllers = Controllers(self.store, self.nature)
        self.refuse: dict[tuple[str, str], list[Refusal]] = {}
        self.requests: list[tuple[str, str]] = []
        self.watch_s = 60.0  # after which the API ends a watch
        self.node_closed = False
        self.closed_nodes: list[bool] = []  # how the node was closed and opened, in order
        self.evictions = {"policy/v1", "policy/v1beta1"}  # versions that it knows
        self.scripts: list[tuple[str, str]] = []  # run in pods
        self.script_fails = False
        self.too_old = False  # whether it answers the next watch with 410

    def __enter__(self) -> Self:
        self.front = Front(self.store)
        self.server = Server(_handler(self))
        self.port = self.server.server_port
        self.controllers.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.vanish()
        self.controllers.stopping.set()
        self.controllers.thread.join()
        self.front.close()

    def vanish(self) -> None:
        """The API is gone; the pods go on."""
        with self.store.changed:
            self.store.closed = True
            self.store.changed.notify_all()
        self.server.close()

    def kubeconfig(self, path: Path) -> Path:
        """A kubeconfig with the contexts `fake` and `dead`."""
        contexts, clusters = [], []
        for name, port in (("fake", self.port), ("dead", 1)):
            clusters.append({"name": name, "cluster": {"server": f"http://127.0.0.1:{port}"}})
            contexts.append({"name": name, "context": {"cluster": name, "user": "me"}})
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": clusters,
            "contexts": contexts,
            "current-context": "fake",
            "users": [{"name": "me", "user": {"token": TOKEN}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def names(self) -> set[str]:
        """Every object there is, as in `deployments/classifier`."""
        with self.store.changed:
            return {"/".join(key) for key in self.store.objects if key[0] != "events"}

    def answer(self, method: str, url: str, body: Object) -> Any:
        """The answer to a request: an object, a log's text, or an iterator of changes."""
        split = urlsplit(url)
        query = dict(parse_qsl(split.query))
        if split.path == "/version":
            return {"gitVersion": "v1.33.4+k3s1"}
        found = PATH.fullmatch(split.path)
        if found is None:
            raise Refusal(404, "the server could not find the requested resource")
        plural, name = found["plural"], found["name"] or ""
        self.requests.append((method, plural))
        if self.refuse.get((method, plural)):
            raise self.refuse[method, plural].pop(0)
        if plural == "nodes":
            if method == "PATCH":
                self.node_closed = body["spec"]["unschedulable"]
                self.closed_nodes.append(self.node_closed)
            node = {**NODE, "spec": {"unschedulable": True} if self.node_closed else {}}
            return node if name else {"items": [node], "metadata": {"resourceVersion": "1"}}
        if method != "GET" or name:
            _require_namespace(found["ns"], method)
        with self.store.changed:
            if method == "GET" and not name:
                return self._list(plural, query)
            if method == "PATCH" and not found["sub"] and "metadata" in body:
                return self._apply(plural, body, "dryRun" in query)
            item = self.store.get(plural, name)
            if item is None:
                raise Refusal(404, f'{plural} "{name}" not found', kind=plural, name=name)
            if method == "PATCH":
                return self.store.put(plural, {**item, "spec": _merged(item["spec"], body["spec"])})
            if method == "POST":  # an eviction; a budget that keeps it is in `refuse`
                if body["apiVersion"] not in self.evictions:
                    raise Refusal(400, f"no kind Eviction in version {body['apiVersion']}")
                return self._delete(plural, item, {})
            if method == "DELETE":
                return self._delete(plural, item, body)
            if found["sub"] == "exec":
                script = dict(parse_qsl(split.query))["command"]  # the last one
                self.scripts.append((name, script))
                if "/dev/zero" in script or "kill -9 $p" in script:
                    self.controllers.restarts[name] = 1
                return item
            if found["sub"]:
                log = f"INFO starting\nlog of {name}\nModuleNotFoundError: no module"
                return item.get("log", log)
            return item

    def _list(self, plural: str, query: dict[str, str]) -> Any:
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        if "watch" in query:
            if self.too_old:
                self.too_old = False
                raise Refusal(410, "too old resource version")
            changes = self.store.changes(plural, int(query["resourceVersion"]), self.watch_s)
            return (change for change in changes if selected(change[1], labels, fields))
        items = [item for item in self.store.all(plural) if selected(item, labels, fields)]
        return {"items": items, "metadata": {"resourceVersion": str(self.store.version)}}

    def _apply(self, plural: str, body: Object, dry_run: bool) -> Object:
        """What is applied holds; the rest of a live object stays (one manager only)."""
        old = self.store.get(plural, body["metadata"]["name"])
        kept = {} if old is None else old["metadata"]
        item = {**(old or {}), **body, "metadata": kept | body["metadata"]}
        if plural == "deployments":
            item["spec"] = {"replicas": 1} | body["spec"]
        if plural == "services" and body["spec"]["type"] == "NodePort":
            (port,) = body["spec"]["ports"]
            ports = [port | {"nodePort": self.front.port}]
            item["spec"] = body["spec"] | {"clusterIP": "10.43.0.7", "ports": ports}
        return item if dry_run else self.store.put(plural, item)

    def _delete(self, plural: str, item: Object, options: Object) -> Object:
        if plural == "pods" and not of_job(item):
            self.controllers.leave(item, options.get("gracePeriodSeconds", self.nature.drain_s))
        else:
            self.store.drop(plural, item["metadata"]["name"])
        return {"kind": "Status", "status": "Success"}


def _merged(item: Object, patch: Object) -> Object:
    """A JSON merge patch, without its null."""
    changed = {
        key: _merged(item.get(key, {}), value) if isinstance(value, dict) else value
        for key, value in patch.items()
    }
    return item | changed


def _require_namespace(namespace: str, method: str) -> None:
    if namespace == "leaving" and method == "PATCH":
        raise Refusal(
            403,
            "unable to create new content in namespace leaving because it is being terminated",
            causes=[{"reason": "NamespaceTerminating"}],
        )
    if namespace not in ("default", "leaving"):
        missing = f'namespaces "{namespace}" not found'
        raise Refusal(404, missing, kind="namespaces", name=namespace)


def _handler(cluster: FakeCluster) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(Quiet, http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            if cluster.store.closed:  # connections outlive the server
                self.close_connection = True
                return
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or b"{}")
            try:
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise Refusal(401, "Unauthorized")
                answer = cluster.answer(self.command, self.path, body)
            except Refusal as error:
                self._send(error.status, _status(error))
            else:
                if self.headers.get("Upgrade") == "websocket":
                    self.close_connection = True
                    accept(self, failed=cluster.script_fails)
                    return
                if isinstance(answer, dict):
                    answer = json.dumps(answer)
                if isinstance(answer, str):
                    self._send(200, answer)
                else:
                    self._stream(answer)

        def _send(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def _stream(self, changes: Any) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for change, item in changes:
                    line = json.dumps({"type": change, "object": item}).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.write(b"0\r\n\r\n")
            except OSError:  # the watcher has gone
                self.close_connection = True

    return Handler


def _status(error: Refusal) -> str:
    return json.dumps({"kind": "Status", "message": str(error), "details": error.details})
