"""Jobs of a fake cluster: each runs once, in a thread, and leaves a pod with a log."""

import threading
from collections.abc import Callable

from fake_store import Object, Store

OWNERS = ("deployments", "jobs")
Work = Callable[[Object, Object], tuple[int, str]]  # container, its ConfigMap: exit code, log


def idle(container: Object, config: Object) -> tuple[int, str]:
    return 0, ""


class Jobs:
    """Called under the store's lock, again and again."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.work: Work = idle
        self.waiting: Object | None = None  # state of containers that never run

    def step(self) -> None:
        """Start what has been applied; drop what has lost its owner."""
        for job in self.store.all("jobs"):
            if "status" not in job:
                self._start(job)
        uids = {item["metadata"]["uid"] for kind in OWNERS for item in self.store.all(kind)}
        for plural in ("jobs", "configmaps", "pods"):
            for item in self.store.all(plural):
                owners = item["metadata"].get("ownerReferences", [])
                if (plural != "pods" or of_job(item)) and owners[0]["uid"] not in uids:
                    self.store.drop(plural, item["metadata"]["name"])

    def _start(self, job: Object) -> None:
        name, template = job["metadata"]["name"], job["spec"]["template"]
        metadata = {
            "name": f"{name}-x",
            "labels": {**template["metadata"]["labels"], "job-name": name},
            "ownerReferences": [{"uid": job["metadata"]["uid"]}],
        }
        state = {"waiting": self.waiting} if self.waiting else {"running": {}}
        status = {"conditions": [], "containerStatuses": [{"state": state}]}
        self.store.put("pods", {**template, "metadata": metadata, "status": status})
        job = self.store.put("jobs", {**job, "status": {"active": 1}})
        if not self.waiting:
            threading.Thread(target=self._run, args=(job, metadata["name"]), daemon=True).start()

    def _run(self, job: Object, pod: str) -> None:
        spec = job["spec"]["template"]["spec"]
        (config,) = [one["configMap"]["name"] for one in spec["volumes"] if "configMap" in one]
        found = self.store.get("configmaps", config)
        assert found is not None
        code, log = self.work(spec["containers"][0], found)
        with self.store.changed:
            if self.store.get("jobs", job["metadata"]["name"]) is None:
                return
            item = self.store.get("pods", pod)
            assert item is not None
            self.store.put("pods", {**item, "log": log})
            ended = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
            if code == 0:
                ended = {"type": "Complete", "status": "True"}
            self.store.put("jobs", {**job, "status": {"conditions": [ended]}})


def of_job(pod: Object) -> bool:
    return "job-name" in pod["metadata"]["labels"]
