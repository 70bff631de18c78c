"""Deployments make pods, pods start, get ready, fail and leave: a K3s in fast motion.

What goes wrong with a pod is in its image's name: `missing`, `crash`, `oom`, `never`.
"""

import copy
import hashlib
import json
import threading
import time
from dataclasses import dataclass

from fake_jobs import Jobs, of_job
from fake_store import Object, Store, now

TICK_S = 0.01


@dataclass
class Nature:
    """How fast things go, and how much room there is."""

    load_s: float = 0.08  # from container start to ready
    drain_s: float = 0.08  # from deletion to gone
    back_off_s: float = 0.03
    room: int = 10  # pods that find a node
    quota: int | None = None  # pods that may exist


class Controllers:
    """A thread that brings the store's Deployments and pods a step further, again and again."""

    def __init__(self, store: Store, nature: Nature) -> None:
        self.store = store
        self.nature = nature
        self.began: dict[str, float] = {}  # by pod: created, or told to leave
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.count = 0
        self.restarts: dict[str, int] = {}  # by pod whose server was killed
        self.jobs = Jobs(store)

    def _run(self) -> None:
        while not self.stopping.wait(TICK_S):
            with self.store.changed:
                for deployment in self.store.all("deployments"):
                    self._reconcile(deployment)
                for pod in self._replicas():
                    self._live(pod)
                self._collect()
                self.jobs.step()

    def _reconcile(self, deployment: Object) -> None:
        spec = deployment["spec"]
        digest = hashlib.sha256(json.dumps(spec["template"], sort_keys=True).encode()).hexdigest()
        mine = [pod for pod in self._pods(deployment) if "deletionTimestamp" not in pod["metadata"]]
        new = [p for p in mine if p["metadata"]["labels"]["pod-template-hash"] == digest[:10]]
        old = [pod for pod in mine if pod not in new]
        wanted, rule = spec["replicas"], spec["strategy"]["rollingUpdate"]
        failure = None
        if len(new) < wanted and len(mine) < wanted + rule["maxSurge"]:
            failure = self._create(deployment, digest[:10])
        available = sum(map(ready, mine))
        for pod in [*new[wanted:], *sorted(old, key=ready)]:
            if not ready(pod) or available - 1 >= wanted - rule["maxUnavailable"]:
                available -= ready(pod)
                self.leave(pod, self.nature.drain_s)
        conditions = []
        if failure:
            conditions = [{"type": "ReplicaFailure", "status": "True", "message": failure}]
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(mine),
            "updatedReplicas": len(new),
            "availableReplicas": sum(map(ready, mine)),
            "conditions": conditions,
        }
        self.store.put("deployments", {**deployment, "status": status})

    def _create(self, deployment: Object, digest: str) -> str | None:
        pods = self.store.all("pods")
        if self.nature.quota is not None and len(pods) >= self.nature.quota:
            return f'pods "x" is forbidden: exceeded quota: pods, limited: pods={self.nature.quota}'
        self.count += 1
        name = f"{deployment['metadata']['name']}-{digest}-{self.count:05d}"
        template = copy.deepcopy(deployment["spec"]["template"])
        template["metadata"] |= {
            "name": name,
            "labels": {**template["metadata"]["labels"], "pod-template-hash": digest},
            "ownerReferences": [{"uid": deployment["metadata"]["uid"]}],
        }
        self.began[name] = time.monotonic()
        template["spec"]["nodeName"] = "node"
        self.store.put("pods", {**template, "status": {"conditions": []}})
        return None

    def _live(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        age_s = time.monotonic() - self.began[name]
        if "deletionTimestamp" in pod["metadata"]:
            if age_s >= pod["metadata"]["deletionGracePeriodSeconds"]:
                self.store.drop("pods", name)
            return
        placed = [p for p in self.store.all("pods") if p["status"].get("containerStatuses")]
        if pod not in placed and len(placed) >= self.nature.room:
            full = "0/1 nodes are available: 1 Insufficient cpu."
            status: Object = {
                "conditions": [{"type": "PodScheduled", "status": "False"} | _unplaced(full)]
            }
        else:
            status = self._container(pod["spec"]["containers"][0]["image"], name, age_s)
        self.store.put("pods", {**pod, "status": status})

    def _container(self, image: str, name: str, age_s: float) -> Object:
        state: Object = {"running": {}}
        last: Object = {}
        restarts, is_up = self.restarts.get(name, 0), age_s >= self.nature.load_s
        if "missing" in image:
            is_up = False
            late = age_s > self.nature.back_off_s
            reason = "ImagePullBackOff" if late else "ErrImagePull"
            state = {"waiting": {"reason": reason, "message": f'Back-off pulling image "{image}"'}}
            self._warn(name, f'Failed to pull image "{image}": not found')
        elif "crash" in image or "oom" in image:
            is_up, restarts = False, int(age_s / self.nature.back_off_s)
            reason = "OOMKilled" if "oom" in image else "Error"
            last = {"terminated": {"reason": reason, "exitCode": 137 if "oom" in image else 1}}
            if restarts:
                state = {"waiting": {"reason": "CrashLoopBackOff"}}
        elif "never" in image:
            is_up = False
        return {
            "conditions": [{"type": "Ready", "status": str(is_up)}],
            "containerStatuses": [
                {"state": state, "lastState": last, "restartCount": restarts, "ready": is_up}
            ],
        }

    def _warn(self, pod: str, message: str) -> None:
        event = {"metadata": {"name": f"{pod}.1"}, "type": "Warning", "message": message}
        self.store.put("events", {**event, "involvedObject": {"name": pod}})

    def leave(self, pod: Object, grace_s: float) -> None:
        """Begin a pod's end."""
        name = pod["metadata"]["name"]
        self.began[name] = time.monotonic()
        leaving = {"deletionTimestamp": now(), "deletionGracePeriodSeconds": grace_s}
        self.store.put("pods", {**pod, "metadata": pod["metadata"] | leaving})

    def _collect(self) -> None:
        """Pods whose Deployment is gone leave, as Kubernetes' garbage collector has it."""
        owners = {item["metadata"]["uid"] for item in self.store.all("deployments")}
        for pod in self._replicas():
            owner = pod["metadata"]["ownerReferences"][0]["uid"]
            if owner not in owners and "deletionTimestamp" not in pod["metadata"]:
                self.leave(pod, self.nature.drain_s)

    def _replicas(self) -> list[Object]:
        return [pod for pod in self.store.all("pods") if not of_job(pod)]

    def _pods(self, deployment: Object) -> list[Object]:
        uid = deployment["metadata"]["uid"]
        return [
            pod
            for pod in self.store.all("pods")
            if pod["metadata"]["ownerReferences"][0]["uid"] == uid
        ]


def ready(pod: Object) -> bool:
    return {"type": "Ready", "status": "True"} in pod["status"]["conditions"]


def _unplaced(message: str) -> Object:
    return {"reason": "Unschedulable", "message": message}
