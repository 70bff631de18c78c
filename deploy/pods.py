"""When each pod of a release was created, ready, on its way out and gone."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from deploy.apierrors import ApiError
from deploy.cluster import Cluster, Watch
from deploy.diagnosis import is_ready
from deploy.manifests.merge import Object
from deploy.manifests.release import VARIANT, selector

RETRY_S = 0.2
_GONE = 410  # the API no longer knows the version from which to watch on


@dataclass(frozen=True)
class PodEvent:
    """Something that happened to a pod, when this machine was told of it.

    `what`: created, ready, unready, restarted, terminating or gone.
    """

    at_s: float
    pod: str
    what: str


@dataclass(frozen=True)
class PodTimes:
    """A pod's life, in seconds of the watch's clock; None: it has not come to that.

    `ready_s` is the first time. `variant` is the label that tells the pods of one release from
    those of the next.
    """

    name: str
    variant: str
    created_s: float
    ready_s: float | None = None
    terminating_s: float | None = None
    gone_s: float | None = None
    restarts: int = 0


class PodWatch:
    """Follows the pods of a release in a thread of its own, between entering and leaving.

    Pods that are there at the beginning count as created then. The times are those at which the
    cluster's messages arrive: its own have a resolution of a second, and another clock.
    """

    def __init__(self, cluster: Cluster, name: str, clock: Callable[[], float] = time.time) -> None:
        self.cluster = cluster
        self.name = name
        self.clock = clock
        self._events: list[PodEvent] = []
        self._times: dict[str, PodTimes] = {}
        self._ready: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._watch: Watch | None = None

    def __enter__(self) -> Self:
        """Begin with the pods that are there. Raises ApiError if the cluster does not say."""
        self._version = self._look()
        self._thread = threading.Thread(target=self._follow, name="pods", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop following; what was seen stays."""
        self._stopping.set()
        if (watch := self._watch) is not None:
            watch.stop()
        self._thread.join(timeout=5)

    def events(self) -> tuple[PodEvent, ...]:
        """Everything seen so far, in order."""
        with self._changed:
            return tuple(self._events)

    def pods(self) -> tuple[PodTimes, ...]:
        """Every pod seen so far, in the order in which they were created."""
        with self._changed:
            return tuple(self._times.values())

    def wait_for(self, met: Callable[[tuple[PodTimes, ...]], bool], timeout_s: float) -> bool:
        """Block until the pods meet a condition; False if they do not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: met(tuple(self._times.values())), timeout_s)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow_once()
            except ApiError as error:
                if error.status == _GONE:
                    self._version = ""
                self._stopping.wait(RETRY_S)

    def _follow_once(self) -> None:
        """One stream of changes, until the API ends it, which it does every few minutes."""
        version = self._version or self._look()
        with self.cluster.watch("Pod", version, selector(self.name)) as watch:
            self._watch = watch
            if self._stopping.is_set():  # too late for __exit__ to see the watch
                return
            for kind, pod in watch:
                if kind == "ERROR":
                    self._version = ""
                    return
                self._version = pod["metadata"]["resourceVersion"]
                self._note(pod, gone=kind == "DELETED")

    def _look(self) -> str:
        """Take stock: also of pods that went while nobody watched."""
        found, version = self.cluster.snapshot("Pod", selector(self.name))
        for pod in found:
            self._note(pod)
        names = {pod["metadata"]["name"] for pod in found}
        with self._changed:
            for times in list(self._times.values()):
                if times.gone_s is None and times.name not in names:
                    self._happened(times.name, "gone")
        return version

    def _note(self, pod: Object, gone: bool = False) -> None:
        name = pod["metadata"]["name"]
        containers = pod.get("status", {}).get("containerStatuses", [])
        restarts = sum(container.get("restartCount", 0) for container in containers)
        with self._changed:
            if name not in self._times:
                variant = pod["metadata"].get("labels", {}).get(VARIANT, "")
                self._times[name] = PodTimes(name, variant, self.clock())
                self._happened(name, "created")
            if restarts > self._times[name].restarts:
                self._times[name] = replace(self._times[name], restarts=restarts)
                self._happened(name, "restarted")
            if "deletionTimestamp" in pod["metadata"]:
                if self._times[name].terminating_s is None:
                    self._happened(name, "terminating")
            elif is_ready(pod) != (name in self._ready):
                self._happened(name, "ready" if is_ready(pod) else "unready")
            if gone:
                self._happened(name, "gone")

    def _happened(self, name: str, what: str) -> None:
        now_s, times = self.clock(), self._times[name]
        if what == "ready":
            self._ready.add(name)
            if times.ready_s is None:
                self._times[name] = replace(times, ready_s=now_s)
        elif what == "unready":
            self._ready.discard(name)
        elif what == "terminating":
            self._ready.discard(name)
            self._times[name] = replace(times, terminating_s=now_s)
        elif what == "gone":
            self._ready.discard(name)
            self._times[name] = replace(times, gone_s=now_s)
        self._events.append(PodEvent(now_s, name, what))
        self._changed.notify_all()
